import { createHash } from 'node:crypto';
import { type CutReason, type MissingReason, readFacts } from '#core/capture-facts.ts';
import type { InferenceRow, PayloadRow } from '#store/inferences.ts';

/** What the log has of one side of an inference. */
export type CapturedSide =
  /** `why`: null when it is not known. `sha256`: of all that was sent, where it was computed all the same. */
  | { readonly kind: 'missing'; readonly why: MissingReason | null; readonly sha256: Buffer | null }
  | {
      readonly kind: 'kept';
      readonly bytes: Buffer;
      /** Nothing of the side is missing, though something in it may be redacted. */
      readonly isWhole: boolean;
      readonly isRedacted: boolean;
      /** Why it is not whole; null when that is not known. */
      readonly cutBy: readonly CutReason[] | null;
      /** Of all that was sent; null when not known, and always where something was redacted: guesses at it could be tested. */
      readonly sha256: Buffer | null;
    };

type Row = Pick<InferenceRow, 'capture_facts' | 'request_bytes' | 'response_bytes'>;
type Payload = Pick<PayloadRow, 'request' | 'request_sha256' | 'response' | 'response_sha256'> | undefined;

/** What the log has of the request. */
export function requestOf(row: Row, payload: Payload): CapturedSide {
  const { request = null, request_sha256: sha256 = null } = payload ?? {};
  return sideOf(readFacts(row.capture_facts, 'request'), request, row.request_bytes, sha256);
}

/** What the log has of the answer. */
export function responseOf(row: Row, payload: Payload): CapturedSide {
  const { response = null, response_sha256: sha256 = null } = payload ?? {};
  return sideOf(readFacts(row.capture_facts, 'response'), response, row.response_bytes, sha256);
}

function sideOf(
  facts: ReturnType<typeof readFacts>,
  bytes: Buffer | null,
  sentBytes: number,
  sha256: Buffer | null,
): CapturedSide {
  if (bytes === null) return { kind: 'missing', why: facts?.kind === 'missing' ? facts.why : null, sha256 };
  const { isRedacted, cutBy } = facts?.kind === 'kept' ? facts : guess(bytes, sentBytes, sha256);
  const isWhole = cutBy?.length === 0;
  const digest = sha256 ?? (isWhole && !isRedacted ? createHash('sha256').update(bytes).digest() : null);
  return { kind: 'kept', bytes, isWhole, isRedacted, cutBy, sha256: isRedacted ? null : digest };
}

/**
 * For rows of releases that did not write down what they kept: a side that was cut has a digest of the whole; one that was redacted never
 * has, and is all there if it parses.
 */
function guess(
  kept: Buffer,
  sentBytes: number,
  sha256: Buffer | null,
): { isRedacted: boolean; cutBy: readonly CutReason[] | null } {
  if (kept.length === sentBytes) return { isRedacted: false, cutBy: [] };
  if (sha256 !== null) return { isRedacted: false, cutBy: ['limit'] };
  return isJson(kept) ? { isRedacted: true, cutBy: [] } : { isRedacted: false, cutBy: null };
}

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}
