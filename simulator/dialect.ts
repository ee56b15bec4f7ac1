import type { IncomingHttpHeaders } from 'node:http';
import type { Behaviour } from './behaviour.ts';
import type { Random } from './random.ts';

/** A request's head, as a dialect needs it to find a route. */
export interface RequestHead {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Without the `?`; empty if there is none. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
}

/** Everything for which a provider refuses a request; each dialect words it as its provider does. */
export type Problem =
  | { readonly kind: 'missing-api-key' }
  | { readonly kind: 'wrong-api-key'; readonly presentedKey: string }
  | { readonly kind: 'unknown-path'; readonly method: string; readonly path: string }
  | { readonly kind: 'wrong-method'; readonly method: string; readonly path: string }
  | { readonly kind: 'unknown-model'; readonly model: string }
  | { readonly kind: 'bad-json' }
  | { readonly kind: 'body-too-large' }
  | { readonly kind: 'bad-request'; readonly message: string; readonly field: string | null; readonly missing: boolean }
  | InjectedProblem;

/** An error that the model's behaviour asked for. */
export interface InjectedProblem {
  readonly kind: 'injected';
  readonly status: number;
  readonly model: string;
  readonly message: string | undefined;
  readonly retryAfterSeconds: number | undefined;
}

/** A problem as HTTP. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What an answer is made from; the same context gives the same answer. */
export interface AnswerContext {
  readonly seed: number;
  readonly behaviour: Behaviour;
  /** For ids; continues this request's sequence of draws. */
  readonly random: Random;
  readonly createdSeconds: number;
  /** The models with a behaviour of their own. */
  models(): string[];
}

/** One server-sent event; `tokens` is how many tokens of the answer it brings. */
export interface StreamEvent {
  readonly event?: string;
  readonly data: string;
  readonly tokens: number;
}

/** How events become bytes, where they are not server-sent events. `index` counts the events of the stream from 0. */
export interface StreamFraming {
  readonly contentType: string;
  encode(event: StreamEvent, index: number): string | Buffer;
}

/** A successful answer, before the behaviour's pace and faults are applied to its bytes. */
export type Answer =
  | {
      readonly kind: 'plain';
      readonly body: string | Buffer;
      /** Undefined: JSON. */
      readonly contentType?: string | undefined;
      readonly tokens: number;
    }
  | {
      readonly kind: 'stream';
      readonly events: Iterable<StreamEvent>;
      /** What ends the stream, and `omitDone` leaves out. */
      readonly terminator: StreamEvent | undefined;
      /** Undefined: server-sent events. */
      readonly framing?: StreamFraming | undefined;
      readonly tokens: number;
    };

/** A request that was understood. */
export interface Call {
  readonly kind: 'call';
  /** `null` where the path names none (a list of models): it behaves as `*`. */
  readonly model: string | null;
  readonly stream: boolean;
  answer(context: AnswerContext): Answer;
  /** Where its stream says otherwise than its dialect's others that it failed. */
  streamError?(problem: InjectedProblem): StreamEvent;
}

export interface Route {
  readonly kind: 'route';
  readonly takesBody: boolean;
  /** The body is a form (see form.ts) and no JSON. */
  readonly takesForm?: true;
  /** Reads a parsed JSON body or a form, or undefined where the route takes none. */
  read(body: unknown): Call | Problem;
}

/** One provider's HTTP API. All functions are pure. */
export interface Dialect {
  readonly name: string;
  /** Undefined if the path belongs to another provider. */
  route(head: RequestHead): Route | Problem | undefined;
  /** The API key that the request carries. */
  presentedKey(head: RequestHead): string | undefined;
  /** In place of comparing `presentedKey`, where requests are signed: what is wrong with this one, if anything. */
  checkKey?(head: RequestHead, body: Buffer, requiredApiKey: string): Problem | undefined;
  /** The headers that the provider adds to every answer. */
  headers(random: Random, latencyMs: number): Record<string, string>;
  refuse(problem: Problem): Refusal;
  /** The event by which a stream says that it failed. */
  streamError(problem: InjectedProblem): StreamEvent;
}
