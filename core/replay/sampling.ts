import type { ArmSums } from '#core/experiments/look.ts';

/** Units of one cell, before and after: a unit's sum and count after are `after` · (its S, its n); before, they are `before` · the same. */
export interface SampledUnits {
  readonly sums: ArmSums;
  /** What a unit has after, of its own S and n: both as they were, or `n` times a mean and a share. */
  readonly after: { readonly sumOfSum: number; readonly sumOfCount: number; readonly countOfCount: number };
  /** Whether S and n were measured before: 1, or 0 where n only counts inferences. */
  readonly before: 0 | 1;
  /** What a unit also does to `after` through the means that it was measured for: so much for its S and n. */
  readonly pull: { readonly sum: number; readonly count: number };
}

/** A number made of all units' sums and counts, linear near what they are: x = sum·ΣS − count·Σn. */
export interface LinearForm {
  readonly sum: number;
  readonly count: number;
}

/**
 * Variance of `after(units after) − before(units before)`, that comes from which units a sample of this share has: each is in it by itself
 * (by its hash), so that it is (1 − share)·Σx² over the sample's units (Horvitz & Thompson, 1952), before anything is scaled up. Ratios are
 * taken as linear near their values (the delta method). Of `pull`, whose own variance is known already, only the covariance with the rest is
 * added: a sample that has dear units of a variant both keeps too much and expects too much of what moves there.
 */
export function samplingVariance(
  units: readonly SampledUnits[],
  after: LinearForm,
  before: LinearForm,
  share: number,
): number {
  const squares = units.reduce((total, { sums, after: unit, before: was, pull }) => {
    const ofSum = after.sum * unit.sumOfSum - was * before.sum;
    const ofCount = after.sum * unit.sumOfCount - after.count * unit.countOfCount + was * before.count;
    const { sumSquares, products, nSquares } = sums;
    return (
      total +
      ofSum * (ofSum + 2 * pull.sum) * sumSquares +
      2 * (ofSum * ofCount + pull.sum * ofCount + pull.count * ofSum) * products +
      ofCount * (ofCount + 2 * pull.count) * nSquares
    );
  }, 0);
  return Math.max(0, (1 - share) * squares);
}
