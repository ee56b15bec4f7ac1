import { BUCKETS } from './bucket.ts';

/** A half-open range of buckets, `[from, to)`. */
export type BucketRange = readonly [from: number, to: number];

/** What one variant owns: its name and its ranges in the order in which it acquired them. */
export interface Holding {
  readonly name: string;
  readonly ranges: readonly BucketRange[];
}

/** What one variant shall own. */
export interface Share {
  readonly name: string;
  readonly weightBp: number;
}

interface Owner {
  readonly name: string;
  readonly ranges: [number, number][];
  need: number;
}

/**
 * Moves buckets from what is held to what is wanted, reassigning only the buckets that must move: a variant that grows
 * keeps everything it had, a variant that shrinks gains nothing. A variant gives back what it acquired last, so that
 * undoing a ramp between two variants returns the same units to where they came from.
 *
 * @param held current holdings; together they are empty (a new group) or cover [0, 10 000) exactly
 * @param wanted the wanted weights in basis points; they sum to 10 000
 * @returns a holding for every wanted variant, in that order (weight 0: no ranges)
 */
export function moveRanges(held: readonly Holding[], wanted: readonly Share[]): Holding[] {
  const free: [number, number][] = held.length === 0 ? [[0, BUCKETS]] : [];
  const owners = wanted.map((share): Owner => {
    const before = held.find((holding) => holding.name === share.name)?.ranges ?? [];
    const ranges = before.map(([from, to]): [number, number] => [from, to]);
    return { name: share.name, ranges, need: share.weightBp - size(ranges) };
  });
  const kept = new Set(wanted.map((share) => share.name));
  for (const holding of held) if (!kept.has(holding.name)) free.push(...holding.ranges.map(copy));
  const growers = owners.filter((owner) => owner.need > 0);
  // Whoever ends with nothing has no border to find its buckets by: they stay a range of their own, which is given back whole.
  const joinsBelow = !owners.some((owner) => owner.need < 0 && size(owner.ranges) === -owner.need);
  for (const owner of owners) if (owner.need < 0) release(owner, free, growers);
  free.sort((a, b) => b[0] - a[0]);
  for (const owner of growers) acquire(owner, free, joinsBelow);
  return owners.map(({ name, ranges }) => ({ name, ranges }));
}

/** Gives up `-owner.need` buckets, the last acquired first, from the end of a range that borders on a growing variant. */
function release(owner: Owner, free: [number, number][], growers: readonly Owner[]): void {
  while (owner.need < 0) {
    const last = owner.ranges.at(-1)!;
    const width = last[1] - last[0];
    const amount = Math.min(width, -owner.need);
    owner.need += amount;
    if (amount === width) {
      owner.ranges.pop();
      free.push(last);
    } else if (growers.some((grower) => grower.ranges.some(([, to]) => to === last[0]))) {
      free.push([last[0], last[0] + amount]);
      last[0] += amount;
    } else {
      free.push([last[1] - amount, last[1]]);
      last[1] -= amount;
    }
  }
}

/** Takes `owner.need` buckets from the free ranges, from the top down, joining them to its last range where they touch. */
function acquire(owner: Owner, free: [number, number][], joinsBelow: boolean): void {
  while (owner.need > 0) {
    const next = free[0]!;
    const amount = Math.min(next[1] - next[0], owner.need);
    // The first variant of a new group takes the low buckets, so that its range starts at 0.
    const whole = next[1] - next[0] === BUCKETS;
    const taken: [number, number] = whole ? [next[0], next[0] + amount] : [next[1] - amount, next[1]];
    if (whole) next[0] += amount;
    else next[1] -= amount;
    if (next[0] === next[1]) free.shift();
    owner.need -= amount;
    join(owner.ranges, taken, joinsBelow);
  }
}

function join(ranges: [number, number][], taken: [number, number], joinsBelow: boolean): void {
  const last = ranges.at(-1);
  if (last !== undefined && last[1] === taken[0]) last[1] = taken[1];
  else if (joinsBelow && last !== undefined && last[0] === taken[1]) last[0] = taken[0];
  else ranges.push(taken);
}

function copy([from, to]: BucketRange): [number, number] {
  return [from, to];
}

/** The number of buckets in a list of ranges. */
export function size(ranges: readonly BucketRange[]): number {
  return ranges.reduce((sum, [from, to]) => sum + to - from, 0);
}
