import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ArmSums } from '#core/experiments/look.ts';
import { halfWidth, pValueOf, rhoFor } from '#core/statistics/confidence-sequence.ts';
import { meanDifference } from '#core/statistics/mean-difference.ts';
import { combinePhases, meanDifferenceByPhase } from '#core/statistics/phases.ts';
import { minimumDetectableEffect, requiredUnits } from '#core/statistics/planner.ts';
import { normalCdf, normalQuantile } from '#core/statistics/special/distributions.ts';
import { of } from '../support/statistics/agreement.ts';
import { addSums, drawUnits, sumsOf } from '../support/statistics/draw.ts';
import type { Unit } from '../support/statistics/independent.ts';
import { SeededRandom } from '../support/statistics/random.ts';

const RUNS = { numRuns: 500 };

const alphas = fc.double({ min: 1e-4, max: 0.2, noNaN: true });
const units = fc
  .tuple(fc.integer(), fc.integer({ min: 100, max: 140 }), fc.boolean())
  .map(([seed, count, manyValues]) => drawUnits(new SeededRandom(seed), count, manyValues));
const options = fc.record({ alpha: alphas, plannedN: fc.integer({ min: 200, max: 50_000 }) });

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
        expect(one.standardError).toBe(plain.standardError);
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

describe('units that come back', () => {
  const phases = fc.array(
    fc.record({
      effect: fc.double({ min: -10, max: 10, noNaN: true }),
      variance: fc.double({ min: 1e-6, max: 10, noNaN: true }),
      units: fc.integer({ min: 200, max: 1e6 }),
    }),
    { minLength: 1, maxLength: 6 },
  );

  test('make the error larger, never more than by √phases; one phase cut in equal parts has the error of one part', () => {
    fc.assert(
      fc.property(phases, fc.integer({ min: 1, max: 8 }), (drawn, parts) => {
        const [fresh, returning] = [combinePhases(drawn), combinePhases(drawn, 'returning')];
        expect(returning.effect).toBe(fresh.effect);
        expect(returning.standardError).toBeGreaterThanOrEqual(fresh.standardError * (1 - 1e-12));
        expect(returning.standardError).toBeLessThanOrEqual(
          fresh.standardError * Math.sqrt(drawn.length) * (1 + 1e-12),
        );
        const same = Array.from({ length: parts }, () => drawn[0]!);
        expect(combinePhases(same, 'returning').standardError / Math.sqrt(drawn[0]!.variance)).toBeCloseTo(1, 12);
      }),
      RUNS,
    );
  });

  test('declare at most 5 % winners of equal arms, looked at all the time, where independence declares more', () => {
    const [RUNS_OF, UNITS, PHASES, LOOKS] = [400, 500, 4, 10];
    const random = new SeededRandom(41);
    const winners = { new: 0, returning: 0 };
    for (let run = 0; run < RUNS_OF; run++) {
      // Values vary between units alone: every phase sees the same ones again.
      const arms = [0, 1].map(() => Array.from({ length: UNITS }, () => ({ s: 5 + random.normal(), n: 1, x: 0 })));
      const seen = Array.from({ length: LOOKS }, (_, look) => {
        const [champion, challenger] = arms.map((all) => sumsOf(all.slice(0, (UNITS * (look + 1)) / LOOKS)));
        return { champion: champion!, challenger: challenger! };
      });
      const looks = Array.from({ length: PHASES * LOOKS }, (_, at) => [
        ...Array.from({ length: Math.floor(at / LOOKS) }, () => seen.at(-1)!),
        seen[at % LOOKS]!,
      ]);
      for (const kind of ['new', 'returning'] as const) {
        const isWinner = looks.some((look) => {
          const found = meanDifferenceByPhase({
            phases: look,
            alpha: 0.05,
            plannedN: 2000,
            relative: false,
            units: kind,
          });
          return found.kind === 'estimate' && found.pValue <= 0.05;
        });
        if (isWinner) winners[kind]++;
      }
    }
    expect(winners.returning / RUNS_OF).toBeLessThanOrEqual(0.05);
    expect(winners.new / RUNS_OF).toBeGreaterThan(0.05);
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
