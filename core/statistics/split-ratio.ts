import { type EValue, eValueOf } from './e-value.ts';
import { checkCount, checkNumber, type Refusal, refuse } from './result.ts';
import { chiSquareTail } from './special/distributions.ts';
import { deviance, stirlingError } from './special/log-gamma.ts';

/** Units that the prior of the sequential test is worth. The larger, the smaller the departures that it looks for. */
const PRIOR_UNITS = 10_000;

/** Of an arm that has weight. Far below what anybody splits by; expected counts and priors stay numbers that can be divided by. */
const LEAST_SHARE = 1e-12;

/** Sequential evidence that units are not split by the weights. */
export interface SplitEvidence extends EValue {
  readonly kind: 'evidence';
  /** The smallest p-value of the looks given. */
  readonly minPValue: number;
  readonly n: number;
}

/** Of a fixed sample, for display: it does not hold under repeated looks. */
export interface ChiSquare {
  readonly kind: 'chi_square';
  readonly statistic: number;
  readonly degreesOfFreedom: number;
  readonly pValue: number;
}

/**
 * Sample-ratio mismatch, valid at every look (method (3) of the statistics):
 *
 *     e = DirichletMultinomial(x | 10000·θ) / Multinomial(x | θ)
 *
 * x are the distinct units by arm, θ the weights. Only totals matter: how they were split into looks does not change e.
 *
 * @param counts units by arm, or one such row for each look (what came since the look before)
 * @param weights by arm, in any unit; an arm of weight 0 must have no units
 */
export function srmSequential(
  counts: readonly number[] | readonly (readonly number[])[],
  weights: readonly number[],
): SplitEvidence | Refusal {
  const looks = isRows(counts) ? counts : [counts as readonly number[]];
  const refusal = checkSplit(looks, weights);
  if (refusal !== null) return refusal;
  const shares = sharesOf(weights);
  const totals = weights.map(() => 0);
  let evidence = eValueOf(0);
  let minPValue = 1;
  for (const look of looks) {
    for (const [arm, count] of look.entries()) totals[arm]! += count;
    evidence = eValueOf(logSplitEvidence(totals, shares));
    minPValue = Math.min(minPValue, evidence.pValue);
  }
  return { kind: 'evidence', ...evidence, minPValue, n: totals.reduce((sum, count) => sum + count, 0) };
}

/** χ² = Σ(o − e)²/e with (arms of positive weight − 1) degrees of freedom. Without units: 0, and a p-value of 1. */
export function chiSquareSplit(counts: readonly number[], weights: readonly number[]): ChiSquare | Refusal {
  const refusal = checkSplit([counts], weights);
  if (refusal !== null) return refusal;
  const n = counts.reduce((sum, count) => sum + count, 0);
  const shares = sharesOf(weights);
  let statistic = 0;
  for (const [arm, share] of shares.entries()) {
    const expected = n * share;
    if (expected > 0) statistic += (counts[arm]! - expected) ** 2 / expected;
  }
  const degreesOfFreedom = shares.filter((share) => share > 0).length - 1;
  return { kind: 'chi_square', statistic, degreesOfFreedom, pValue: chiSquareTail(statistic, degreesOfFreedom) };
}

/**
 * ln e. With K = 10000, cᵢ = Kθᵢ and δ the remainder of Stirling's formula, the ratio of gamma functions is
 *
 *     Σ D(cᵢ+xᵢ, θᵢ(K+n)) − ½ Σ ln((cᵢ+xᵢ)/cᵢ) + ½ ln((K+n)/K) + Σ[δ(cᵢ+xᵢ) − δ(cᵢ)] − [δ(K+n) − δ(K)]
 *
 * in which nothing grows with n but the deviances D, so that no digits are lost at millions of units.
 */
function logSplitEvidence(totals: readonly number[], shares: readonly number[]): number {
  const n = totals.reduce((sum, count) => sum + count, 0);
  const all = PRIOR_UNITS + n;
  let log = Math.log1p(n / PRIOR_UNITS) / 2 - (stirlingError(all) - stirlingError(PRIOR_UNITS));
  for (const [arm, share] of shares.entries()) {
    if (share === 0) continue;
    const prior = PRIOR_UNITS * share;
    const posterior = prior + totals[arm]!;
    log += deviance(posterior, share * all) - Math.log(posterior / prior) / 2;
    log += stirlingError(posterior) - stirlingError(prior);
  }
  return log;
}

function sharesOf(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function isRows(counts: readonly number[] | readonly (readonly number[])[]): counts is readonly (readonly number[])[] {
  return Array.isArray(counts[0]);
}

function checkSplit(looks: readonly (readonly number[])[], weights: readonly number[]): Refusal | null {
  for (const [arm, weight] of weights.entries()) {
    const refusal = checkNumber(`weights[${arm}]`, weight, 0);
    if (refusal !== null) return refusal;
  }
  if (weights.filter((weight) => weight > 0).length < 2)
    return refuse('weights', 'has fewer than two positive weights');
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total === Number.POSITIVE_INFINITY) return refuse('weights', 'has a sum that no number can hold');
  const tiny = weights.findIndex((weight) => weight > 0 && weight / total < LEAST_SHARE);
  if (tiny >= 0)
    return refuse(`weights[${tiny}]`, `is ${weights[tiny]} of ${total}; it is at least ${LEAST_SHARE} of all, or 0`);
  for (const [at, look] of looks.entries()) {
    const field = looks.length === 1 ? 'counts' : `counts[${at}]`;
    if (look.length !== weights.length) {
      return refuse(field, `has ${look.length} numbers and weights has ${weights.length}; both are by arm`);
    }
    for (const [arm, count] of look.entries()) {
      const refusal = checkCount(`${field}[${arm}]`, count);
      if (refusal !== null) return refusal;
      if (count > 0 && weights[arm] === 0) return refuse(`${field}[${arm}]`, `is ${count} although its weight is 0`);
    }
  }
  return null;
}
