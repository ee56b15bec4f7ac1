import { checkBetween, type Refusal, refuse } from './result.ts';

/**
 * A value that counts as `cap` where it is above. The cap is fixed before the experiment: one taken from its own values would
 * depend on the effect.
 */
export function winsorize(value: number, cap: number): number {
  return Math.min(value, cap);
}

/**
 * The cap of a metric: the value of rank ⌈quantile·n⌉ (at least 1) of the champion's history, in any order.
 * For histories that are kept as histograms, `quantileOf` (histogram.ts) is the same to within its buckets.
 */
export function capOfHistory(
  history: readonly number[],
  quantile: number,
): { readonly kind: 'cap'; readonly cap: number } | Refusal {
  const refusal = checkBetween('quantile', quantile, 0, 1);
  if (refusal !== null) return refusal;
  if (history.length === 0) return refuse('history', 'is empty');
  const odd = history.findIndex((value) => !Number.isFinite(value));
  if (odd >= 0) return refuse(`history[${odd}]`, 'is not a finite number');
  const sorted = Float64Array.from(history).sort();
  // A little less than the product, which rounds up: 0.07 · 100 is 7.000000000000001, and of rank 7.
  const rank = Math.ceil(quantile * sorted.length * (1 - 2 * Number.EPSILON));
  return { kind: 'cap', cap: sorted[Math.max(1, rank) - 1]! };
}
