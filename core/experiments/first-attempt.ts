import type { ErrorCode } from '../errors.ts';

/**
 * How the first attempt of an assigned variant ended, which is what experiments judge it by: a fallback or a retry would hide a dead
 * challenger. `rejected`: the caller's own mistake. `left`: nobody waited for the end. `unknown`: the gateway died.
 */
export type FirstAttempt = 'succeeded' | 'failed' | 'rejected' | 'left' | 'unknown';

interface Attempt {
  readonly model: string;
  readonly status: number | null;
  readonly errorCode: ErrorCode | null;
}

/** What of an inference says it. `attempts`: as they were recorded, in order. */
interface Attempted {
  readonly assignedVariant: string;
  readonly outcome: 'completed' | 'failed' | 'client_closed' | 'interrupted';
  readonly errorCode: ErrorCode | null;
  readonly attempts: readonly Attempt[];
}

/**
 * What callers are not to blame for. `internal` is among them: an answer that only our reading of one model's answers fails at is
 * that model's trouble, and where it hits all models alike it says nothing about any.
 */
const FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(['upstream_error', 'upstream_rate_limited', 'upstream_unreachable', 'upstream_protocol'] as const),
  ...(['upstream_timeout', 'internal'] as const),
]);
/** The statuses that speak of the request; every other one from 300 on is a matter between us and the provider. */
const CALLER_STATUSES: ReadonlySet<number> = new Set([400, 409, 413, 415, 422]);

/** Judges the first attempt. None at all counts as a failure: the breaker skipped the variant, or its provider cannot be called. */
export function judgeFirstAttempt({ assignedVariant, outcome, errorCode, attempts }: Attempted): FirstAttempt {
  if (outcome === 'interrupted') return 'unknown';
  const [first] = attempts;
  if (first === undefined) return outcome === 'client_closed' ? 'left' : 'failed';
  if (first.model !== assignedVariant) return 'failed';
  if (first.errorCode !== null) return FAULTS.has(first.errorCode) ? 'failed' : 'rejected';
  // An answer that nobody could read is an error of the inference alone, and a provider's own words may say more than its status.
  if (attempts.length === 1 && errorCode !== null) {
    if (errorCode === 'client_closed') return 'left';
    return FAULTS.has(errorCode) ? 'failed' : 'rejected';
  }
  if (first.status === null) return 'left';
  if (first.status < 300) return 'succeeded';
  return CALLER_STATUSES.has(first.status) ? 'rejected' : 'failed';
}
