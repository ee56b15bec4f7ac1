import type { ArmSums } from '../experiments/look.ts';
import { type Insufficient, insufficient, outOfRange } from './result.ts';

/** What effects are computed from: an arm's mean, the variance of that mean, and how many units it is made of. */
export interface ArmMean {
  readonly mean: number;
  readonly varianceOfMean: number;
  readonly units: number;
}

/** Effect of a challenger and its variance, in one phase. */
export interface PhaseEffect {
  readonly effect: number;
  /** Of the effect: SE². */
  readonly variance: number;
  /** Of both arms. */
  readonly units: number;
}

/**
 * Below it, as a share of ΣS² + R²Σn², what is left of rounded squares is rounding: a million sums round by about 1e-13.
 * Then units have the same ratio, to within a millionth of it.
 */
const ROUNDING = 1e-12;
/** A standard error below so much of its mean is none: means are doubles, and their difference is known to about 5e-16 of them. */
const MEAN_ROUNDING = 1e-13;

/** Sums of values of which each is its own unit: S is the value, n is 1. */
export function sumsOfValues(values: {
  readonly n: number;
  readonly sum: number;
  readonly sumSquares: number;
}): ArmSums {
  const { n, sum, sumSquares } = values;
  return { units: n, n, nSquares: n, sum, sumSquares, products: sum };
}

/**
 * Variance of one unit's part in the ratio of means R = ΣS/Σn, by the delta method: divided by the units it is the variance of R.
 *
 *     V_m/d̄² − 2m̄ Cov/d̄³ + m̄²V_d/d̄⁴  =  Σ(S − Rn)² / ((units − 1) d̄²)
 *
 * since Σ(S − Rn) = 0. The right side has one cancellation instead of four. Where each n is 1 it is the variance of the values.
 * @param sums at least 2 units, Σn > 0
 * @returns 0 when nothing but rounding is left
 */
export function ratioVariance(sums: ArmSums): number {
  const { units, n, sum } = sums;
  const perUnit = n / units;
  const variance = squaredResiduals(sums) / (units - 1) / (perUnit * perUnit);
  return Math.sqrt(variance / units) <= MEAN_ROUNDING * Math.abs(sum / n) ? 0 : variance;
}

/** Σ(S − Rn)²: as it is known, or what is left of the sums; 0 when that is nothing but rounding. */
export function squaredResiduals({ n, nSquares, sum, sumSquares, products, deviations }: ArmSums): number {
  if (deviations !== undefined) return deviations;
  const ratio = sum / n;
  const squares = sumSquares - 2 * ratio * products + ratio * ratio * nSquares;
  return squares <= ROUNDING * (sumSquares + ratio * ratio * nSquares) ? 0 : squares;
}

/** The same from means, variances and the covariance of S and n. */
export function ratioVarianceOfMoments(moments: {
  readonly meanS: number;
  readonly varianceS: number;
  readonly meanN: number;
  readonly varianceN: number;
  readonly covariance: number;
}): number {
  const { meanS, varianceS, meanN, varianceN, covariance } = moments;
  const ratio = meanS / meanN;
  return (varianceS - 2 * ratio * covariance + ratio * ratio * varianceN) / (meanN * meanN);
}

/** Mean of an arm and its variance. @param sums checked (`checkSums`) */
export function armMean(sums: ArmSums): ArmMean | Insufficient {
  if (sums.units === 0 || sums.n === 0)
    return insufficient('nothing_measured', 'nothing was measured in an arm', sums.units);
  if (sums.units < 2) return insufficient('too_few_units', 'an arm has a single unit', sums.units);
  const [mean, varianceOfMean] = [sums.sum / sums.n, ratioVariance(sums) / sums.units];
  if (!Number.isFinite(mean) || !Number.isFinite(varianceOfMean)) return outOfRange(sums.units);
  return { mean, varianceOfMean, units: sums.units };
}

/**
 * Difference of two means, or, relative, its share of the champion's mean:
 *
 *     B − A,  V_A + V_B          or          (B − A)/|A|,  V_B/A² + B²V_A/A⁴     (delta method)
 *
 * With |A|, a positive effect is a greater mean of the challenger also where means are negative.
 */
export function effectOf(champion: ArmMean, challenger: ArmMean, relative: boolean): PhaseEffect | Insufficient {
  const difference = differenceOf(champion, challenger);
  if (!relative) return difference;
  const { units } = difference;
  const [a, b] = [champion.mean, challenger.mean];
  if (a === 0) return championMeanZero(units);
  const ratio = b / a;
  const variance = (challenger.varianceOfMean + ratio * ratio * champion.varianceOfMean) / (a * a);
  return { effect: (b - a) / Math.abs(a), variance, units };
}

export function differenceOf(champion: ArmMean, challenger: ArmMean): PhaseEffect {
  return {
    effect: challenger.mean - champion.mean,
    variance: champion.varianceOfMean + challenger.varianceOfMean,
    units: champion.units + challenger.units,
  };
}

export function championMeanZero(units: number): Insufficient {
  const detail = "the champion's mean is 0, so that no effect can be relative to it";
  return insufficient('champion_mean_zero', detail, units);
}
