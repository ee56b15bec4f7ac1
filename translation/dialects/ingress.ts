import type { ScanPlan, Span } from '#core/body-scan.ts';
import type { RingsideError } from '#core/errors.ts';
import type { Metadata } from '#core/metadata.ts';
import type { DialectName, Operation } from '#core/names.ts';
import type { ChatDialect, RequestTarget } from '../chat/dialect.ts';
import type { EmbeddingsDialect } from '../embeddings/translation.ts';
import type { ModelList } from './model-list.ts';
import type { Reassembler, ReassemblerOptions } from './reassembler.ts';

/** What the gateway needs to know of a request, and where to put its own words into the bytes. */
export interface ParsedRequest {
  readonly model: string;
  /** Null where the path names the model. */
  readonly modelSpan: Span | null;
  readonly stream: boolean;
  readonly user: string | null;
  /** What the body says about the request, where it is a flat object; the rest is the upstream's to judge. */
  readonly metadata: Metadata | null;
  /** Usage is asked for upstream; the caller did not ask, so its event is taken out of the stream. */
  readonly hideUsage: boolean;
  /** What is put into the body, and where; null when nothing is. */
  readonly insertion: { readonly span: Span; readonly text: Buffer } | null;
  /** Refused keys that are present. */
  readonly refused: readonly string[];
  /** Set where the body is a form with uploads, and no text for the log. */
  readonly form?: FormRequest;
}

/** What a form needs beside the pieces of its body. */
export interface FormRequest {
  /** The media type with the boundary, for the upstream. */
  readonly contentType: string;
  /** What is put in the place of `modelSpan`, instead of the name as JSON. */
  writeModel(upstreamModel: string): Buffer;
}

/** Where a caller puts its key: headers by name, and the query of the request. */
export interface KeyPlaces {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Without the `?`. */
  readonly query: string;
}

/** One API in which applications call: how its requests are recognised and read, and how its errors look. */
export interface Ingress {
  readonly name: DialectName;
  /** Scans for the governed keys and for those that some adapter refuses. */
  planRequest(refusedKeys: readonly string[]): ScanPlan;
  /** Reads a body without parsing it. Throws `bad_request` with `param` for what the gateway itself must understand. */
  parseRequest(
    body: Buffer,
    plan: ScanPlan,
    operation: Operation,
    target: RequestTarget,
    contentType?: string,
  ): ParsedRequest;
  /** The key as `Bearer …`, from wherever the dialect's clients put it; undefined when there is none. */
  authorization(places: KeyPlaces): string | undefined;
  /** Reads and writes chats for providers of another dialect; null where there are none. */
  readonly chat: ChatDialect | null;
  /** The same for embeddings; missing where there are none. */
  readonly embeddings?: EmbeddingsDialect;
  /** Puts a stream's events together for a log that must not keep a text in pieces; null where nothing is streamed. */
  readonly openReassembler: ((options: ReassemblerOptions) => Reassembler) | null;
  /** Whether an answer may be something else than text, so that the log must look at its media type. */
  readonly hasBinaryAnswers?: true;
  errorBody(error: RingsideError): string;
  /** The same inside a stream whose head is sent; `isFirst`: before its first event. */
  errorEvent(error: RingsideError, framing: RequestTarget['framing'], isFirst: boolean): string;
  /** A sign of life that no client takes for an event; null where the framing knows none. */
  keepAlive(framing: RequestTarget['framing']): string | null;
  /** Lists model groups as its clients expect models; missing where they have no such list. */
  readonly modelList?: ModelList;
  /** The header in which the dialect's clients look for the request's id, beside `x-request-id`. */
  readonly requestIdHeader: string | null;
}

/** What a method and a path ask for. */
export interface IngressRoute {
  readonly ingress: Ingress;
  readonly operation: Operation;
  readonly target: RequestTarget;
}
