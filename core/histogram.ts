/**
 * Histograms with log-linear buckets: each octave [2^e, 2^(e+1)) is cut into 16 equal buckets, and integers below 16 have
 * one each. So a value and the middle of its bucket differ by at most 1/32 of the value (RELATIVE_ERROR), whatever its
 * size, and histograms are added bucket by bucket without any further error (the scheme of HdrHistogram).
 *
 *     bucket   0 … 15   16 … 31   32 … 47           48 … 63   …
 *     value    itself   itself    [32, 64) by 2     [64, 128) by 4
 *
 * Sparse: counts by bucket number, as they stand in the database.
 */
export type Histogram = Record<number, number>;

const BUCKETS_PER_OCTAVE = 16;
const OCTAVE_BITS = 4;
const TWO_POWER_32 = 0x1_0000_0000;

/** The most that the middle of a bucket differs from a value in it, as a share of the value. */
export const RELATIVE_ERROR = 1 / (2 * BUCKETS_PER_OCTAVE);

/** The bucket of a value. Fractions are cut off; what is below 0 or no number goes to the first bucket. */
export function bucketOf(value: number): number {
  if (!(value >= BUCKETS_PER_OCTAVE)) return value > 0 ? Math.floor(value) : 0;
  const whole = Math.min(Math.floor(value), Number.MAX_SAFE_INTEGER);
  // Not Math.log2: it rounds 2^48 - 1 up to 48.
  const exponent = whole < TWO_POWER_32 ? 31 - Math.clz32(whole) : 63 - Math.clz32(whole / TWO_POWER_32);
  const above = exponent - OCTAVE_BITS;
  return above * BUCKETS_PER_OCTAVE + Math.floor(whole / 2 ** above);
}

/** The values of a bucket: `from` ≤ value < `from + width`. */
export function boundsOf(bucket: number): { readonly from: number; readonly width: number } {
  if (bucket < BUCKETS_PER_OCTAVE) return { from: bucket, width: 1 };
  const above = Math.floor(bucket / BUCKETS_PER_OCTAVE) - 1;
  const width = 2 ** above;
  return { from: (bucket - above * BUCKETS_PER_OCTAVE) * width, width };
}

/** Counts a value, in place. */
export function observe(histogram: Histogram, value: number): void {
  const bucket = bucketOf(value);
  histogram[bucket] = (histogram[bucket] ?? 0) + 1;
}

/** The histogram of all values of both. */
export function mergeHistograms(a: Readonly<Histogram>, b: Readonly<Histogram>): Histogram {
  const merged = { ...a };
  for (const [bucket, count] of entriesOf(b)) merged[bucket] = (merged[bucket] ?? 0) + count;
  return merged;
}

/** How many values were counted. */
export function countOf(histogram: Readonly<Histogram>): number {
  return entriesOf(histogram).reduce((sum, [, count]) => sum + count, 0);
}

/**
 * The value of rank ⌈q × count⌉ (at least 1), to within RELATIVE_ERROR; undefined when there is none.
 * @param q 0 to 1
 */
export function quantileOf(histogram: Readonly<Histogram>, q: number): number | undefined {
  let left = Math.max(1, Math.ceil(q * countOf(histogram)));
  for (const [bucket, count] of entriesOf(histogram)) {
    left -= count;
    if (left > 0) continue;
    const { from, width } = boundsOf(bucket);
    return from + (width - 1) / 2;
  }
  return undefined;
}

/** In the order of the buckets: integer keys are enumerated so. */
function entriesOf(histogram: Readonly<Histogram>): (readonly [bucket: number, count: number])[] {
  return Object.entries(histogram).map(([bucket, count]) => [Number(bucket), count]);
}
