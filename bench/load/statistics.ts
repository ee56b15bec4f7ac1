/** Middle of the values; of an even number of them, the mean of the two in the middle. @throws RangeError for none */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('there is no median of nothing');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Smallest and largest value. */
export type Range = readonly [lowest: number, highest: number];

export function rangeOf(values: readonly number[]): Range {
  return [Math.min(...values), Math.max(...values)];
}

/** Width of the range relative to the median, 0 when the median is 0. */
export function relativeSpread(values: readonly number[]): number {
  const middle = median(values);
  const [lowest, highest] = rangeOf(values);
  return middle === 0 ? 0 : (highest - lowest) / Math.abs(middle);
}

/** Slope of the least-squares line through the points, in units of y per unit of x; 0 when it cannot be told. */
export function slopeOf(points: readonly { readonly x: number; readonly y: number }[]): number {
  const count = points.length;
  if (count < 2) return 0;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / count;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / count;
  const variance = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  if (variance === 0) return 0;
  return points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / variance;
}

/** The smallest value that at least so many percent of the values do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!;
}
