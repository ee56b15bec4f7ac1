import type { HeaderLines } from './request-head.ts';

/** Response headers that the gateway reads; the client picks no others out of an answer's head. */
export const READ_HEADERS = [
  'content-type',
  'content-length',
  'content-encoding',
  'retry-after',
  'x-request-id',
  'request-id',
  'x-amzn-requestid',
  'apim-request-id',
  'x-amzn-errortype',
  'openai-version',
  'openai-processing-ms',
] as const;

/** Headers of an answer: lower-case names, no prototype; a name that came twice has a list. Content-Length is one number or refused. */
export type UpstreamHeaders = {
  readonly [Name in (typeof READ_HEADERS)[number]]?: Name extends 'content-length' ? string : string | string[];
};

/** Where calls go. Made once for a target; calls with the same key share connections. */
export interface UpstreamEndpoint {
  readonly key: string;
  /** Scheme, host and port of a URL. */
  readonly origin: string;
  readonly connectTimeoutMs: number;
}

/** One HTTP call to an upstream, in the shape that the transport takes without copying. */
export interface UpstreamCall {
  readonly endpoint: UpstreamEndpoint;
  /** Request line and every header that does not change from call to call: see `bindHead`. */
  readonly head: Buffer;
  /** The headers of this call: see `addHeader`. */
  readonly headers: HeaderLines;
  /** The pieces of the body, in order; they must not be changed until the end or the error. */
  readonly body: readonly Buffer[];
  /** Bytes of all pieces. */
  readonly bodyBytes: number;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** Steers one call. Every method does nothing once the call has ended, so that the next one on its connection is safe. */
export interface UpstreamController {
  /** Ends the call and drops its connection; the handler gets `onResponseError` with this reason, at once. */
  abort(reason: Error): void;
  /** Stops reading. What is read already, at most one read, still comes, and with it the end if it is there. */
  pause(): void;
  resume(): void;
}

/**
 * What the transport reports of one call: a start, a head, any number of pieces, an end; an error may take the place of each of
 * them after the start, or come alone when no connection was made or an idle one ended before the call was sent. Nothing follows the end or the error; by then the transport
 * has let go of the body's bytes. No method may throw:
 * one that does loses its connection.
 */
export interface UpstreamHandler {
  /** There is a connection; the request is sent right after this. */
  onRequestStart(controller: UpstreamController): void;
  /** The head of the final answer; 1xx are skipped. */
  onResponseStart(controller: UpstreamController, status: number, headers: UpstreamHeaders): void;
  /** A piece of the body, at least one byte; it is the handler's to keep. */
  onResponseData(controller: UpstreamController, chunk: Buffer): void;
  onResponseEnd(controller: UpstreamController): void;
  onResponseError(controller: UpstreamController, error: Error): void;
}

/** The connections of one worker to all upstreams. */
export interface UpstreamPools {
  /**
   * Sends the call on an idle connection or a new one. `nowMs` is the clock that the pools were made with.
   * @throws an error with the code RINGSIDE_FORBIDDEN_ADDRESS when the origin is an address that is not allowed, or
   * RINGSIDE_POOL_FULL when there are as many connections to it as there may be
   */
  dispatch(call: UpstreamCall, handler: UpstreamHandler, nowMs: number): void;
  /** Destroys every connection; calls in flight fail. */
  close(): void;
}
