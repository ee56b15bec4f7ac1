import type { RingsideError } from '#core/errors.ts';
import type { Operation, ProviderKind } from '#core/names.ts';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import type { Usage } from '../telemetry/recorder.ts';
import type { UpstreamEndpoint } from '../upstream/handler.ts';

/** The secrets of a provider, opened. */
export interface ProviderCredentials {
  readonly apiKey?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A deployment made ready to call: everything that can be decided when a snapshot is compiled is decided here. */
export interface UpstreamTarget {
  readonly kind: ProviderKind;
  readonly providerName: string;
  readonly upstreamModel: string;
  readonly endpoint: UpstreamEndpoint;
  /** The fixed part of the request's head (see `bindHead`), credentials included; the call appends what is the request's own. */
  readonly heads: Readonly<Record<Operation, Buffer>>;
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
}

/** One provider kind. Folders hold the same files: request.ts, reply.ts, stream.ts, errors.ts, models.ts where it applies. */
export interface ProviderAdapter {
  readonly kind: string;
  /** Top-level keys that would make this kind of upstream route, or call elsewhere, by itself. */
  readonly refusedKeys: readonly string[];
  bind(deployment: CompiledDeployment, credentials: ProviderCredentials, defaults: DefaultTimeouts): UpstreamTarget;
  readReply(body: Buffer): ReplyFacts;
  openStream(hideUsage: boolean): StreamTap;
  /** An answer with status ≥ 400 as our error, scrubbed of the target's secrets. */
  readError(status: number, body: Buffer, retryAfter: string | undefined, target: UpstreamTarget): RingsideError;
}
