import type { At, CacheMark, ModelPart, TextPart, UserPart } from './parts.ts';

/**
 * One turn of a conversation. `system` in the middle of one is kept where it stands; a provider that has no such place decides what
 * to do with it. Tool results are parts of a user's turn. Neighbouring turns of one role are allowed here: a provider that must
 * alternate joins them.
 */
export type Message =
  | { readonly role: 'system'; readonly at: At; readonly parts: readonly TextPart[] }
  | { readonly role: 'user'; readonly at: At; readonly name: string | null; readonly parts: readonly UserPart[] }
  | { readonly role: 'assistant'; readonly at: At; readonly name: string | null; readonly parts: readonly ModelPart[] };

export interface Tool {
  readonly at: At;
  readonly name: string;
  readonly description: string | null;
  /** JSON Schema of the arguments; null: it takes none. */
  readonly parameters: JsonObject | null;
  /** Whether arguments must match the schema exactly; null: the provider's default. */
  readonly strict: boolean | null;
  readonly cache: CacheMark | null;
}

export type ToolChoice =
  | { readonly kind: 'auto' | 'none' | 'required' }
  | { readonly kind: 'tool'; readonly name: string }
  /** Any of these, or (if not required) none. */
  | { readonly kind: 'allowed'; readonly names: readonly string[]; readonly required: boolean };

export type OutputFormat =
  | { readonly kind: 'json' }
  | {
      readonly kind: 'json_schema';
      readonly name: string | null;
      readonly description: string | null;
      readonly schema: JsonObject;
      readonly strict: boolean | null;
    };

export const REASONING_EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;

export interface Reasoning {
  readonly effort: (typeof REASONING_EFFORTS)[number] | null;
  /** Tokens that may go into thoughts; null: not said. 0: none. */
  readonly budgetTokens: number | null;
  /** Whether the caller wants to see (a summary of) the thoughts; null: the dialect's default. */
  readonly show: boolean | null;
  /** The model decides itself how much it thinks. */
  readonly adaptive: boolean;
}

/**
 * Every setting that has the same meaning with more than one provider, in one unit. Null: not said. What only one family knows is
 * an {@link Extra}.
 */
export interface Settings {
  readonly maxTokens: number | null;
  /** As the caller's dialect scales it: 0 to 2 (OpenAI, Gemini) or 0 to 1 (Anthropic); see `temperatureMax` of the request. */
  readonly temperature: number | null;
  readonly topP: number | null;
  readonly topK: number | null;
  readonly seed: number | null;
  readonly stop: readonly string[] | null;
  readonly frequencyPenalty: number | null;
  readonly presencePenalty: number | null;
  readonly logitBias: JsonObject | null;
  /** Log probabilities of the tokens that were chosen; `topLogprobs` of how many others. */
  readonly logprobs: boolean | null;
  readonly topLogprobs: number | null;
  /** How many answers. */
  readonly candidates: number | null;
  readonly toolChoice: ToolChoice | null;
  readonly parallelToolCalls: boolean | null;
  readonly output: OutputFormat | null;
  readonly reasoning: Reasoning | null;
  /** Who the end user is, for the provider's abuse detection. */
  readonly user: string | null;
  /** A group of requests whose prompts share a cache. */
  readonly promptCacheKey: string | null;
  readonly verbosity: 'low' | 'medium' | 'high' | null;
  readonly serviceTier: string | null;
}

export type Setting = keyof Settings;

/** A field of the caller's that has no place above: passed on in the same dialect, refused or dropped in every other. */
export interface Extra {
  readonly at: At;
  readonly name: string;
  readonly value: unknown;
}

/** A request for a chat, whatever dialect it came in. */
export interface ChatRequest {
  readonly model: string;
  readonly stream: boolean;
  /** Whether the caller wants usage in its stream (some dialects always have it). */
  readonly streamUsage: boolean;
  /** Instructions before the conversation, in order; `developer` and `system` are one. */
  readonly system: readonly TextPart[];
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly settings: Settings;
  /** How the caller spells the settings that it gave; for errors. */
  readonly spelling: Readonly<Partial<Record<Setting, At>>>;
  readonly extras: readonly Extra[];
}

export type JsonObject = { readonly [key: string]: unknown };

/** Nothing said. Readers spread what they found over it. */
export const NO_SETTINGS: Settings = Object.freeze({
  maxTokens: null,
  temperature: null,
  topP: null,
  topK: null,
  seed: null,
  stop: null,
  frequencyPenalty: null,
  presencePenalty: null,
  logitBias: null,
  logprobs: null,
  topLogprobs: null,
  candidates: null,
  toolChoice: null,
  parallelToolCalls: null,
  output: null,
  reasoning: null,
  user: null,
  promptCacheKey: null,
  verbosity: null,
  serviceTier: null,
});
