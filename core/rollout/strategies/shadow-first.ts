import { logBetaBinomial } from '../../statistics/rate.ts';
import type { ShadowFirst } from '../plan.ts';
import type { ShadowPairs } from '../step.ts';

/** What the mirrored calls say of the challengers that are still in. */
export type ShadowVerdict =
  | { readonly kind: 'open' }
  | { readonly kind: 'passed'; readonly reason: string }
  | { readonly kind: 'failed'; readonly arms: readonly number[]; readonly reason: string };

/** α of what ends the stage early. As the fast guard's. */
const EARLY_ALPHA = 0.01;

/**
 * When the time is over and each challenger has its pairs, one fails of whose mirrored calls too many failed, and all others pass: one
 * look, at what was allowed. Shares are means over units: one broken client that calls a thousand times sends nobody back. Before that only what holds at every look ends the stage (`isCertain`): the share itself, looked at again and
 * again, sent back a third of the challengers that failed in 20 % of calls like their champion. No caller waits for it: none sees the answers.
 */
export function judgeShadow(
  policy: ShadowFirst,
  pairs: readonly (ShadowPairs | null)[],
  active: readonly number[],
  elapsedMs: number,
): ShadowVerdict {
  const counted = active.map((arm) => ({ arm, excess: excessOf(pairs[arm] ?? null, policy.minPairs) }));
  const isOver = elapsedMs >= policy.durationMs && counted.every(({ excess }) => excess !== null);
  const failing = counted.filter(
    ({ arm, excess }) =>
      excess !== null && !(excess <= policy.maxErrorRate) && (isOver || isCertain(pairs[arm]!, policy.maxErrorRate)),
  );
  if (failing.length > 0) {
    const shares = failing.map(({ excess }) => percent(excess!)).join(', ');
    const reason = `mirrored calls failed more often than the champion's by ${shares}; ${percent(policy.maxErrorRate)} are allowed`;
    return { kind: 'failed', arms: failing.map(({ arm }) => arm), reason };
  }
  if (!isOver) return { kind: 'open' };
  const total = active.reduce((sum, arm) => sum + (pairs[arm]?.pairs ?? 0), 0);
  return { kind: 'passed', reason: `${total} mirrored calls are no worse than allowed` };
}

/**
 * Whether the excess is above what is allowed, at whatever look. Each unit counts once, with its first pair: its mean would change from look to look, and with it
 * what had been counted already. That pair's difference is −1, 0 or 1, so half of one more is a value from 0 to 1, whose mean is
 * (1 + allowed)/2 at most if the challenger keeps to it. For such values the beta-binomial e-process of a rate (method (2) of the
 * statistics) is no larger than one on average either, since q^y(1 − q)^(1 − y) is convex in y.
 */
function isCertain({ units, firstExcess }: ShadowPairs, allowed: number): boolean {
  const most = (1 + allowed) / 2;
  const sum = (units + firstExcess) / 2;
  return most < 1 && logBetaBinomial(sum, units - sum, most, 'greater') >= -Math.log(EARLY_ALPHA);
}

/** How much larger the challenger's share of failures is, on average over units; null before it has its pairs. */
function excessOf(counts: ShadowPairs | null, minPairs: number): number | null {
  const pairs = counts?.pairs ?? 0;
  if (pairs < minPairs) return null;
  if (counts === null || pairs === 0) return minPairs === 0 ? 0 : null;
  return counts.excess / counts.units;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
