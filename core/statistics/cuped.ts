import type { ArmSums } from '../experiments/look.ts';
import { type ArmMean, squaredResiduals } from './ratio.ts';
import { checkNumber, checkSums, type Refusal, refuse } from './result.ts';

/**
 * Sums of an arm together with those of X, what its units did before the experiment (Deng, Xu, Kohavi, Walker: "Improving the
 * sensitivity of online controlled experiments by utilizing pre-experiment data", WSDM 2013). X is one number a unit; of a
 * unit without history it is the mean of those that have one, the same for all arms, which changes no comparison.
 */
export interface CovariateSums extends ArmSums {
  /** ΣX, ΣX² */
  readonly x: number;
  readonly xSquares: number;
  /** ΣSX, ΣnX */
  readonly sumX: number;
  readonly nX: number;
}

/** Method (5) on one sample, by unit: θ = Cov(Y,X)/Var(X), Var = V_Y + θ²V_X − 2θCov. */
export function cuped(moments: {
  readonly varianceY: number;
  readonly varianceX: number;
  readonly covariance: number;
}):
  | { readonly kind: 'adjusted'; readonly theta: number; readonly variance: number; readonly reduction: number }
  | Refusal {
  const { varianceY, varianceX, covariance } = moments;
  const refusal =
    checkNumber('varianceY', varianceY, 0) ??
    checkNumber('varianceX', varianceX, 0) ??
    checkNumber('covariance', covariance) ??
    (covariance * covariance > varianceX * varianceY * (1 + 1e-9)
      ? refuse('covariance', 'is larger than variances allow: Cov² is at most V_X·V_Y')
      : null);
  if (refusal !== null) return refusal;
  const theta = varianceX === 0 ? 0 : covariance / varianceX;
  const variance = adjustedVariance({ yy: varianceY, xx: varianceX, xy: covariance }, theta);
  return { kind: 'adjusted', theta, variance, reduction: varianceY === 0 ? 0 : 1 - variance / varianceY };
}

/** Means of arms after CUPED. */
export interface CupedArms {
  readonly kind: 'adjusted';
  readonly theta: number;
  /** In the order given. */
  readonly arms: readonly ArmMean[];
  /** By arm: the share of the variance that is gone, 0 to 1. Of all arms together it is never below 0, of one it may be. */
  readonly reductions: readonly number[];
}

/**
 * CUPED for ratios of means, by unit. What is adjusted is each unit's part L in its arm's ratio R (`ratioVariance`), L = R +
 * (S − Rn)/n̄:
 *
 *     mean  R − θ(x̄ − x̄_all)          variance  (V_L + θ²V_X − 2θ Cov(L, X)) / units
 *
 * θ and x̄_all come from all arms together: a θ of its own for each arm would turn a chance difference of histories into an
 * effect.
 *
 * @param arms each with at least 2 units and values, or it is refused
 */
export function cupedArms(arms: readonly CovariateSums[]): CupedArms | Refusal {
  for (const [at, arm] of arms.entries()) {
    const refusal = checkArm(`arms[${at}]`, arm);
    if (refusal !== null) return refusal;
  }
  const units = arms.reduce((sum, arm) => sum + arm.units, 0);
  const meanOfAll = arms.reduce((sum, arm) => sum + arm.x, 0) / units;
  const deviations = arms.map(deviationsOf);
  const xx = deviations.reduce((sum, arm) => sum + arm.xx, 0);
  const theta = xx === 0 ? 0 : deviations.reduce((sum, arm) => sum + arm.xy, 0) / xx;
  const variances = deviations.map((arm) => adjustedVariance(arm, theta));
  return {
    kind: 'adjusted',
    theta,
    arms: arms.map((arm, at) => ({
      mean: arm.sum / arm.n - theta * (arm.x / arm.units - meanOfAll),
      varianceOfMean: variances[at]! / (arm.units - 1) / arm.units,
      units: arm.units,
    })),
    reductions: deviations.map(({ yy }, at) => (yy === 0 ? 0 : 1 - variances[at]! / yy)),
  };
}

interface Squares {
  readonly yy: number;
  readonly xx: number;
  readonly xy: number;
}

/** Sums of squares and products of L and X around their means. */
function deviationsOf(arm: CovariateSums): Squares {
  const { units, n, sum, x, xSquares, sumX, nX } = arm;
  const ratio = sum / n;
  const perUnit = n / units;
  const yy = squaredResiduals(arm) / (perUnit * perUnit);
  const xx = xSquares - (x * x) / units;
  // Σ(S − Rn) = 0, so that the product of the means is nothing.
  const xy = (sumX - ratio * nX) / perUnit;
  return {
    yy,
    xx: isRounding(xx, xSquares) ? 0 : xx,
    xy: isRounding(xx, xSquares) ? 0 : xy,
  };
}

/** What is left of rounding where history explains everything is no variance: an interval from it would exclude anything. */
function adjustedVariance({ yy, xx, xy }: Squares, theta: number): number {
  const left = yy + theta * theta * xx - 2 * theta * xy;
  return isRounding(left, yy + theta * theta * xx) ? 0 : left;
}

function isRounding(value: number, of: number): boolean {
  return value <= 1e-12 * of;
}

function checkArm(field: string, arm: CovariateSums): Refusal | null {
  const { units, n, nSquares, sumSquares, x, xSquares, sumX, nX } = arm;
  const tooLarge = (product: number, squares: number) => product * product > squares * xSquares * (1 + 1e-9);
  return (
    checkSums(field, arm) ??
    (units < 2 ? refuse(`${field}.units`, `is ${units}; at least 2 are needed`) : null) ??
    (n === 0 ? refuse(`${field}.n`, 'is 0: nothing was measured') : null) ??
    checkNumber(`${field}.x`, x) ??
    checkNumber(`${field}.xSquares`, xSquares, 0) ??
    checkNumber(`${field}.sumX`, sumX) ??
    checkNumber(`${field}.nX`, nX) ??
    (tooLarge(x, units)
      ? refuse(`${field}.xSquares`, `is ${xSquares}, too small: ΣX² is at least (ΣX)²/units`)
      : null) ??
    (tooLarge(sumX, sumSquares) ? refuse(`${field}.sumX`, 'is too large: (ΣSX)² is at most ΣS²·ΣX²') : null) ??
    (tooLarge(nX, nSquares) ? refuse(`${field}.nX`, 'is too large: (ΣnX)² is at most Σn²·ΣX²') : null)
  );
}
