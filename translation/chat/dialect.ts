import type { RingsideError } from '#core/errors.ts';
import type { ChatEvent } from './events.ts';
import type { ChatReply } from './reply.ts';
import type { ChatRequest } from './request.ts';

/** What stands beside a body: some dialects say the model and whether to stream in the path. */
export interface RequestTarget {
  /** The group's name from the path; null where the body names it. */
  readonly model: string | null;
  /** Whether the path asks for a stream; null where the body says it. */
  readonly stream: boolean | null;
  /** For dialects that stream in two ways: `?alt=sse` or a JSON array. */
  readonly framing: 'sse' | 'json-array';
  /** The path asks for the answers to a list of requests at once. */
  readonly isBatch?: boolean;
}

/** What an answer's writer knows beside the answer. */
export interface AnswerContext {
  readonly inferenceId: string;
  readonly createdUnixS: number;
  readonly request: ChatRequest;
  readonly framing: RequestTarget['framing'];
}

/**
 * One ingress dialect for chats: reads what its SDKs send and writes what they expect, of a model that may speak another one.
 * Folders hold the same files: request.ts, reply.ts, stream.ts, errors.ts. All functions are pure.
 */
export interface ChatDialect {
  readonly name: string;
  /** Throws `bad_request` with the parameter at fault. Fields that it does not know become extras, never an error. */
  readRequest(body: Buffer, target: RequestTarget): ChatRequest;
  /** A whole answer as JSON text. */
  writeReply(reply: ChatReply, context: AnswerContext): string;
  openWriter(context: AnswerContext): StreamWriter;
  /** The media type of a stream. */
  streamType(framing: RequestTarget['framing']): string;
  errorBody(error: RingsideError): string;
  /** The same inside a stream whose head is sent; `isFirst`: before its first event. */
  errorEvent(error: RingsideError, framing: RequestTarget['framing'], isFirst: boolean): string;
  /** A sign of life that no client takes for an event; null where the framing knows none. */
  keepAlive(framing: RequestTarget['framing']): string | null;
}

/** Writes one stream. Events come in the order that events.ts draws; `error` events never reach a writer. */
export interface StreamWriter {
  /** What the event becomes, complete events only; empty where it becomes nothing (yet). */
  write(event: Exclude<ChatEvent, { type: 'end' | 'error' }>): string;
  /** What ends the stream well: held back until the inference is recorded. */
  end(): string;
}
