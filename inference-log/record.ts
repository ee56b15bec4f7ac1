import type { SideFacts } from '#core/capture-facts.ts';
import type { ErrorCode } from '#core/errors.ts';
import type { Metadata } from '#core/metadata.ts';
import type { Operation } from '#core/names.ts';

/** What is known when an inference is dispatched. Travels in the `begin` frame, beside the captured request bytes. */
export interface BeginRecord {
  readonly organizationId: string;
  readonly groupId: string;
  readonly configVersion: number;
  readonly keyId: string;
  readonly operation: Operation;
  readonly dialect: string;
  readonly streamed: boolean;
  readonly assignedVariant: string;
  readonly unit: string;
  readonly unitSource: 'header' | 'user' | 'key' | 'inference';
  readonly hashVersion: number;
  readonly bucket: number;
  readonly rangeFrom: number;
  readonly rangeTo: number;
  readonly phase: number;
  readonly traceId: string;
  /** Length of the request as received, whatever part of it was captured. */
  readonly requestBytes: number;
  /** Hex SHA-256 of the whole request; only when it was longer than what was captured, and not computed beside the call. */
  readonly requestSha256: string | null;
  /** What the caller said about the request, redacted; missing when it said nothing. */
  readonly metadata?: Metadata | undefined;
  /** How the captured bytes differ from the request; missing in records of releases that did not say. */
  readonly requestFacts?: SideFacts;
  /** Where the inference counts in its group's experiment; missing where it counts in none. */
  readonly experiment?: ExperimentPlace | undefined;
  /** Of a mirrored call: the inference that it mirrors. */
  readonly shadowOf?: string;
}

/** `arm`: 0 is the champion's, then the challengers' in their order; a mirrored call's is that of its own model. */
export interface ExperimentPlace {
  readonly id: string;
  readonly phase: number;
  readonly arm: number;
  /** What the caller's metadata has under the experiment's `correlationKey`. */
  readonly correlation?: string;
}

/** One upstream call made for an inference. */
export interface AttemptRecord {
  readonly provider: string;
  readonly model: string;
  readonly upstreamModel: string;
  /** The upstream's HTTP status; null when no answer came. */
  readonly status: number | null;
  readonly errorCode: ErrorCode | null;
  readonly startNs: number;
  readonly connectNs: number | null;
  readonly firstByteNs: number | null;
  readonly endNs: number;
  /** The provider's own request id. */
  readonly requestId: string | null;
}

/** How an inference ended. Travels in the `end` frame, beside the captured response bytes. Durations in nanoseconds. */
export interface EndRecord {
  /** The status the caller saw (499: the caller left before there was one). */
  readonly status: number;
  readonly outcome: 'completed' | 'failed' | 'client_closed' | 'interrupted';
  readonly errorCode: ErrorCode | null;
  /** What ended the answer: a whole body, the dialect's terminal event, a clean end without it, … */
  readonly endReason:
    | 'body'
    | 'terminal_event'
    | 'end_of_stream'
    | 'refused'
    | 'upstream_failed'
    | 'client_closed'
    | 'interrupted'
    /** A session, by the close code that ended it. */
    | `close_${number}`;
  readonly servedVariant: string | null;
  /**
   * `pinned`: one account served all of a session, so that its length is the caller's choice; it is no evidence for or
   * against its variant. `shadow`: a mirrored call, whose answer nobody got.
   */
  readonly servedReason: 'assigned' | 'pinned' | 'shadow' | 'none';
  readonly finishReason: string | null;
  readonly attempts: readonly AttemptRecord[];
  /** Null is "the upstream did not say"; zero is zero. */
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedTokens: number | null;
  readonly reasoningTokens: number | null;
  readonly queueNs: number;
  readonly connectNs: number | null;
  readonly firstByteNs: number | null;
  readonly firstTokenNs: number | null;
  readonly totalNs: number;
  /** What the call cost, where prices are known. */
  readonly costMicroUsd?: number | null;
  /** The request's digest where it was computed beside the call: then the begin record has none. */
  readonly requestSha256?: string | null;
  /** The request's length where it was known only at the end. */
  readonly requestBytes?: number;
  readonly responseBytes: number;
  readonly responseSha256: string | null;
  readonly responseType: string | null;
  /** How the captured bytes differ from the answer; missing in records of releases that did not say. */
  readonly responseFacts?: SideFacts;
}

/** The version of these two shapes, stored with each row. */
export const RECORD_SCHEMA_VERSION = 1;

/** A whole inference, as the shipper assembles it from its frames and hands it to a sink. */
export interface InferenceRow {
  readonly id: string;
  readonly gatewayId: string;
  readonly begin: BeginRecord;
  readonly end: EndRecord;
  readonly request: Uint8Array | null;
  readonly response: Uint8Array | null;
}
