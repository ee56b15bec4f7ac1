import fc from 'fast-check';
import { expect, test } from 'vitest';
import { controlSlice } from '#core/rollout/control-slice.ts';
import { compileSplit, place } from '#core/split/assign.ts';
import { BUCKETS } from '#core/split/bucket.ts';
import { type BucketRange, type Holding, moveRanges, size } from '#core/split/ranges.ts';

const SALT = '000102030405060708090a0b0c0d0e0f';

interface Phase {
  readonly number: number;
  readonly holdings: readonly Holding[];
  readonly control: readonly BucketRange[];
}

/** Moves the weights as a rollout does: the champion `a` keeps what the challengers do not get. */
function moveTo(before: Phase, challengers: readonly number[], mode: 'lockstep' | 'all', isFirst: boolean): Phase {
  const names = challengers.map((_, i) => `c${i}`);
  const rest = challengers.reduce((left, weight) => left - weight, BUCKETS);
  const holdings = moveRanges(before.holdings, [
    { name: 'a', weightBp: rest },
    ...challengers.map((weightBp, i) => ({ name: names[i]!, weightBp })),
  ]);
  const rangesOf = (all: readonly Holding[], name: string) => all.find((each) => each.name === name)?.ranges ?? [];
  const slice = controlSlice({
    mode,
    previous: isFirst
      ? null
      : { control: before.control, challengers: names.map((name) => rangesOf(before.holdings, name)) },
    champion: rangesOf(holdings, 'a'),
    challengers: names.map((name) => rangesOf(holdings, name)),
  });
  return { number: slice.continues ? before.number : before.number + 1, holdings, control: slice.ranges };
}

/** The arm that each bucket counts in; −1: none. */
function armsOf({ holdings, control }: Phase): Int8Array {
  const arms = new Int8Array(BUCKETS).fill(-1);
  for (const [from, to] of control) arms.fill(0, from, to);
  holdings.slice(1).forEach(({ ranges }, i) => {
    for (const [from, to] of ranges) arms.fill(i + 1, from, to);
  });
  return arms;
}

const START: Phase = { number: 0, holdings: [{ name: 'a', ranges: [[0, BUCKETS]] }], control: [] };
const challengerCount = fc.integer({ min: 1, max: 3 });
/** Weights of each challenger, in any order: ramps, ways back, and challengers that are taken out. */
const journeys = challengerCount.chain((count) =>
  fc.array(fc.array(fc.integer({ min: 0, max: Math.floor(BUCKETS / count) }), { minLength: count, maxLength: count }), {
    minLength: 1,
    maxLength: 8,
  }),
);
/** Any split that the group had before. */
const earlier = fc.array(fc.array(fc.nat(3_000), { minLength: 3, maxLength: 3 }), { maxLength: 3 });

function after(history: readonly (readonly number[])[]): Phase {
  return history.reduce<Phase>((phase, weights) => moveTo(phase, weights, 'all', true), START);
}

test('within a phase buckets are only added, to every arm as many, and none changes its arm', () => {
  fc.assert(
    fc.property(earlier, journeys, fc.constantFrom('lockstep' as const, 'all' as const), (history, journey, mode) => {
      let phase = { ...after(history), number: 0 };
      journey.forEach((weights, i) => {
        const next = moveTo(phase, weights, mode, i === 0);
        const [before, now] = [armsOf(phase), armsOf(next)];
        if (i > 0 && next.number === phase.number) {
          expect(before.every((arm, bucket) => arm === -1 || arm === now[bucket])).toBe(true);
          if (mode === 'lockstep') {
            const sizes = next.holdings.slice(1).map(({ ranges }) => size(ranges));
            const isUnchanged = before.every((arm, bucket) => arm === now[bucket]);
            if (!isUnchanged) for (const each of sizes) expect([0, size(next.control)]).toContain(each);
          }
        }
        phase = next;
      });
    }),
    { numRuns: 120 },
  );
});

test('a ramp of one challenger is one phase up to half of the traffic, wherever the group comes from', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      (steps, isSwapped) => {
        const ramp = [...new Set(steps)].sort((a, b) => a - b);
        // After a promotion the champion is who was the challenger, and has its buckets in another order.
        let phase: Phase = isSwapped
          ? {
              number: 0,
              holdings: [
                {
                  name: 'a',
                  ranges: [
                    [9_000, BUCKETS],
                    [0, 9_000],
                  ],
                },
              ],
              control: [],
            }
          : START;
        ramp.forEach((weight, i) => {
          phase = moveTo(phase, [weight], 'lockstep', i === 0);
          expect(phase.number).toBe(1);
          expect(size(phase.control)).toBe(weight);
        });
        const beyond = moveTo(phase, [9_999], 'lockstep', false);
        expect([beyond.number, size(beyond.control)]).toEqual([2, 1]);
      },
    ),
    { numRuns: 60 },
  );
});

test('a fixed split compares every bucket, in one phase for as long as it stays', () => {
  const first = moveTo(START, [5_000], 'all', true);
  expect([size(first.control), first.number]).toEqual([5_000, 1]);
  const same = moveTo(first, [5_000], 'all', false);
  expect(same).toEqual(first);
  expect(moveTo(same, [6_000], 'all', false).number).toBe(2);
});

test('after any journey each unit is placed by its phase as by the bucket that it always has', () => {
  fc.assert(
    fc.property(journeys, fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 20 }), (journey, units) => {
      let phase = START;
      journey.forEach((weights, i) => {
        phase = moveTo(phase, weights, 'lockstep', i === 0);
        const split = compileSplit(
          SALT,
          2,
          phase.holdings.map(({ ranges }) => ranges),
        );
        const whole = compileSplit(SALT, 2, [[[0, BUCKETS]]]);
        const arms = armsOf(phase);
        for (const unit of units) {
          const { bucket, variant } = place(split, unit);
          expect(place(whole, unit).bucket).toBe(bucket);
          // Who counts, counts for the variant that serves it.
          if (arms[bucket] !== -1) expect(arms[bucket]).toBe(variant);
        }
      });
    }),
    { numRuns: 100 },
  );
});
