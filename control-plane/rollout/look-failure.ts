import { isTooSlow } from '#store/failures.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import { isOutage } from '#store/pool.ts';

/** Why a look fails, for those who own the rollout: what the error itself says is for the log of the control plane, it may name hosts. */
export function failureOf(error: unknown, limitMs: number): string {
  if (error instanceof LogUnavailableError)
    return `the log could not be read: ClickHouse, which has its rows, ${error.why}`;
  if (isTooSlow(error)) return `looking took longer than ${limitMs / 1_000} s`;
  if (isOutage(error)) return 'the store of the evidence does not answer';
  return "the look, or the step that follows from it, fails; the control plane's log says why";
}
