import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rateDifference } from '#core/experiments/rate-difference.ts';
import { newcombe, wilson } from '#core/statistics/intervals.ts';
import { needsSmallCounts, type RateSide, twoArmRate } from '#core/statistics/rate.ts';
import { lowerLogOdds } from '#core/statistics/rate-bounds.ts';
import { chiSquareSplit, srmSequential } from '#core/statistics/split-ratio.ts';
import { of } from '../support/statistics/agreement.ts';

const RUNS = { numRuns: 500 };

const alphas = fc.double({ min: 1e-4, max: 0.2, noNaN: true });
const options = fc.record({ alpha: alphas, plannedN: fc.integer({ min: 200, max: 50_000 }) });
const counts = fc.record({
  n: fc.integer({ min: 1, max: 100_000 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});
const arms = counts.map(({ n, share }) => ({ n, events: Math.round(n * share) }));

const eValue = (championEvents: number, challengerEvents: number, challengerShare: number, side: RateSide) =>
  of('evidence', twoArmRate({ championEvents, challengerEvents, challengerShare, side })).logEValue;

describe('rates', () => {
  const shares = fc.double({ min: 0.001, max: 0.999, noNaN: true });
  const events = fc.integer({ min: 0, max: 2000 });

  test('arms exchanged: greater becomes less', () => {
    fc.assert(
      fc.property(events, events, fc.integer({ min: 1, max: 1023 }), (a, b, parts) => {
        // Of 1024, so that the share and the rest are both exact.
        const share = parts / 1024;
        expect(eValue(a, b, share, 'greater')).toBeCloseTo(eValue(b, a, 1 - share, 'less'), 9);
        expect(eValue(a, b, share, 'two')).toBeCloseTo(eValue(b, a, 1 - share, 'two'), 9);
      }),
      RUNS,
    );
  });

  test('the two-sided e-value is the mean of both sides, weighted by their lengths', () => {
    fc.assert(
      fc.property(events, events, shares, (a, b, share) => {
        const [greater, less, two] = (['greater', 'less', 'two'] as const).map((side) => eValue(a, b, share, side));
        const mean = (1 - share) * Math.exp(greater! - two!) + share * Math.exp(less! - two!);
        expect(mean).toBeCloseTo(1, 9);
      }),
      RUNS,
    );
  });

  test('it is a martingale under "equal": the next event changes its expectation by nothing', () => {
    fc.assert(
      fc.property(
        events,
        events,
        shares,
        fc.constantFrom('two' as const, 'greater' as const, 'less' as const),
        (a, b, share, side) => {
          const now = eValue(a, b, share, side);
          const next =
            share * Math.exp(eValue(a, b + 1, share, side) - now) +
            (1 - share) * Math.exp(eValue(a + 1, b, share, side) - now);
          expect(next).toBeCloseTo(1, 9);
        },
      ),
      RUNS,
    );
  });

  test('more events of the challenger are more evidence that it has more; an outage of both is none', () => {
    fc.assert(
      fc.property(events, events, shares, (a, b, share) => {
        expect(eValue(a, b + 1, share, 'greater')).toBeGreaterThan(eValue(a, b, share, 'greater'));
        expect(eValue(a + 1, b, share, 'greater')).toBeLessThan(eValue(a, b, share, 'greater'));
      }),
      RUNS,
    );
    expect(eValue(9_500_000, 500_000, 0.05, 'greater')).toBeLessThan(0);
  });

  test('a bound is below the share, falls with α and rises with trials', () => {
    fc.assert(
      fc.property(arms, alphas, ({ n, events }, alpha) => {
        if (events === 0) return;
        const bound = lowerLogOdds(events, n - events, alpha);
        expect(bound).toBeLessThan(Math.log(events / (n - events)));
        expect(lowerLogOdds(events, n - events, alpha / 2)).toBeLessThan(bound);
        expect(lowerLogOdds(10 * events, 10 * (n - events), alpha)).toBeGreaterThan(bound);
      }),
      RUNS,
    );
  });

  test('at small counts: bounds around the effect, which leave "equal" out exactly where p < α; one-sided ones are sharper', () => {
    fc.assert(
      fc.property(arms, arms, alphas, fc.boolean(), (champion, challenger, alpha, relative) => {
        const input = { champion, challenger, alpha, relative, plannedN: 5000 };
        const result = rateDifference(input);
        if (result.kind !== 'small_counts') return;
        const { effect, lower, upper, pValue } = result;
        if (effect !== null) {
          expect(lower ?? -1).toBeLessThanOrEqual(effect);
          expect(upper ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(effect);
        }
        const isOut = (lower !== null && lower > 0) || (upper !== null && upper < 0);
        if (pValue < alpha * (1 - 1e-9)) expect(isOut).toBe(true);
        // Arms that lie far apart show it without the ratio.
        if (relative && isOut && 2 * (champion.events + challenger.events) <= champion.n + challenger.n)
          expect(pValue).toBeLessThan(alpha * (1 + 1e-9));
        const oneSided = of('small_counts', rateDifference({ ...input, sided: 'one' }));
        if (lower !== null) expect(oneSided.lower).toBeGreaterThanOrEqual(lower);
        if (isOut && lower !== null && lower > 0) expect(oneSided.pValue).toBeLessThanOrEqual(pValue);
      }),
      RUNS,
    );
  });

  test('a rate chooses its method by the counts', () => {
    fc.assert(
      fc.property(arms, arms, options, (champion, challenger, rest) => {
        const isSmall = [champion, challenger].some((arm) => needsSmallCounts({ ...arm, units: arm.n }));
        const { kind } = rateDifference({ champion, challenger, ...rest, relative: false });
        expect(kind).toBe(isSmall ? 'small_counts' : 'estimate');
      }),
      RUNS,
    );
  });

  test('Wilson stays within 0 and 1; Newcombe turns with the arms', () => {
    fc.assert(
      fc.property(arms, arms, alphas, (a, b, alpha) => {
        const { lower, upper } = of('interval', wilson(a, alpha));
        expect(lower).toBeGreaterThanOrEqual(0);
        expect(upper).toBeLessThanOrEqual(1);
        expect(lower).toBeLessThanOrEqual(a.events / a.n);
        expect(upper).toBeGreaterThanOrEqual(a.events / a.n);
        const [there, back] = [of('interval', newcombe(a, b, alpha)), of('interval', newcombe(b, a, alpha))];
        expect(back.lower).toBeCloseTo(-there.upper, 12);
      }),
      RUNS,
    );
  });
});

describe('splits', () => {
  const splits = fc
    .array(fc.record({ count: fc.integer({ min: 0, max: 1_000_000 }), weight: fc.integer({ min: 1, max: 10_000 }) }), {
      minLength: 2,
      maxLength: 5,
    })
    .map((all) => ({ counts: all.map(({ count }) => count), weights: all.map(({ weight }) => weight) }));

  test('how counts come in looks does not matter, nor the order of arms, nor the unit of weights', () => {
    fc.assert(
      fc.property(splits, fc.integer({ min: 1, max: 5 }), ({ counts, weights }, looks) => {
        const whole = of('evidence', srmSequential(counts, weights));
        const rows = Array.from({ length: looks }, (_, look) =>
          counts.map((count) => Math.floor((count * (look + 1)) / looks) - Math.floor((count * look) / looks)),
        );
        const batched = of('evidence', srmSequential(rows, weights));
        expect(batched.logEValue).toBe(whole.logEValue);
        expect(batched.minPValue).toBeLessThanOrEqual(batched.pValue);
        const turned = of('evidence', srmSequential(counts.toReversed(), weights.toReversed()));
        const tolerance = 1e-9 * Math.max(1, Math.abs(whole.logEValue));
        expect(Math.abs(turned.logEValue - whole.logEValue)).toBeLessThanOrEqual(tolerance);
        const scaled = of(
          'evidence',
          srmSequential(
            counts,
            weights.map((weight) => weight * 7),
          ),
        );
        expect(Math.abs(scaled.logEValue - whole.logEValue)).toBeLessThanOrEqual(tolerance);
      }),
      RUNS,
    );
  });

  test('it is a martingale: over the arms of the next unit, its expectation stays', () => {
    fc.assert(
      fc.property(splits, ({ counts, weights }) => {
        const all = weights.reduce((sum, weight) => sum + weight, 0);
        const now = of('evidence', srmSequential(counts, weights)).logEValue;
        const next = weights.reduce((sum, weight, arm) => {
          const later = of('evidence', srmSequential(counts.with(arm, counts[arm]! + 1), weights)).logEValue;
          return sum + (weight / all) * Math.exp(later - now);
        }, 0);
        // Of evidence of ten million nats, eight digits after the point are left.
        expect(next).toBeCloseTo(1, 6);
      }),
      RUNS,
    );
  });

  test('χ² of a split as planned is 0, and p falls as it grows', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 2, maxLength: 5 }),
        fc.nat(1000),
        (weights, moved) => {
          const counts = weights.map((weight) => weight * 100);
          const planned = of('chi_square', chiSquareSplit(counts, weights));
          expect(planned.statistic).toBeLessThan(1e-15);
          expect(planned.pValue).toBeCloseTo(1, 7);
          const off = (by: number) => of('chi_square', chiSquareSplit(counts.with(0, counts[0]! + by), weights));
          expect(off(moved + 1).statistic).toBeGreaterThan(off(moved).statistic);
          expect(off(moved + 1).pValue).toBeLessThanOrEqual(off(moved).pValue);
        },
      ),
      RUNS,
    );
  });
});
