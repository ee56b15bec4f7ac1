import { logTwoSided } from './rate.ts';
import { logIncompleteBeta } from './special/incomplete-beta.ts';
import { logOf } from './special/log-gamma.ts';

/** In log-odds: a share below e⁻⁴⁰ is taken for 0. */
const FAR = 40;
/**
 * Lower bound, in log-odds, of the probability p with which s successes and f failures come about: all p are below it whose one-sided
 * e-process (`logBetaBinomial`, prior on (p, 1]) has reached 1/α. Under a true probability of at most p the expectation of that e-value is at most 1, so the
 * bound errs in at most α of all sequences of looks. The upper bound is that of the failures, with the sign changed.
 *
 * Below s/(s + f + 1) the e-value falls with p, and above it is smaller than any 1/α: it is crossed once.
 * @param s at least 0, not necessarily whole
 * @param alpha of this one side
 * @returns −∞: nothing is excluded
 */
export function lowerLogOdds(s: number, f: number, alpha: number): number {
  if (s === 0) return Number.NEGATIVE_INFINITY;
  const excess = (logOdds: number) => logAbove(s, f, logOdds) + Math.log(alpha);
  const high = Math.min(FAR, Math.log(s / (f + 1)));
  for (let width = 4 / Math.sqrt(Math.min(s, f) + 1); high - width > -FAR; width *= 2) {
    if (excess(high - width) >= 0) return rootBetween(high - width, high, excess);
  }
  return excess(-FAR) < 0 ? Number.NEGATIVE_INFINITY : rootBetween(-FAR, high, excess);
}

const MAX_STEPS = 100;
const PRECISION = 1e-12;

/** Where a function that falls from at least 0 to below 0 crosses it: regula falsi, Illinois variant (M. Dowell, P. Jarratt, BIT 11, 1971). */
function rootBetween(from: number, to: number, value: (x: number) => number): number {
  let [low, high] = [from, to];
  let [atLow, atHigh] = [value(low), value(high)];
  let side = 0;
  for (let step = 0; step < MAX_STEPS && high - low > PRECISION * Math.max(1, Math.abs(low)); step++) {
    const x = low + ((high - low) * atLow) / (atLow - atHigh);
    const at = value(x);
    if (at >= 0) {
      [low, atLow] = [x, at];
      if (side > 0) atHigh /= 2;
      side = 1;
    } else {
      [high, atHigh] = [x, at];
      if (side < 0) atLow /= 2;
      side = -1;
    }
    if (at === 0) break;
  }
  return low;
}

/** ln e against "the probability is at most the one with these log-odds": the prior is uniform above it. */
export function logAbove(s: number, f: number, logOdds: number): number {
  const p = logistic(logOdds);
  const q = logistic(-logOdds);
  return logTwoSided(s, f, p, q) + logIncompleteBeta(q, p, f + 1, s + 1) - logOf(q, p);
}

/** The probability with these log-odds. */
export function logistic(logOdds: number): number {
  return 1 / (1 + Math.exp(-logOdds));
}
