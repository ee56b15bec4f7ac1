import { BUCKETS, bucketOf } from './bucket.ts';
import type { BucketRange } from './ranges.ts';
import { type SipKey, sipKeyFromHex } from './siphash.ts';

/** A compiled split, frozen after compile: a binary search from bucket to range, one look-up from range to variant. */
export interface Split {
  readonly salt: SipKey;
  readonly hashVersion: number;
  /** In ascending order; together they cover [0, 10 000). */
  readonly ranges: readonly BucketRange[];
  /** Where each range ends: `ranges[i][1]`. */
  readonly ends: Uint16Array;
  readonly variantOfRange: Uint16Array;
}

/**
 * Compiles the ranges of a group's variants (`rangesByVariant[i]` belongs to variant i). Costs nothing per bucket: a serving
 * thread compiles a thousand groups in one go.
 * Throws a TypeError unless they cover [0, 10 000) exactly once.
 */
export function compileSplit(
  saltHex: string,
  hashVersion: number,
  rangesByVariant: readonly (readonly BucketRange[])[],
): Split {
  const owned = rangesByVariant
    .flatMap((ranges, variant) => ranges.map(([from, to]) => ({ from, to, variant })))
    .sort((a, b) => a.from - b.from);
  let covered = 0;
  for (const { from, to } of owned) {
    if (!(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= BUCKETS)) {
      throw new TypeError(`[${from}, ${to}) is no range of buckets`);
    }
    if (from < covered) throw new TypeError(`bucket ${from} belongs to two ranges`);
    if (from > covered) throw new TypeError(`bucket ${covered} belongs to no range`);
    covered = to;
  }
  if (covered !== BUCKETS) throw new TypeError(`bucket ${covered} belongs to no range`);
  return Object.freeze({
    salt: sipKeyFromHex(saltHex),
    hashVersion,
    ranges: Object.freeze(owned.map(({ from, to }) => Object.freeze([from, to] as const))),
    ends: Uint16Array.from(owned, ({ to }) => to),
    variantOfRange: Uint16Array.from(owned, ({ variant }) => variant),
  });
}

/** Where a unit falls: its bucket, the index of the matched range, and the index of the variant that owns it. */
export interface Placement {
  readonly bucket: number;
  readonly range: BucketRange;
  readonly variant: number;
}

/** Assigns a unit. Pure: the same split and unit always give the same placement. */
export function place(split: Split, unit: string): Placement {
  const bucket = bucketOf(split.salt, split.hashVersion, unit);
  const index = rangeOf(split.ends, bucket);
  return { bucket, range: split.ranges[index]!, variant: split.variantOfRange[index]! };
}

/** The first range that ends behind the bucket. */
function rangeOf(ends: Uint16Array, bucket: number): number {
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle]! > bucket) high = middle;
    else low = middle + 1;
  }
  return low;
}
