import type { ShadowFirst } from '../plan.ts';
import type { ShadowPairs } from '../step.ts';

/** What the mirrored calls say of the challengers that are still in. */
export type ShadowVerdict =
  | { readonly kind: 'open' }
  | { readonly kind: 'passed'; readonly reason: string }
  | { readonly kind: 'failed'; readonly arms: readonly number[]; readonly reason: string };

/**
 * A challenger fails as soon as it has its pairs and too many of them failed: no caller has seen any of it. All pass when the time is
 * over and each has its pairs.
 */
export function judgeShadow(
  policy: ShadowFirst,
  pairs: readonly (ShadowPairs | null)[],
  active: readonly number[],
  elapsedMs: number,
): ShadowVerdict {
  const counted = active.map((arm) => ({ arm, excess: excessOf(pairs[arm] ?? null, policy.minPairs) }));
  const failing = counted.filter(({ excess }) => excess !== null && !(excess <= policy.maxErrorRate));
  if (failing.length > 0) {
    const shares = failing.map(({ excess }) => percent(excess!)).join(', ');
    const reason = `mirrored calls failed more often than the champion's by ${shares}; ${percent(policy.maxErrorRate)} are allowed`;
    return { kind: 'failed', arms: failing.map(({ arm }) => arm), reason };
  }
  if (elapsedMs < policy.durationMs || counted.some(({ excess }) => excess === null)) return { kind: 'open' };
  const total = active.reduce((sum, arm) => sum + (pairs[arm]?.pairs ?? 0), 0);
  return { kind: 'passed', reason: `${total} mirrored calls are no worse than allowed` };
}

/** How much larger the challenger's share of failures is; null before it has its pairs. */
function excessOf(counts: ShadowPairs | null, minPairs: number): number | null {
  const pairs = counts?.pairs ?? 0;
  if (pairs < minPairs) return null;
  if (counts === null || pairs === 0) return minPairs === 0 ? 0 : null;
  return (counts.challengerErrors - counts.championErrors) / pairs;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
