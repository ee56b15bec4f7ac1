import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ArmSums } from '#core/experiments/look.ts';
import { halfWidth, pValueOf, rhoFor } from '#core/statistics/confidence-sequence.ts';
import { newcombe, wilson } from '#core/statistics/intervals.ts';
import { meanDifference } from '#core/statistics/mean-difference.ts';
import { combinePhases, meanDifferenceByPhase } from '#core/statistics/phases.ts';
import { minimumDetectableEffect, requiredUnits } from '#core/statistics/planner.ts';
import { needsSmallCounts, type RateSide, twoArmRate } from '#core/statistics/rate.ts';
import { rateDifference, rateInterval, smallCountDifference } from '#core/statistics/rate-difference.ts';
import { normalCdf, normalQuantile } from '#core/statistics/special/distributions.ts';
import { chiSquareSplit, srmSequential } from '#core/statistics/split-ratio.ts';
import { addSums, drawUnits, sumsOf } from '../support/statistics/draw.ts';
import type { Unit } from '../support/statistics/independent.ts';
import { SeededRandom } from '../support/statistics/random.ts';

const RUNS = { numRuns: 500 };

const alphas = fc.double({ min: 1e-4, max: 0.2, noNaN: true });
const units = fc
  .tuple(fc.integer(), fc.integer({ min: 100, max: 140 }), fc.boolean())
  .map(([seed, count, manyValues]) => drawUnits(new SeededRandom(seed), count, manyValues));
