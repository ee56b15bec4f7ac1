import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  boundsOf,
  bucketOf,
  countOf,
  type Histogram,
  mergeHistograms,
  observe,
  quantileOf,
  RELATIVE_ERROR,
} from '#core/histogram.ts';

/** All magnitudes alike, and the borders between buckets. */
const values = fc.oneof(
  fc.nat(40),
  fc.maxSafeNat(),
  fc.tuple(fc.nat(52), fc.integer({ min: -1, max: 1 })).map(([bits, off]) => Math.max(0, 2 ** bits + off)),
  fc
    .tuple(fc.nat(52), fc.double({ min: 1, max: 2, noNaN: true }))
    .map(([bits, x]) => Math.min(Math.floor(2 ** bits * x), Number.MAX_SAFE_INTEGER)),
);
const histogramOf = (some: readonly number[]) => {
  const histogram: Histogram = {};
  for (const value of some) observe(histogram, value);
  return histogram;
};
const histograms = fc.array(values).map(histogramOf);

test('a value lies in its bucket, whose middle is as near as promised', () => {
  fc.assert(
    fc.property(values, (value) => {
      const { from, width } = boundsOf(bucketOf(value));
      expect(from).toBeLessThanOrEqual(value);
      expect(value - from).toBeLessThan(width);
      expect(Math.abs(from + (width - 1) / 2 - value)).toBeLessThanOrEqual(value * RELATIVE_ERROR);
    }),
    { numRuns: 2_000 },
  );
});

test('buckets follow on each other without a gap, to the end', () => {
  for (let bucket = 0; bucket < bucketOf(Number.MAX_SAFE_INTEGER); bucket++) {
    const { from, width } = boundsOf(bucket);
    expect(boundsOf(bucket + 1).from).toBe(from + width);
  }
  expect(bucketOf(Number.MAX_SAFE_INTEGER)).toBe(799);
});

test('what is no duration is counted all the same', () => {
  expect([-1, Number.NaN, 0.9, -Infinity].map(bucketOf)).toEqual([0, 0, 0, 0]);
  expect(bucketOf(Number.POSITIVE_INFINITY)).toBe(799);
  expect(bucketOf(33.9)).toBe(bucketOf(33));
});

test('merging is associative and commutative, has the empty histogram as its neutral one, and loses no value', () => {
  fc.assert(
    fc.property(histograms, histograms, histograms, (a, b, c) => {
      const merge = mergeHistograms;
      expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)));
      expect(merge(a, b)).toEqual(merge(b, a));
      expect(merge(a, {})).toEqual(a);
      expect(countOf(merge(a, b))).toBe(countOf(a) + countOf(b));
    }),
  );
});

test('the histogram of all values is the merged one of their parts', () => {
  fc.assert(
    fc.property(fc.array(values), fc.array(values), (some, others) => {
      expect(mergeHistograms(histogramOf(some), histogramOf(others))).toEqual(histogramOf([...some, ...others]));
    }),
  );
});

test('a quantile is within the error of the exact one', () => {
  const quantiles = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.array(values, { minLength: 1 }), quantiles, (some, q) => {
      const exact = some.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(q * some.length)) - 1]!;
      const found = quantileOf(histogramOf(some), q)!;
      expect(Math.abs(found - exact)).toBeLessThanOrEqual(exact * RELATIVE_ERROR);
    }),
    { numRuns: 1_000 },
  );
  expect(quantileOf({}, 0.5)).toBeUndefined();
});
