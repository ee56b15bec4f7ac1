import type { ChatEvent } from './events.ts';
import type { Refusals } from './refusals.ts';
import type { ChatReply } from './reply.ts';
import type { ChatRequest } from './request.ts';

/** What a translation needs to know of the model that it is for. */
export interface ModelFacts {
  readonly upstreamModel: string;
  /** For providers that require a limit; from the model's meta. */
  readonly defaultMaxTokens: number;
  /** The upstream's host, for kinds that stand for servers which differ. */
  readonly host?: string;
}

/** How one provider kind is asked for a chat and how its answer is read: request.ts, reply.ts, stream.ts. All functions are pure. */
export interface ChatTranslation {
  /** Which of the target's heads a request takes. */
  readonly heads: { readonly plain: string; readonly stream: string };
  /** The media types by which the provider says that it streams, in lower case. */
  readonly streamTypes: readonly string[];
  /** The body of the upstream's request. What cannot be expressed goes to `refusals`. */
  writeRequest(request: ChatRequest, model: ModelFacts, refusals: Refusals): Buffer;
  /** A whole answer. Throws `upstream_protocol` for what is none: HTML, broken JSON, another shape. */
  readReply(body: Buffer): ChatReply;
  openReader(): StreamReader;
}

/**
 * Reads one stream, cut anywhere: the events are the same whatever the chunks. Holds at most one event. Throws `upstream_protocol` for
 * what no client could read (a broken event, one beyond {@link MAX_EVENT_BYTES}); event types that it does not know are skipped.
 */
export interface StreamReader {
  push(chunk: Buffer, emit: (event: ChatEvent) => void): void;
  /** The upstream has closed the stream. Emits nothing if `end` or `error` was emitted. A stream that broke off throws `upstream_protocol`. */
  close(emit: (event: ChatEvent) => void): void;
}

/** Longer events of an upstream are refused: a tool call or an image that comes in one piece may be large. */
export const MAX_EVENT_BYTES = 16 * 1024 * 1024;
