import type { RingsideError } from '#core/errors.ts';
import type { DialectName, Operation, ProviderKind } from '#core/names.ts';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import type { RequestTarget } from '#translation/chat/dialect.ts';
import type { ChatTranslation, ModelFacts } from '#translation/chat/provider.ts';
import type { ProviderModels } from '#translation/chat/provider-models.ts';
import type { EmbeddingsTranslation } from '#translation/embeddings/translation.ts';
import type { Usage } from '../telemetry/recorder.ts';
import type { UpstreamEndpoint } from '../upstream/handler.ts';
import type { TokenGrant } from '../upstream/token-grant.ts';
import type { Capabilities } from './capabilities.ts';

/** The secrets of a provider, opened. */
export interface ProviderCredentials {
  /** What the provider gives to its users: a key, or for some kinds a JSON document (a service account's key file, …). */
  readonly apiKey?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** What stands between a target and its calls. */
export type TargetAccess =
  /** Each call carries an access token, which is fetched and renewed. */
  | { readonly kind: 'token'; readonly grant: TokenGrant }
  /** It cannot be called as it is configured. */
  | { readonly kind: 'unusable'; readonly reason: string };

/** A deployment made ready to call: everything that can be decided when a snapshot is compiled is decided here. */
export interface UpstreamTarget {
  readonly kind: ProviderKind;
  readonly providerName: string;
  readonly upstreamModel: string;
  readonly endpoint: UpstreamEndpoint;
  /**
   * The fixed part of a request's head (see `bindHead`), credentials included, by the name that the adapter's wires give it; the call
   * appends what is the request's own. An endpoint that the provider does not have is missing.
   */
  readonly heads: Readonly<Record<string, Buffer | undefined>>;
  /** What a translation has to know. */
  readonly model: ModelFacts;
  /** How a chat is put to this one, where that is not the same for all of its kind. */
  readonly chat?: ChatTranslation;
  /** Missing where calls can be made at once: for nearly all. */
  readonly access?: TargetAccess;
  /** Headers that depend on the finished call (a signature): names and values in turn. */
  readonly sign?: (headName: string, body: readonly Buffer[], unixMs: number) => readonly string[];
  /** Where realtime sessions are opened, and with which headers, credentials included; missing where there are none. */
  readonly session?: { readonly path: string; readonly headers: Readonly<Record<string, string>> } | undefined;
  /** The upstream's model name as JSON text. */
  readonly modelJson: Buffer;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Texts that must never show in an answer, a log or an error. */
  readonly secrets: readonly string[];
}

/** Default deadlines of upstream calls, in milliseconds; a provider may set its own. */
export interface DefaultTimeouts {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
}

/** What the upstream's answer says about itself. Missing is not zero. */
export interface ReplyFacts {
  readonly usage: Usage | null;
  readonly finishReason: string | null;
}

/** What a piece of a stream becomes. */
export interface StreamPiece {
  /** Bytes for the caller now; null when there are none yet. */
  readonly forward: Buffer | null;
  /** The dialect's terminal event was in this piece: `terminal` is held back until the inference is recorded. */
  readonly terminal: Buffer | null;
}

/** Watches one stream: passes events on, takes out what the caller did not ask for, reads usage and finish reason. */
export interface StreamTap {
  push(chunk: Buffer): StreamPiece;
  /** The upstream ended cleanly: what was still incomplete. */
  flush(): Buffer | null;
  facts(): ReplyFacts;
  /** Whether an event with content has passed. */
  readonly sawToken: boolean;
  /** The body of the error event that the upstream put into the stream; that event is not passed on. */
  readonly errorBody: Buffer | null;
  /** Whether more than signs of life was passed on; missing where those come with events only. */
  readonly hasEvents?: boolean;
  /** A part of an event was passed on whose end has not come: one that is too large to be held. */
  readonly isMidEvent?: boolean;
  /** The status that belongs to `errorBody`, where the event says one. */
  readonly errorStatus?: number | null;
  /** What came cannot be read: nothing more is passed on. */
  readonly failure?: RingsideError | null;
}

/** A dialect that a provider speaks itself: bytes go on as they came, both ways, and are only looked at. */
export interface NativeWire {
  /** Top-level keys that would make this kind of upstream route, or call elsewhere, by itself. */
  readonly refusedKeys: readonly string[];
  /** Callers' headers that are passed on. Everything else stays here. */
  readonly forwardedHeaders: readonly string[];
  /** Which of the target's heads the request takes. */
  headName(operation: Operation, stream: boolean, framing: RequestTarget['framing'], isBatch: boolean): string;
  /** A stream that is a JSON array has the type of a plain answer: `framing` says which was asked for. */
  isStream(contentType: string, framing: RequestTarget['framing']): boolean;
  readReply(body: Buffer): ReplyFacts;
  /** How much of a plain answer is held until it is whole and can be read; 0: none. A megabyte where it is not said. */
  readonly maxWholeBytes?: (operation: Operation) => number;
  openStream(hideUsage: boolean, framing: RequestTarget['framing']): StreamTap;
  /** Whether the provider would refuse the body for what another one has put into it: then the chat is translated. */
  isForeign?(body: Buffer): boolean;
  /** For bodies that name the model in other places than at their top: the whole body anew, or null where nothing is to be changed. */
  rewriteBody?(operation: Operation, body: Buffer, upstreamModel: string): Buffer | null;
}

/** One provider kind. Folders hold the same files: request.ts, reply.ts, stream.ts, errors.ts, models.ts where it applies. */
export interface ProviderAdapter {
  readonly kind: string;
  bind(deployment: CompiledDeployment, credentials: ProviderCredentials, defaults: DefaultTimeouts): UpstreamTarget;
  /** The dialects that go on as they are. */
  readonly natives: Readonly<Partial<Record<DialectName, NativeWire>>>;
  /** How a chat in any other dialect is put to it; null: it is no chat. */
  readonly chat: ChatTranslation | null;
  /** How embeddings in any other dialect are asked of it; missing: it has none. */
  readonly embeddings?: EmbeddingsTranslation;
  readonly capabilities: Capabilities;
  /** Where `capabilities` is not the whole truth: sentences for the docs. */
  readonly limits: readonly string[];
  /** Its own list of models; null: it has none. */
  readonly models: ProviderModels | null;
  /** An answer with status ≥ 400, or an error out of a stream, as our error, scrubbed of the target's secrets. */
  readError(status: number, body: Buffer, retryAfter: string | undefined, target: UpstreamTarget): RingsideError;
}
