import type { ShadowPolicy } from '#core/snapshot/shadow-policy.ts';
import type { MirrorOutcome } from '../telemetry/layout.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/**
 * What one group's mirrored calls take, in one serving thread. Minutes and days are those of UTC. Tokens count when a call has
 * ended and as far as its provider says them, so that what is under way may go beyond the day's bound. Times are Unix milliseconds.
 */
export class ShadowLimits {
  #running = 0;
  #minute = 0;
  #startedInMinute = 0;
  #day = 0;
  #tokensInDay = 0;

  get isIdle(): boolean {
    return this.#running === 0;
  }

  /** Why another call is too many; null: it is not. */
  refusal(policy: ShadowPolicy, unixMs: number): MirrorOutcome | null {
    this.#turn(unixMs);
    if (this.#running >= policy.maxConcurrency) return 'dropped_concurrency';
    if (this.#startedInMinute >= policy.maxPerMinute) return 'dropped_rate';
    const { maxTokensPerDay } = policy;
    return maxTokensPerDay !== null && this.#tokensInDay >= maxTokensPerDay ? 'dropped_budget' : null;
  }

  began(unixMs: number): void {
    this.#turn(unixMs);
    this.#running++;
    this.#startedInMinute++;
  }

  ended(tokens: number, unixMs: number): void {
    this.#turn(unixMs);
    this.#running--;
    this.#tokensInDay += tokens;
  }

  #turn(unixMs: number): void {
    const minute = Math.floor(unixMs / MINUTE_MS);
    if (minute === this.#minute) return;
    this.#minute = minute;
    this.#startedInMinute = 0;
    const day = Math.floor(unixMs / DAY_MS);
    if (day === this.#day) return;
    this.#day = day;
    this.#tokensInDay = 0;
  }
}
