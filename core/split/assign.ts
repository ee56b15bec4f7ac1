import { BUCKETS, bucketOf } from './bucket.ts';
import type { BucketRange } from './ranges.ts';
import { type SipKey, sipKeyFromHex } from './siphash.ts';

/** A compiled split: one look-up from bucket to range, one from range to variant. Frozen after compile. */
export interface Split {
  readonly salt: SipKey;
  readonly hashVersion: number;
  /** `rangeOfBucket[bucket]` is an index into `ranges` and `variantOfRange`. */
  readonly rangeOfBucket: Uint16Array;
  readonly ranges: readonly BucketRange[];
  readonly variantOfRange: Uint16Array;
}

/**
 * Compiles the ranges of a group's variants (`rangesByVariant[i]` belongs to variant i).
 * Throws a TypeError unless they cover [0, 10 000) exactly once.
 */
export function compileSplit(
  saltHex: string,
  hashVersion: number,
  rangesByVariant: readonly (readonly BucketRange[])[],
): Split {
  const ranges: BucketRange[] = [];
  const owners: number[] = [];
  const rangeOfBucket = new Uint16Array(BUCKETS).fill(0xffff);
  rangesByVariant.forEach((owned, variant) => {
    for (const range of owned) {
      const [from, to] = range;
      if (!(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= BUCKETS)) {
        throw new TypeError(`[${from}, ${to}) is no range of buckets`);
      }
      for (let bucket = from; bucket < to; bucket++) {
        if (rangeOfBucket[bucket] !== 0xffff) throw new TypeError(`bucket ${bucket} belongs to two ranges`);
        rangeOfBucket[bucket] = ranges.length;
      }
      ranges.push(Object.freeze([from, to] as const));
      owners.push(variant);
    }
  });
  const hole = rangeOfBucket.indexOf(0xffff);
  if (hole !== -1) throw new TypeError(`bucket ${hole} belongs to no range`);
  return Object.freeze({
    salt: sipKeyFromHex(saltHex),
    hashVersion,
    rangeOfBucket,
    ranges: Object.freeze(ranges),
    variantOfRange: Uint16Array.from(owners),
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
  const index = split.rangeOfBucket[bucket]!;
  return { bucket, range: split.ranges[index]!, variant: split.variantOfRange[index]! };
}
