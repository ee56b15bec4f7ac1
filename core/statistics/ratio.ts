import type { ArmSums } from '../experiments/look.ts';
import { type Insufficient, insufficient } from './result.ts';

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
 * Below it, as a share of ΣS² + R²Σn², what is left of the squares is rounding: a million sums round by about 1e-13.
 * Then all units have the same ratio.
 */
const ROUNDING = 1e-12;

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
export function ratioVariance({ units, n, nSquares, sum, sumSquares, products }: ArmSums): number {
  const ratio = sum / n;
  const squares = sumSquares - 2 * ratio * products + ratio * ratio * nSquares;
  if (squares <= ROUNDING * (sumSquares + ratio * ratio * nSquares)) return 0;
  const perUnit = n / units;
  return squares / (units - 1) / (perUnit * perUnit);
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
  return { mean: sums.sum / sums.n, varianceOfMean: ratioVariance(sums) / sums.units, units: sums.units };
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
