import { BUCKETS } from '../split/bucket.ts';
import type { BucketRange } from '../split/ranges.ts';

/** Which buckets count: the champion's slice, and all that each challenger has. */
interface Counted {
  readonly control: readonly BucketRange[];
  readonly challengers: readonly (readonly BucketRange[])[];
}

export interface SliceInput {
  /** `lockstep`: as many of the champion's buckets as each challenger has. `all`: every one. */
  readonly mode: 'lockstep' | 'all';
  /** What counted in the phase so far; null: a new phase begins in any case. */
  readonly previous: Counted | null;
  /** The champion's ranges as they are now, in the order in which it acquired them. */
  readonly champion: readonly BucketRange[];
  readonly challengers: readonly (readonly BucketRange[])[];
}

export interface ControlSlice {
  readonly ranges: readonly BucketRange[];
  /** Whether the phase goes on: units were only added, to all arms alike. */
  readonly continues: boolean;
}

/**
 * Chooses the champion's buckets that count. Within a phase buckets are only added, and as many to each arm, so that units keep their
 * arm and all arms are equally large at every moment: up to half of the traffic (with one challenger) a ramp is one phase. What cannot
 * be had so begins another phase: a slice that would lose buckets, a challenger that shrinks or is larger than all of the champion.
 *
 * The slice grows from the end of the champion's ranges that a challenger takes last: what it acquired first, away from a challenger's
 * border (core/split/ranges.ts gives back in that order).
 */
export function controlSlice({ mode, previous, champion, challengers }: SliceInput): ControlSlice {
  const owned = maskOf(champion);
  const sizes = challengers.map((ranges) => count(maskOf(ranges)));
  const most = Math.max(0, ...sizes);
  const wanted = mode === 'all' ? BUCKETS : most;
  const kept = previous === null ? null : goesOn(previous, owned, challengers);
  const slice = kept ?? new Uint8Array(BUCKETS);
  grow(slice, wanted, champion, challengers);
  const total = count(slice);
  const isAlike = mode === 'lockstep' && sizes.every((size) => size === 0 || size === total);
  if (
    kept !== null &&
    previous !== null &&
    (isUnchanged(previous, slice, challengers) || (isAlike && wasAlike(previous)))
  ) {
    return { ranges: rangesOf(slice), continues: true };
  }
  const fresh = new Uint8Array(BUCKETS);
  grow(fresh, wanted, champion, challengers);
  return { ranges: rangesOf(fresh), continues: false };
}

/** The buckets that counted so far, if the champion has all of them still and no challenger has lost one. */
function goesOn(
  previous: Counted,
  owned: Uint8Array,
  challengers: readonly (readonly BucketRange[])[],
): Uint8Array<ArrayBuffer> | null {
  const control = maskOf(previous.control);
  if (!isWithin(control, owned)) return null;
  const kept = previous.challengers.every((ranges, i) => isWithin(maskOf(ranges), maskOf(challengers[i] ?? [])));
  // A challenger that had nothing would join the others in the middle of their phase.
  const joined = challengers.some((ranges, i) => ranges.length > 0 && (previous.challengers[i] ?? []).length === 0);
  return kept && !joined ? control : null;
}

function wasAlike({ control, challengers }: Counted): boolean {
  const total = count(maskOf(control));
  return challengers.every((ranges) => ranges.length === 0 || count(maskOf(ranges)) === total);
}

function isUnchanged(previous: Counted, slice: Uint8Array, challengers: readonly (readonly BucketRange[])[]): boolean {
  if (count(slice) !== count(maskOf(previous.control))) return false;
  return challengers.every((ranges, i) => count(maskOf(ranges)) === count(maskOf(previous.challengers[i] ?? [])));
}

/** Adds the champion's buckets to a slice until it has `wanted`, or all that there are. */
function grow(
  slice: Uint8Array,
  wanted: number,
  champion: readonly BucketRange[],
  challengers: readonly (readonly BucketRange[])[],
): void {
  let lacking = wanted - count(slice);
  for (const [from, to] of champion) {
    const bordersBelow = challengers.some((ranges) => ranges.some((range) => range[1] === from));
    for (let step = 0; step < to - from && lacking > 0; step++) {
      const bucket = bordersBelow ? to - 1 - step : from + step;
      if (slice[bucket] === 1) continue;
      slice[bucket] = 1;
      lacking--;
    }
  }
}

function maskOf(ranges: readonly BucketRange[]): Uint8Array<ArrayBuffer> {
  const mask = new Uint8Array(BUCKETS);
  for (const [from, to] of ranges) mask.fill(1, from, to);
  return mask;
}

function count(mask: Uint8Array): number {
  return mask.reduce((sum, bit) => sum + bit, 0);
}

function isWithin(inner: Uint8Array, outer: Uint8Array): boolean {
  return inner.every((bit, bucket) => bit === 0 || outer[bucket] === 1);
}

/** Neighbouring buckets as ranges, in ascending order. */
function rangesOf(mask: Uint8Array): BucketRange[] {
  const ranges: [number, number][] = [];
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    if (mask[bucket] === 0) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === bucket) last[1] = bucket + 1;
    else ranges.push([bucket, bucket + 1]);
  }
  return ranges;
}
