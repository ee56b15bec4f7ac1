import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { complementOf } from '#core/experiments/event-units.ts';
import { smallCountRate } from '#core/experiments/small-counts.ts';
import { twoArmRate } from '#core/statistics/rate.ts';
import { rateSums, sumsOf } from '#tests/support/looks.ts';

const ALPHA = 0.05;

function compare(
  champion: readonly [units: number, events: number],
  challenger: readonly [units: number, events: number],
  relative: boolean,
) {
  const phases = [{ champion: rateSums(...champion), challenger: rateSums(...challenger) }];
  return smallCountRate({ phases, alpha: ALPHA, relative });
}

/** p of "the challenger's units have events at most (`less`: at least) `ratio` times as often", by the two-arm process. */
function pAt(ratio: number, events: readonly [number, number], share: number, side: 'greater' | 'less'): number {
  const challengerShare = (share * ratio) / (share * ratio + 1 - share);
  const [championEvents, challengerEvents] = events;
  const evidence = twoArmRate({ championEvents, challengerEvents, challengerShare, side });
  return evidence.kind === 'evidence' ? evidence.pValue : Number.NaN;
}

describe('ratio of rates', () => {
  test('holds every ratio that neither one-sided process has excluded at α/2', () => {
    const { effect, lower, upper, pValue } = compare([1_000, 4], [500, 8], true);
    expect(effect).toBeCloseTo(3, 12);
    expect(pAt(1 + lower!, [4, 8], 1 / 3, 'greater')).toBeCloseTo(ALPHA / 2, 8);
    expect(pAt(1 + upper!, [4, 8], 1 / 3, 'less')).toBeCloseTo(ALPHA / 2, 8);
    expect(pValue).toBeCloseTo(Math.min(1, 2 * pAt(1, [4, 8], 1 / 3, 'greater')), 10);
  });

  test('one-sided, each bound has all of α', () => {
    const phases = [{ champion: rateSums(1_000, 4), challenger: rateSums(500, 8) }];
    const { lower, pValue } = smallCountRate({ phases, alpha: ALPHA, relative: true, sided: 'one' });
    expect(pAt(1 + lower!, [4, 8], 1 / 3, 'greater')).toBeCloseTo(ALPHA, 8);
    expect(pValue).toBeCloseTo(pAt(1, [4, 8], 1 / 3, 'greater'), 12);
  });

  test('says nothing without events', () => {
    expect(compare([1_000, 0], [1_000, 0], true)).toEqual({ effect: null, lower: -1, upper: null, pValue: 1 });
  });

  test('has no upper bound while the champion has none', () => {
    const { effect, lower, upper } = compare([1_000, 0], [1_000, 9], true);
    expect([effect, upper]).toEqual([null, null]);
    expect(pAt(1 + lower!, [0, 9], 0.5, 'greater')).toBeCloseTo(ALPHA / 2, 8);
    // ∫ from π to 1 of q⁹ is (1 − π¹⁰)/10.
    const share = (1 + lower!) / (2 + lower!);
    expect((1 - share ** 10) / 10 / ((1 - share) * share ** 9)).toBeCloseTo(2 / ALPHA, 6);
  });

  test('of arms changed over is the inverse', () => {
    const [forth, back] = [compare([900, 3], [700, 9], true), compare([700, 9], [900, 3], true)];
    expect((1 + forth.lower!) * (1 + back.upper!)).toBeCloseTo(1, 8);
    expect((1 + forth.upper!) * (1 + back.lower!)).toBeCloseTo(1, 8);
    expect(forth.pValue).toBeCloseTo(back.pValue, 12);
  });
});

describe('difference of rates', () => {
  test('is bounded without a single event', () => {
    const { effect, lower, upper, pValue } = compare([2_000, 0], [2_000, 0], false);
    expect(upper).toBeLessThan(0.01);
    // (1 − qⁿ⁺¹)/((n + 1)pqⁿ) of the half below p, q = 1 − p, is 8/α.
    const [p, q] = [upper!, 1 - upper!];
    expect((1 - q ** 2_001) / 2_001 / (p * q ** 2_000)).toBeCloseTo(8 / ALPHA, 4);
    expect(lower).toBe(-upper!);
    expect([effect, pValue]).toEqual([0, 1]);
  });

  test('is above 0 where the ratio is above 1, though the arms alone leave it open', () => {
    const { effect, lower, pValue } = compare([2_000, 1], [2_000, 14], false);
    expect(effect).toBeCloseTo(0.0065, 12);
    expect(lower).toBeGreaterThan(0);
    expect(pValue).toBeLessThan(ALPHA);
  });

  test('of changed arms is the negative', () => {
    const [forth, back] = [compare([900, 3], [700, 9], false), compare([700, 9], [900, 3], false)];
    expect(forth.lower).toBeCloseTo(-back.upper!, 10);
    expect(forth.upper).toBeCloseTo(-back.lower!, 10);
  });
});

