import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileSplit, place } from '#core/split/assign.ts';
import { BUCKETS, scale } from '#core/split/bucket.ts';
import { type Holding, moveRanges, type Share, size } from '#core/split/ranges.ts';
import { sipHash64, sipKeyFromHex } from '#core/split/siphash.ts';

const NAMES = ['a', 'b', 'c', 'd'];
/** Random cut points give weights that sum to 10 000, zeros included. */
const shares = fc
  .tuple(
    fc.subarray(NAMES, { minLength: 1 }),
    fc.array(fc.integer({ min: 0, max: BUCKETS }), { minLength: 3, maxLength: 3 }),
  )
  .map(([names, cuts]): Share[] => {
    const points = [0, ...cuts.slice(0, names.length - 1).sort((a, b) => a - b), BUCKETS];
    return names.map((name, index) => ({ name, weightBp: points[index + 1]! - points[index]! }));
  });
const history = fc.array(shares, { minLength: 1, maxLength: 12 });

function owners(holdings: readonly Holding[]): string[] {
  const table = new Array<string>(BUCKETS);
  for (const { name, ranges } of holdings) for (const [from, to] of ranges) table.fill(name, from, to);
  return table;
}

const replay = (steps: readonly Share[][]) => steps.reduce<Holding[]>((held, step) => moveRanges(held, step), []);

describe('ranges', () => {
  test('every variant owns exactly its weight, every bucket belongs to one variant, after any history', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const held = replay(steps);
        expect(held.map(({ name, ranges }) => ({ name, weightBp: size(ranges) }))).toEqual(steps.at(-1));
        compileSplit(
          '0'.repeat(32),
          1,
          held.map((holding) => holding.ranges),
        );
      }),
    );
  });

  test('a change moves exactly the buckets that must move: none leaves a variant that does not shrink', () => {
    fc.assert(
      fc.property(history, shares, (steps, next) => {
        const before = replay(steps);
        const after = moveRanges(before, next);
        const weightBefore = new Map(before.map(({ name, ranges }) => [name, size(ranges)]));
        const mustMove = next.reduce(
          (sum, { name, weightBp }) => sum + Math.max(0, weightBp - (weightBefore.get(name) ?? 0)),
          0,
        );
        const [old, now] = [owners(before), owners(after)];
        expect(old.filter((owner, bucket) => owner !== now[bucket]).length).toBe(mustMove);
      }),
    );
  });

  test('undoing a two-variant ramp gives back the same buckets', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: BUCKETS }), { minLength: 2, maxLength: 8 }), (ramp) => {
        const up = [...ramp].sort((a, b) => a - b);
        const at = (held: Holding[], challenger: number) =>
          moveRanges(held, [
            { name: 'champion', weightBp: BUCKETS - challenger },
            { name: 'challenger', weightBp: challenger },
          ]);
        const states: Holding[][] = [];
        let held: Holding[] = [];
        for (const weight of up) {
          held = at(held, weight);
          states.push(held);
        }
        for (let step = up.length - 2; step >= 0; step--) {
          held = at(held, up[step]!);
          expect(owners(held)).toEqual(owners(states[step]!));
        }
      }),
    );
  });
});

describe('placement', () => {
  const salt = '000102030405060708090a0b0c0d0e0f';

  // The 64 vectors of the reference implementation start so; the 16th is the paper's own example.
  test('SipHash-2-4 meets the published vectors', () => {
    const digest = (length: number) => {
      const [low, high] = sipHash64(
        sipKeyFromHex(salt),
        Uint8Array.from({ length }, (_, i) => i),
        length,
      );
      return (BigInt(high) << 32n) | BigInt(low);
    };
    expect(digest(15)).toBe(0xa129ca6149be45e5n);
    expect(digest(0)).toBe(0x726fdb47dd0e0e31n);
    expect(digest(8)).toBe(0x93f5f5799a932462n);
  });

  test('a unit keeps its bucket whatever the weights, and its matched range holds it', () => {
    fc.assert(
      fc.property(history, fc.string({ maxLength: 3000, unit: 'grapheme' }), (steps, unit) => {
        const held = replay(steps);
        const split = compileSplit(
          salt,
          1,
          held.map((holding) => holding.ranges),
        );
        const { bucket, range, variant } = place(split, unit);
        expect(place(compileSplit(salt, 1, [[[0, BUCKETS]]]), unit).bucket).toBe(bucket);
        expect(bucket).toBeGreaterThanOrEqual(range[0]);
        expect(bucket).toBeLessThan(range[1]);
        expect(held[variant]!.ranges).toContainEqual(range);
      }),
    );
  });

  test('scaling reaches every bucket, the ends included, with widths that differ by one at most', () => {
    expect([scale(0), scale(0xffff_ffff)]).toEqual([0, BUCKETS - 1]);
    const firstOf = (bucket: number) => Math.ceil((bucket * 2 ** 32) / BUCKETS);
    const widths = new Set(Array.from({ length: BUCKETS }, (_, bucket) => firstOf(bucket + 1) - firstOf(bucket)));
    expect([...widths].sort()).toEqual([429_496, 429_497]);
    for (const bucket of [0, 1, 4711, 9998, 9999]) expect(scale(firstOf(bucket))).toBe(bucket);
  });

  test('units spread evenly: chi-square of 100 cells of 100 buckets over 200 000 units stays below its 1e-6 quantile', () => {
    const split = compileSplit(salt, 3, [[[0, BUCKETS]]]);
    const cells = new Float64Array(100);
    for (let i = 0; i < 200_000; i++) cells[Math.floor(place(split, `user-${i}`).bucket / 100)]!++;
    const statistic = cells.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
    expect(statistic).toBeLessThan(178);
  });

  test.each([
    ['a hole', [[[0, 10]]]],
    ['an overlap', [[[0, 6000]], [[5000, BUCKETS]]]],
    ['a reversed range', [[[10, 0]]]],
  ] as const)('%s does not compile', (_, ranges) => {
    expect(() => compileSplit(salt, 1, ranges)).toThrow(TypeError);
  });
});
