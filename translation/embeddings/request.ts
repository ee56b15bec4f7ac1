import type { At } from '../chat/parts.ts';
import type { Extra } from '../chat/request.ts';

export type EmbeddingsInput =
  | { readonly kind: 'text'; readonly at: At; readonly text: string }
  /** Numbers of the model's own vocabulary: another model reads something else in them. */
  | { readonly kind: 'tokens'; readonly at: At; readonly tokens: readonly number[] };

/** What vectors are for: providers make those of a question and those of what answers it differently. */
export const EMBEDDINGS_TASKS = ['query', 'document', 'classification', 'clustering', 'similarity'] as const;
export type EmbeddingsTask = (typeof EMBEDDINGS_TASKS)[number];

/** A request for embeddings, whatever dialect it came in. Null: not said. */
export interface EmbeddingsRequest {
  readonly model: string;
  readonly inputs: readonly EmbeddingsInput[];
  readonly dimensions: number | null;
  readonly task: EmbeddingsTask | null;
  /** How the caller wants its numbers written. */
  readonly encoding: 'float' | 'base64';
  /** Whether a list of answers is due, in dialects where one input has an answer of another shape. */
  readonly isBatch: boolean;
  /** How the caller spells what it gave; for errors. */
  readonly spelling: { readonly dimensions: At; readonly task: At };
  readonly extras: readonly Extra[];
}

/** A whole answer, whatever provider it came from. */
export interface EmbeddingsReply {
  /** The provider's name of the model that answered. */
  readonly model: string | null;
  /** In the order of the inputs. */
  readonly vectors: readonly (readonly number[])[];
  readonly inputTokens: number | null;
}
