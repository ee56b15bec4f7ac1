import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { alphaOfChallenger, formAlphas } from '#core/experiments/alpha.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import { measure } from '#core/experiments/metric-result.ts';
import { partOfAlpha } from '#core/experiments/phase-alpha.ts';
import { partsOfPhases, sharper } from '#core/experiments/rate-forms.ts';
import { smallCountRate } from '#core/experiments/small-counts.ts';
import { meanDifferenceByPhase } from '#core/statistics/phases.ts';
import { definitionOf, meanSums, observationOf, onePhase, phaseUnits, rateSums, sumsOf } from '#tests/support/looks.ts';

const OPTIONS = { arm: 1, alpha: 0.05, plannedUnits: 5_000, minUnits: 100 };
const rate = { metric: 'outcome', kind: 'rate', unit: 'share', direction: 'increase', relative: true } as const;
const { unit: _, ...written } = rate;
const sequence = { alpha: 0.05, plannedN: 5_000, relative: true, units: 'returning' } as const;

test('all that is given away is at most what there is', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-4, max: 0.2, noNaN: true }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 200 }),
      (alpha, challengers, phases) => {
        const each = alphaOfChallenger(alpha, challengers);
        const { smallCounts, sequence: large } = formAlphas('rate', each);
        const ofPhases = Array.from({ length: phases }, (_, place) => smallCounts! * partOfAlpha(place));
        const spent = challengers * (large + ofPhases.reduce((sum, part) => sum + part, 0));
        expect(spent).toBeLessThanOrEqual(alpha * (1 + 1e-12));
        expect(formAlphas('mean', each)).toEqual({ smallCounts: null, sequence: each });
      },
    ),
  );
});

describe('a rate', () => {
  test('at small counts is judged with the part of that form and of its phase', () => {
    const arms = [rateSums(3_000, 2), rateSums(3_000, 30)] as const;
    const { lower, upper, pValue } = measure(rate, onePhase(...arms), OPTIONS);
    const phases = [{ champion: arms[0], challenger: arms[1] }];
    const whole = smallCountRate({ phases, alpha: 0.05 * 0.3 * 0.8, relative: true });
    expect(lower).toBeCloseTo(whole.lower!, 10);
    expect(upper).toBeCloseTo(whole.upper!, 10);
    expect(pValue).toBeCloseTo(whole.pValue / 0.3 / 0.8, 12);
  });

  test('later is judged by the sequence, with the rest', () => {
    const units = (failing: number) =>
      sumsOf(Array.from({ length: 3_000 }, (_, at) => Array<number>(2).fill(at < failing ? 1 : 0)));
    const [champion, challenger] = [units(300), units(330)];
    const { lower, upper, pValue } = measure({ ...rate, relative: false }, onePhase(champion, challenger), OPTIONS);
    const input = { ...sequence, alpha: 0.05 * 0.7, relative: false, phases: [{ champion, challenger }] };
    const alone = meanDifferenceByPhase(input);
    expect(alone).toMatchObject({ kind: 'estimate', lower, upper });
    expect(pValue).toBe(Math.min(1, (alone as { pValue: number }).pValue / 0.7));
  });

  test('of units with one value has the sharper bound of both, from then on too', () => {
    const arms = [rateSums(3_000, 10), rateSums(3_000, 38)] as const;
    const found = measure(rate, onePhase(...arms), OPTIONS);
    const phases = [{ champion: arms[0], challenger: arms[1], part: 0.8 }];
    const counts = smallCountRate({ phases, alpha: 0.05 * 0.3, relative: true });
    expect(found).toMatchObject({ method: 'confidence_sequence', lower: counts.lower });
    expect(found.lower).toBeGreaterThan(0);
    expect(found.pValue).toBeLessThan(0.05);
  });

  test('in whose phases an arm has only events or only others is judged by their counts', () => {
    const phases = [
      { phase: 1, arms: [rateSums(300, 0), rateSums(300, 150)] },
      { phase: 2, arms: [rateSums(300, 300), rateSums(300, 150)] },
    ];
    expect(measure({ ...rate, relative: false }, phases, OPTIONS)).toMatchObject({ method: 'small_counts', effect: 0 });
  });

  test('goes by the counts of those phases that the sequence would use', () => {
    const phases = [
      { phase: 1, arms: [rateSums(99, 50), rateSums(99, 50)] },
      { phase: 2, arms: [rateSums(300, 5), rateSums(300, 50)] },
    ];
    expect(measure(rate, phases, OPTIONS).method).toBe('small_counts');
  });
});

test('a mean has all of α', () => {
  const [champion, challenger] = [meanSums(3_000, 10, 2), meanSums(3_000, 10.1, 2)];
  const spec = { ...rate, kind: 'mean', relative: false } as const;
  const { lower, upper, pValue } = measure(spec, onePhase(champion, challenger), OPTIONS);
  const phases = [{ champion, challenger }];
  expect(meanDifferenceByPhase({ ...sequence, relative: false, phases })).toMatchObject({ lower, upper, pValue });
});

test('a phase keeps its part while nothing is measured in another', () => {
  expect(partsOfPhases([4, 9], [3, 4, 9])).toEqual([partOfAlpha(1), partOfAlpha(2)]);
  expect(partsOfPhases([4, 9], [])).toEqual([partOfAlpha(0), partOfAlpha(1)]);
  const arms = [rateSums(3_000, 2), rateSums(3_000, 30)];
  const phases = [3, 4].map((phase) => phaseUnits([3_000, 3_000], { phase }));
  const definition = definitionOf({ primary: { ...written, relative: true }, guardrails: [], fastGuard: null });
  const pOf = (metrics: { phase: number; arms: typeof arms }[]) =>
    lookAt(definition, observationOf({ metrics: { outcome: metrics }, phases })).comparisons[0]!.primary!.pValue!;
  expect(pOf([{ phase: 4, arms }]) / pOf([{ phase: 3, arms }])).toBeCloseTo(0.8 / 0.1, 8);
});

test('bounds that contradict each other leave open what lies between', () => {
  expect(sharper({ lower: 1, upper: 2 }, { lower: -2, upper: -1 })).toEqual({ lower: -1, upper: 1 });
  expect(sharper({ lower: null, upper: 2 }, { lower: -2, upper: null })).toEqual({ lower: -2, upper: 2 });
});
