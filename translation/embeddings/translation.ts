import type { RequestTarget } from '../chat/dialect.ts';
import type { ModelFacts } from '../chat/provider.ts';
import type { Refusals } from '../chat/refusals.ts';
import type { EmbeddingsReply, EmbeddingsRequest } from './request.ts';

/** One ingress dialect for embeddings. All functions are pure. */
export interface EmbeddingsDialect {
  /** Throws `bad_request` with the parameter at fault. Fields that it does not know become extras, never an error. */
  readRequest(body: Buffer, target: RequestTarget): EmbeddingsRequest;
  /** A whole answer as JSON text. */
  writeReply(reply: EmbeddingsReply, request: EmbeddingsRequest): string;
}

/** How one provider kind is asked for embeddings and how its answer is read. All functions are pure. */
export interface EmbeddingsTranslation {
  /** Which of the target's heads a request takes. */
  readonly head: string;
  /** The body of the upstream's request. What cannot be expressed goes to `refusals`. */
  writeRequest(request: EmbeddingsRequest, model: ModelFacts, refusals: Refusals): Buffer;
  /** Throws `upstream_protocol` for what is no answer: HTML, broken JSON, another shape. */
  readReply(body: Buffer): EmbeddingsReply;
}
