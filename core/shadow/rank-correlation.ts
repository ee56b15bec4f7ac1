/**
 * Spearman's rank correlation, in [−1, 1]: the correlation of ranks, where equal values share the mean of their ranks.
 * @param one as many numbers as `other`
 * @returns null below two values, and where all of one side are equal: they have no order
 */
export function rankCorrelation(one: readonly number[], other: readonly number[]): number | null {
  if (one.length !== other.length) throw new RangeError(`${one.length} values cannot be paired with ${other.length}`);
  const [x, y] = [ranksOf(one), ranksOf(other)];
  // Ranks sum up to the same with ties as without.
  const mean = (one.length + 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (let at = 0; at < x.length; at++) {
    const [dx, dy] = [x[at]! - mean, y[at]! - mean];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  if (xx === 0 || yy === 0) return null;
  return Math.max(-1, Math.min(1, xy / Math.sqrt(xx * yy)));
}

function ranksOf(values: readonly number[]): Float64Array {
  const order = values.map((_, at) => at).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let at = from; at < to; at++) ranks[order[at]!] = (from + 1 + to) / 2;
    from = to;
  }
  return ranks;
}