describe('where most values are events', () => {
  test('differences are those of the others, with the sign changed', () => {
    const [many, few] = [compare([900, 897], [700, 691], false), compare([900, 3], [700, 9], false)];
    expect(many.lower).toBeCloseTo(-few.upper!, 12);
    expect(many.upper).toBeCloseTo(-few.lower!, 12);
    expect(many.pValue).toBe(few.pValue);
  });

  test('relative effects are those differences by the champion’s rate', () => {
    const { effect, lower, upper } = compare([900, 897], [700, 691], true);
    expect(effect).toBeCloseTo(691 / 700 / (897 / 900) - 1, 12);
    const difference = compare([900, 897], [700, 691], false);
    expect(lower).toBeLessThanOrEqual(difference.lower!);
    expect(upper).toBeGreaterThanOrEqual(difference.upper!);
  });

  test('the complement of sums is that of their values', () => {
    const units = [[1, 0, 0], [1], [0, 1, 1, 1], [0]];
    expect(complementOf(sumsOf(units))).toEqual(sumsOf(units.map((values) => values.map((value) => 1 - value))));
  });
});

describe('units with several values', () => {
  const arm = (units: number, failing: number, times: number) =>
    sumsOf(Array.from({ length: units }, (_, at) => Array<number>(times).fill(at < failing ? 1 : 0)));

  test('count once: a broken client that fails five times is one event', () => {
    const of = (times: number) =>
      smallCountRate({
        phases: [{ champion: arm(200, 3, times), challenger: arm(200, 9, times) }],
        alpha: ALPHA,
        relative: true,
      });
    const [once, fiveTimes] = [of(1), of(5)];
    expect(fiveTimes.lower).toBeCloseTo(once.lower!, 8);
    expect(fiveTimes.upper).toBeCloseTo(once.upper!, 8);
    expect(fiveTimes.pValue).toBeCloseTo(once.pValue, 10);
  });

  test('without events bound the rate by their number, not by that of their values', () => {
    const of = (times: number) =>
      smallCountRate({
        phases: [{ champion: arm(200, 0, times), challenger: arm(200, 0, times) }],
        alpha: ALPHA,
        relative: false,
      });
    expect(of(5).upper).toBeCloseTo(of(1).upper!, 10);
  });
});

describe('phases', () => {
  const [first, second] = [
    { champion: rateSums(1_000, 2), challenger: rateSums(1_000, 7) },
    { champion: rateSums(500, 1), challenger: rateSums(1_500, 9) },
  ];
  test('are each tested with a part of α, and the strongest one speaks: they may be the same units again', () => {
    const { pValue, lower } = smallCountRate({
      phases: [
        { ...first, part: 0.8 },
        { ...second, part: 0.1 },
      ],
      alpha: ALPHA,
      relative: true,
    });
    const pOfEach = [pAt(1, [2, 7], 0.5, 'greater') / 0.8, pAt(1, [1, 9], 0.75, 'greater') / 0.1];
    expect(pValue).toBeCloseTo(Math.min(1, 2 * Math.min(...pOfEach)), 10);
    const alone = (phase: typeof first, part: number) =>
      smallCountRate({ phases: [phase], alpha: ALPHA * part, relative: true }).lower!;
    expect(lower).toBeCloseTo(Math.max(alone(first, 0.8), alone(second, 0.1)), 10);
  });

  test('that contradict each other leave open what lies between', () => {
    const phases = [
      { champion: rateSums(1_000, 1), challenger: rateSums(1_000, 25), part: 0.8 },
      { champion: rateSums(1_000, 30), challenger: rateSums(1_000, 1), part: 0.1 },
    ];
    const { lower, upper } = smallCountRate({ phases, alpha: ALPHA, relative: true });
    expect(lower).toBeLessThan(0);
    expect(upper).toBeGreaterThan(0);
  });

  test('are weighted by their units', () => {
    const { effect } = smallCountRate({ phases: [first, second], alpha: ALPHA, relative: false });
    expect(effect).toBeCloseTo((0.007 + 0.006) / 2 - (0.002 + 0.002) / 2, 12);
  });
});

test('intervals hold the effect, and p is below α just where they exclude 0', () => {
  const arm = fc.tuple(fc.integer({ min: 20, max: 5_000 }), fc.double({ min: 0, max: 1, noNaN: true }));
  fc.assert(
    fc.property(arm, arm, fc.boolean(), ([unitsA, shareA], [unitsB, shareB], relative) => {
      const events = (units: number, share: number) => Math.round(units * share ** 3);
      const a = [unitsA, events(unitsA, shareA)] as const;
      const b = [unitsB, events(unitsB, shareB)] as const;
      const { effect, lower, upper, pValue } = compare(a, b, relative);
      const [low, high] = [lower ?? Number.NEGATIVE_INFINITY, upper ?? Number.POSITIVE_INFINITY];
      expect(low).toBeLessThanOrEqual(high);
      if (effect !== null) {
        expect(low).toBeLessThanOrEqual(effect + 1e-9);
        expect(high).toBeGreaterThanOrEqual(effect - 1e-9);
      }
      if (pValue < ALPHA * 0.999) expect(low > 0 || high < 0).toBe(true);
      // An interval of arms that lie far apart may exclude 0 where there are no events to compare.
      if (relative && 2 * (a[1] + b[1]) <= unitsA + unitsB && pValue > ALPHA * 1.001)
        expect(low <= 0 && high >= 0).toBe(true);
    }),
    { numRuns: 500 },
  );
});