const options = fc.record({ alpha: alphas, plannedN: fc.integer({ min: 200, max: 50_000 }) });
const counts = fc.record({
  n: fc.integer({ min: 1, max: 100_000 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});
const arms = counts.map(({ n, share }) => ({ n, events: Math.round(n * share) }));

/** The answer, which is of this kind; else the test fails. */
function of<T extends { readonly kind: string }, K extends T['kind']>(kind: K, result: T): Extract<T, { kind: K }> {
  if (result.kind !== kind) throw new Error(`expected ${kind}: ${JSON.stringify(result)}`);
  return result as Extract<T, { kind: K }>;
}

const eValue = (championEvents: number, challengerEvents: number, challengerShare: number, side: RateSide) =>
  of('evidence', twoArmRate({ championEvents, challengerEvents, challengerShare, side })).logEValue;

describe('means', () => {
  test('neither the order of units nor how they come in batches matters', () => {
    const cuts = fc.array(fc.nat(139), { maxLength: 5 });
    fc.assert(
      fc.property(units, units, options, cuts, fc.boolean(), (a, b, { alpha, plannedN }, at, relative) => {
        const batches = [...at, 0, b.length].sort((x, y) => x - y);
        const parts = batches.slice(1).map((to, i) => sumsOf(b.toReversed().slice(batches[i], to) as Unit[]));
        const input = { alpha, plannedN, relative, champion: sumsOf(a) };
        const whole = of('estimate', meanDifference({ ...input, challenger: sumsOf(b) }));
        const batched = of(
          'estimate',
          meanDifference({ ...input, challenger: parts.reduce<ArmSums>(addSums, sumsOf([])) }),
        );
        expect(Math.abs(batched.effect - whole.effect)).toBeLessThanOrEqual(1e-9 * whole.standardError);
        expect(batched.standardError / whole.standardError).toBeCloseTo(1, 9);
        expect(Math.abs(batched.pValue - whole.pValue)).toBeLessThanOrEqual(1e-7);
      }),
      RUNS,
    );
  });

  test('arms exchanged: the opposite effect, the same p-value', () => {
    fc.assert(
      fc.property(units, units, options, (a, b, rest) => {
        const [x, y] = [sumsOf(a), sumsOf(b)];
        const there = of('estimate', meanDifference({ ...rest, champion: x, challenger: y, relative: false }));
        const back = of('estimate', meanDifference({ ...rest, champion: y, challenger: x, relative: false }));
        expect(back.effect).toBe(-there.effect);
        expect(back.lower).toBe(-there.upper);
        expect(back.pValue).toBe(there.pValue);
      }),
      RUNS,
    );
  });

  test('a p-value is a probability, and below α exactly where the interval leaves 0 out', () => {
    fc.assert(
      fc.property(
        ...[units, units, options, fc.boolean(), fc.constantFrom('two' as const, 'one' as const)],
        fc.double({ min: 0, max: 40, noNaN: true }),
        (a, b, rest, relative, sided, shift) => {
          // So that all strengths of evidence are met: every value of the challenger is larger by some standard deviations.
          const spread = Math.sqrt(sumsOf(a).sumSquares / a.length) / 20;
          const challenger = sumsOf(b.map((unit) => ({ ...unit, s: unit.s + shift * spread * unit.n })));
          const input = { ...rest, champion: sumsOf(a), challenger, relative, sided };
          const found = meanDifference(input);
          if (found.kind === 'insufficient') return;
          const { lower, upper, pValue } = of('estimate', found);
          expect(pValue).toBeGreaterThanOrEqual(0);
          expect(pValue).toBeLessThanOrEqual(1);
          const isOut = sided === 'two' ? lower > 0 || upper < 0 : lower > 0;
          if (Math.abs(pValue - rest.alpha) > 1e-9) expect(pValue < rest.alpha).toBe(isOut);
        },
      ),
      RUNS,
    );
  });

  test('with the same variance a unit, more units narrow the interval, a greater α does, and one side is narrower than two', () => {
    fc.assert(
      fc.property(
        options,
        fc.integer({ min: 200, max: 1e8 }),
        fc.double({ min: 1.01, max: 100, noNaN: true }),
        ({ alpha, plannedN }, n, more) => {
          const width = (at: number, sided: 'two' | 'one') =>
            halfWidth({ standardError: 1 / Math.sqrt(at), n: at, rho: rhoFor(alpha, plannedN, sided), alpha, sided });
          expect(width(n * more, 'two')).toBeLessThan(width(n, 'two'));
          expect(width(n * more, 'one')).toBeLessThan(width(n, 'one'));
          expect(width(plannedN, 'one')).toBeLessThan(width(plannedN, 'two'));
          // ρ stays: its own change with α moves where the sequence is tightest.
          const at = { standardError: 1, n, rho: rhoFor(alpha, plannedN) };
          for (const sided of ['two', 'one'] as const) {
            expect(halfWidth({ ...at, alpha, sided })).toBeLessThan(halfWidth({ ...at, alpha: alpha / 2, sided }));
          }
        },
      ),
      RUNS,
    );
  });

  test('the stronger the effect, the smaller the p-value', () => {
    const z = fc.double({ min: 0, max: 50, noNaN: true });
    fc.assert(
      fc.property(
        options,
        z,
        z,
        fc.constantFrom('two' as const, 'one' as const),
        ({ alpha, plannedN }, x, y, sided) => {
          const rho = rhoFor(alpha, plannedN, sided);
          const p = (effect: number) => pValueOf({ effect, standardError: 1, n: plannedN, rho, sided });
          expect(p(Math.max(x, y))).toBeLessThanOrEqual(p(Math.min(x, y)));
        },
      ),
      RUNS,
    );
  });

  test('one phase is the plain difference; phases may come in any order; a paradox of pooling is none by phase', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(units, units), { minLength: 1, maxLength: 3 }), options, (drawn, rest) => {
        const phases = drawn.map(([a, b]) => ({ champion: sumsOf(a), challenger: sumsOf(b) }));
        const input = { ...rest, relative: false };
        const [first] = phases;
        const { phasesUsed, ...one } = of('estimate', meanDifferenceByPhase({ ...input, phases: [first!] }));
        const plain = of('estimate', meanDifference({ ...input, ...first! }));
        expect(phasesUsed).toEqual([0]);
        expect(one.effect).toBe(plain.effect);
        expect(one.standardError).toBeCloseTo(plain.standardError, 12);
        const there = of('estimate', meanDifferenceByPhase({ ...input, phases }));
        const back = of('estimate', meanDifferenceByPhase({ ...input, phases: phases.toReversed() }));
        expect(Math.abs(there.effect - back.effect)).toBeLessThanOrEqual(1e-9 * there.standardError);
      }),
      RUNS,
    );
    // Both phases: no difference. Pooled, the challenger would be 25 against 15.
    const phase = (mean: number, champion: number, challenger: number) => ({
      ...{ effect: 0, variance: (mean * mean) / 100 / champion + (mean * mean) / 100 / challenger },
      units: champion + challenger,
    });
    expect(combinePhases([phase(10, 900, 100), phase(30, 300, 300)]).effect).toBe(0);
  });
});

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

  test('the interval of a rate holds the rate, narrows with α and with trials', () => {
    fc.assert(
      fc.property(arms, alphas, (arm, alpha) => {
        const { lower, upper } = rateInterval(arm, alpha);
        const rate = arm.events / arm.n;
        expect(lower).toBeLessThanOrEqual(rate);
        expect(upper).toBeGreaterThanOrEqual(rate);
        const wider = rateInterval(arm, alpha / 2);
        expect(wider.upper - wider.lower).toBeGreaterThan(upper - lower);
        const narrower = rateInterval({ n: arm.n * 10, events: arm.events * 10 }, alpha);
        expect(narrower.upper - narrower.lower).toBeLessThan(upper - lower);
      }),
      RUNS,
    );
  });

  test('at small counts: an interval around the effect, which leaves "equal" out exactly where p < α', () => {
    fc.assert(
      fc.property(arms, arms, alphas, (champion, challenger, alpha) => {
        const result = of('small_counts', smallCountDifference({ champion, challenger, alpha, relative: true }));
        if (result.effect !== null) {
          expect(result.lower).toBeLessThanOrEqual(result.effect);
          expect(result.upper ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(result.effect);
        }
        const isOut = result.lower! > 0 || (result.upper !== null && result.upper < 0);
        if (Math.abs(result.pValue - alpha) > 1e-9) expect(result.pValue < alpha).toBe(isOut);
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
        // Evidence of a million nats keeps ten digits after the point.
        expect(next).toBeCloseTo(1, 8);
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

describe('planner and normal distribution', () => {
  test('what so many units find needs so many units', () => {
    const basis = fc.record({
      ...{ variance: fc.double({ min: 0.01, max: 100, noNaN: true }), alpha: alphas },
      ...{
        champion: fc.constantFrom('rest' as const, 'equal' as const),
        challengerShare: fc.double({ min: 0.05, max: 0.5, noNaN: true }),
      },
    });
    fc.assert(
      fc.property(basis, fc.integer({ min: 10_000, max: 1e9 }), (plan, n) => {
        const effects = of('plan', minimumDetectableEffect({ ...plan, units: n }));
        for (const name of ['fixed', 'sequence', 'sequenceTypical'] as const) {
          const { [name]: needed } = of('plan', requiredUnits({ ...plan, effect: effects[name] }));
          expect(Math.abs(needed.units - n)).toBeLessThanOrEqual(1);
        }
        expect(effects.sequence).toBeGreaterThan(effects.fixed);
      }),
      RUNS,
    );
  });

  test('the quantile is the inverse of the distribution', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-300, max: 0.999, noNaN: true }), (p) => {
        expect(normalCdf(normalQuantile(p)) / p).toBeCloseTo(1, 10);
      }),
      RUNS,
    );
  });
});
