/** Counts durations in buckets whose width is below 1 % of the value: memory does not grow with what is counted. */
export interface Histogram {
  readonly count: number;
  readonly maxMs: number;
  add(valueMs: number): void;
  /** Upper bound of the bucket that holds the share (0.99: p99) of the values; NaN when there are none. */
  percentileMs(share: number): number;
}

/** Buckets of each power of two. */
const STEPS = 128;
/** From 1 µs to 2^32 µs, 71 minutes; what is longer counts as that, but `maxMs` is exact. */
const DOUBLINGS = 32;

export function createHistogram(): Histogram {
  const buckets = new Float64Array(STEPS * DOUBLINGS);
  let count = 0;
  let maxMs = 0;
  return {
    get count() {
      return count;
    },
    get maxMs() {
      return maxMs;
    },
    add(valueMs) {
      const position = Math.floor(Math.log2(Math.max(1, valueMs * 1000)) * STEPS);
      buckets[Math.min(position, buckets.length - 1)]!++;
      count++;
      if (valueMs > maxMs) maxMs = valueMs;
    },
    percentileMs(share) {
      if (count === 0) return Number.NaN;
      const rank = Math.max(1, Math.ceil(share * count - 1e-9));
      let seen = 0;
      let position = -1;
      while (seen < rank) seen += buckets[++position]!;
      return Math.min(maxMs, 2 ** ((position + 1) / STEPS) / 1000);
    },
  };
}
