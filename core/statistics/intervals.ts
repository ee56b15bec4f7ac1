import { checkEvents, type RateCounts } from './rate.ts';
import { checkBetween, checkCount, type Refusal, refuse } from './result.ts';
import { normalQuantile } from './special/distributions.ts';

/** An interval of a fixed sample, for display: it holds once, not at every look. */
export interface FixedInterval {
  readonly kind: 'interval';
  readonly lower: number;
  readonly upper: number;
}

/** Wilson's score interval of a rate (E. B. Wilson, "Probable inference …", JASA 22, 1927). @param counts at least one trial */
export function wilson(counts: RateCounts, alpha = 0.05): FixedInterval | Refusal {
  const refusal = checkTrials('', counts) ?? checkBetween('alpha', alpha, 0, 1);
  return refusal ?? { kind: 'interval', ...wilsonBounds(counts, zOf(alpha)) };
}

/**
 * Interval of the difference of two rates, challenger minus champion, from Wilson's of each (R. G. Newcombe, "Interval
 * estimation for the difference between independent proportions", Statistics in Medicine 17, 1998, method 10).
 */
export function newcombe(champion: RateCounts, challenger: RateCounts, alpha = 0.05): FixedInterval | Refusal {
  const refusal =
    checkTrials('champion.', champion) ?? checkTrials('challenger.', challenger) ?? checkBetween('alpha', alpha, 0, 1);
  if (refusal !== null) return refusal;
  const z = zOf(alpha);
  const [a, b] = [champion.events / champion.n, challenger.events / challenger.n];
  const [boundsA, boundsB] = [wilsonBounds(champion, z), wilsonBounds(challenger, z)];
  return {
    kind: 'interval',
    lower: b - a - Math.hypot(b - boundsB.lower, boundsA.upper - a),
    upper: b - a + Math.hypot(boundsB.upper - b, a - boundsA.lower),
  };
}

/**
 * Ranks (from 1) of the sorted values between which a quantile lies, by the normal approximation nq ± z√(nq(1−q)) rounded
 * outwards and kept within 1 and n (W. J. Conover, "Practical nonparametric statistics", 3.2).
 */
export function orderStatisticRanks(n: number, quantile: number, alpha = 0.05): FixedInterval | Refusal {
  const refusal =
    checkCount('n', n) ??
    (n === 0 ? refuse('n', 'is 0: there are no values') : null) ??
    checkBetween('quantile', quantile, 0, 1) ??
    checkBetween('alpha', alpha, 0, 1);
  if (refusal !== null) return refusal;
  const half = zOf(alpha) * Math.sqrt(n * quantile * (1 - quantile));
  return {
    kind: 'interval',
    lower: Math.max(1, Math.floor(n * quantile - half)),
    upper: Math.min(n, Math.ceil(n * quantile + half)),
  };
}

function wilsonBounds({ n, events }: RateCounts, z: number): { readonly lower: number; readonly upper: number } {
  const zSquare = z * z;
  const others = n - events;
  const spread = z * Math.sqrt((4 * events * others) / n + zSquare);
  // Each bound as a quotient without cancellation: the product of both is events²/(n(n + z²)), of the complements others²/(n(n + z²)).
  const upper = (2 * events + zSquare + spread) / (2 * (n + zSquare));
  const lowerOfOthers = (2 * events * events) / n / (2 * events + zSquare + spread);
  return { lower: lowerOfOthers, upper: others === 0 ? 1 : upper };
}

function checkTrials(prefix: string, counts: RateCounts): Refusal | null {
  return checkEvents(prefix, counts) ?? (counts.n === 0 ? refuse(`${prefix}n`, 'is 0: there are no trials') : null);
}

function zOf(alpha: number): number {
  return -normalQuantile(alpha / 2);
}
