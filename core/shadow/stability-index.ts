/** Below it a tenth of the values is none at all. */
export const MIN_VALUES = 10;
const DECILES = 10;
/** Added to each bin, so that an empty one does not make the index infinite; the usual choice for counts. */
const SMOOTHING = 0.5;

/**
 * Population stability index: how far `actual` is distributed otherwise than `expected`, over the deciles of `expected`.
 *
 *     Σ over bins (a − e)·ln(a/e),   a and e: the share of a bin, (count + ½) / (n + bins/2)
 *
 * 0: alike. By custom below 0.1 nothing has changed, and from 0.25 on a lot has. Deciles that fall together make one bin.
 * @returns null below ten values on a side
 */
export function stabilityIndex(expected: readonly number[], actual: readonly number[]): number | null {
  if (Math.min(expected.length, actual.length) < MIN_VALUES) return null;
  const edges = edgesOf(expected);
  const [e, a] = [sharesOf(expected, edges), sharesOf(actual, edges)];
  return e.reduce((sum, share, bin) => sum + (a[bin]! - share) * Math.log(a[bin]! / share), 0);
}

/** The upper ends of all bins but the last, each once. */
function edgesOf(values: readonly number[]): number[] {
  const sorted = Float64Array.from(values).sort();
  const at = (decile: number) => sorted[Math.ceil((decile * sorted.length) / DECILES) - 1]!;
  return [...new Set(Array.from({ length: DECILES - 1 }, (_, index) => at(index + 1)))];
}

function sharesOf(values: readonly number[], edges: readonly number[]): number[] {
  const counts = new Array<number>(edges.length + 1).fill(SMOOTHING);
  for (const value of values) {
    const bin = edges.findIndex((edge) => value <= edge);
    counts[bin === -1 ? edges.length : bin]!++;
  }
  const total = values.length + SMOOTHING * counts.length;
  return counts.map((count) => count / total);
}
