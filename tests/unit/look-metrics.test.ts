import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { guardrailSchema } from '#core/experiments/definition.ts';
import { judgeGuardrail } from '#core/experiments/guardrails.ts';
import type { MetricResult, PhaseSums } from '#core/experiments/look.ts';
import { type MeasureOptions, measure } from '#core/experiments/metric-result.ts';
import { type MetricSpec, specOf } from '#core/experiments/metric-spec.ts';
import { halfWidth, rhoFor } from '#core/statistics/confidence-sequence.ts';
import { meanSums, onePhase, rateSums, sumsOf } from '#tests/support/looks.ts';

const OPTIONS: MeasureOptions = { arm: 1, alpha: 0.05, plannedUnits: 5_000, minUnits: 100 };
const absolute: MetricSpec = { metric: 'score', kind: 'mean', unit: null, direction: 'increase', relative: false };
const relative: MetricSpec = { ...absolute, relative: true };
const rate: MetricSpec = {
  ...{ metric: 'error_rate', kind: 'rate', unit: 'share' },
  ...{ direction: 'decrease', relative: false },
};

describe('means', () => {
  test('absolute effects are those of the confidence sequence', () => {
    const result = measure(absolute, onePhase(meanSums(3_000, 10, 2), meanSums(3_461, 11, 2)), OPTIONS);
    const standardError = Math.sqrt(4 / 2_999 + 4 / 3_460);
    expect(result.effect).toBeCloseTo(1, 12);
    expect(result.standardError).toBeCloseTo(standardError, 12);
    // Half-width in standard errors at N = 6 461 and N* = 5 000.
    expect((result.upper! - 1) / standardError).toBeCloseTo(3.038517, 6);
    expect(result).toMatchObject({ method: 'confidence_sequence', why: null, varianceReduction: null });
  });

  test('relative effects: the reference values, with bounds that Fieller’s agree to', () => {
    const champion = {
      units: 3_000,
      n: 3_000,
      nSquares: 3_000,
      sum: 1_396.87,
      sumSquares: 52_377.9767,
      products: 1_396.87,
    };
    const challenger = {
      units: 3_461,
      n: 3_461,
      nSquares: 3_461,
      sum: 2_422.7,
      sumSquares: 134_698.29,
      products: 2_422.7,
    };
    const result = measure(relative, onePhase(champion, challenger), { ...OPTIONS, plannedUnits: 1_000 });
    expect(result.effect).toBeCloseTo(0.50336, 5);
    expect(result.standardError).toBeCloseTo(0.33341, 5);
    expect(result.lower).toBeCloseTo(-0.55844, 5);
    expect(result.upper).toBeGreaterThan(1.56516);
    expect(result.pValue).toBe(1);
  });

  test('no relative effect is excluded while the champion’s mean may be 0', () => {
    const result = measure(relative, onePhase(meanSums(200, 0.1, 2), meanSums(200, 30, 2)), OPTIONS);
    expect(result).toMatchObject({ method: 'confidence_sequence', lower: null, upper: null, pValue: 1 });
  });

  test('a bound of a relative effect is where the contrast of that effect is c standard errors from 0, or beyond', () => {
    const mean = fc.double({ min: 0.5, max: 20, noNaN: true });
    fc.assert(
      fc.property(
        mean,
        mean,
        fc.double({ min: 0.1, max: 5, noNaN: true }),
        fc.integer({ min: 100, max: 4_000 }),
        (a, b, spread, units) => {
          const { lower, upper } = measure(
            relative,
            onePhase(meanSums(units, a, spread), meanSums(units, b, spread)),
            OPTIONS,
          );
          if (lower === null || upper === null) return;
          const n = 2 * units;
          const c = halfWidth({ standardError: 1, n, alpha: 0.05, rho: rhoFor(0.05, 5_000) });
          const z = (delta: number) =>
            (b - (1 + delta) * a) / Math.sqrt(((1 + (1 + delta) ** 2) * spread * spread) / (units - 1));
          expect(z(lower)).toBeGreaterThanOrEqual(c - 1e-6);
          expect(z(upper)).toBeLessThanOrEqual(-c + 1e-6);
        },
      ),
    );
  });

  test('effects are stratified: a ramp in a bad hour is no effect (Simpson)', () => {
    // Slow hour with 9 : 1, fast hour with 1 : 9; in neither do the arms differ.
    const phases: PhaseSums[] = [
      { phase: 1, arms: [meanSums(9_000, 20, 2), meanSums(1_000, 20, 2)] },
      { phase: 2, arms: [meanSums(1_000, 10, 2), meanSums(9_000, 10, 2)] },
    ];
    const result = measure(absolute, phases, OPTIONS);
    expect(result.effect).toBe(0);
    expect(result.challenger.mean! - result.champion.mean!).toBeCloseTo(-8, 10);
  });

  test('a first phase in which nothing of the champion’s failed leaves a relative effect its value', () => {
    const large = [rateSums(20_000, 400), rateSums(20_000, 400)];
    const result = measure(
      { ...rate, relative: true },
      [
        { phase: 1, arms: [rateSums(200, 0), rateSums(200, 4)] },
        { phase: 2, arms: large },
      ],
      OPTIONS,
    );
    // The ratio of two stratified means: 0.02 · 40 000/40 400, and as much with 0.02 · 400/40 400 more.
    const champion = (0.02 * 40_000) / 40_400;
    expect(result).toMatchObject({ method: 'confidence_sequence', why: null });
    expect(result.effect).toBeCloseTo((0.02 * 400) / 40_400 / champion, 12);
    expect(result.upper).toBeLessThan(0.5);
    expect(result.lower).toBeGreaterThan(-0.5);
  });

  test('relative effects over phases: two phases of equal ratios have that ratio, whatever their means', () => {
    const phases: PhaseSums[] = [
      { phase: 1, arms: [meanSums(300, 10, 2), meanSums(300, 12, 2)] },
      { phase: 2, arms: [meanSums(2_000, 100, 20), meanSums(2_000, 120, 20)] },
    ];
    expect(measure(relative, phases, OPTIONS).effect).toBeCloseTo(0.2, 12);
  });

  test('phases of the same units add no certainty: a phase seen twice has the standard error of one', () => {
    const arms = [meanSums(3_000, 10, 2), meanSums(3_000, 11, 2)];
    const twice = [1, 2].map((phase) => ({ phase, arms }));
    for (const spec of [absolute, relative]) {
      const [one, both] = [measure(spec, onePhase(...arms), OPTIONS), measure(spec, twice, OPTIONS)];
      expect(both.standardError).toBeCloseTo(one.standardError!, 12);
      expect(both.effect).toBeCloseTo(one.effect!, 12);
    }
  });

  test('CUPED takes its means and variances, and says how much it took away', () => {
    const arms = [meanSums(3_000, 10, 2), meanSums(3_000, 10.1, 2)];
    const varianceOfMean = 4 / 2_999 / 4;
    const adjusted = [
      { mean: 10, varianceOfMean },
      { mean: 10.2, varianceOfMean },
    ];
    const result = measure(absolute, [{ phase: 1, arms, adjusted }], OPTIONS);
    expect(result.effect).toBeCloseTo(0.2, 12);
    expect(result.standardError).toBeCloseTo(Math.sqrt(2 * varianceOfMean), 12);
    expect(result.varianceReduction).toBeCloseTo(0.75, 10);
    const foretold = adjusted.map((arm) => ({ ...arm, varianceOfMean: 0 }));
    expect(measure(absolute, [{ phase: 1, arms, adjusted: foretold }], OPTIONS)).toMatchObject({
      ...{ method: 'none', why: expect.stringContaining("the units' history foretells all their values") },
    });
    const broken = [{ mean: Number.NaN, varianceOfMean }, adjusted[1]!];
    expect(measure(absolute, [{ phase: 1, arms, adjusted: broken }], OPTIONS)).toMatchObject({ method: 'none' });
  });

  test('a unit of the smaller arm varies no less than one of an arm that is half as large again', () => {
    const of = (champion: [units: number, deviation: number], challenger: [units: number, deviation: number]) =>
      measure(
        absolute,
        onePhase(meanSums(champion[0], 10, champion[1]), meanSums(challenger[0], 11, challenger[1])),
        OPTIONS,
      ).standardError!;
    const asLargeAs = (units: number, others: number) =>
      Math.sqrt(9 / (units - 1) + 9 / (units - 1) / (others / units));
    expect(of([3_000, 3], [2_000, 1])).toBeCloseTo(asLargeAs(3_000, 2_000), 10);
    expect(of([2_000, 1], [3_000, 3])).toBeCloseTo(asLargeAs(3_000, 2_000), 10);
    // Its own variance where that is larger, and where arms are about as large.
    expect(of([3_000, 1], [2_000, 3])).toBeCloseTo(Math.sqrt(1 / 2_999 + 9 / 1_999), 10);
    expect(of([2_999, 3], [2_000, 1])).toBeCloseTo(Math.sqrt(9 / 2_998 + 1 / 1_999), 10);
    expect(measure(absolute, onePhase(meanSums(3_000, 10, 3), meanSums(2_000, 11, 0)), OPTIONS).method).toBe('none');
  });

  test('what one arm has not measured is said', () => {
    const one = meanSums(500, 10, 2);
    const whyOf = (phases: PhaseSums[] | undefined) => measure(absolute, phases, OPTIONS).why;
    expect(whyOf(undefined)).toBe('nothing was measured');
    expect(whyOf(onePhase(one, null))).toBe("nothing was measured of the challenger's");
    expect(whyOf(onePhase(null, one))).toBe("nothing was measured of the champion's");
    expect(whyOf([...onePhase(one, null), { phase: 2, arms: [null, one] }])).toBe(
      'in no phase were both arms measured',
    );
  });
});

describe('rates', () => {
  test('go by small counts below 10 events in an arm, by the sequence from then on', () => {
    const methodOf = (events: number) =>
      measure(rate, onePhase(rateSums(3_000, 60), rateSums(3_000, events)), OPTIONS).method;
    expect([9, 10].map(methodOf)).toEqual(['small_counts', 'confidence_sequence']);
    expect([2_991, 2_990].map(methodOf)).toEqual(['small_counts', 'confidence_sequence']);
    const few = measure(rate, onePhase(rateSums(99, 40), rateSums(3_000, 900)), OPTIONS);
    expect(few.method).toBe('small_counts');
  });

  test('go by small counts as long as there are not the units that means need', () => {
    const methodOf = (minUnits: number) =>
      measure(rate, onePhase(rateSums(500, 60), rateSums(500, 60)), { ...OPTIONS, minUnits }).method;
    expect([500, 501].map(methodOf)).toEqual(['confidence_sequence', 'small_counts']);
  });

  test.each([501, -1])('a sum of %s of 500 values is that of no rate', (sum) => {
    const result = measure(rate, onePhase(rateSums(500, 60), { ...rateSums(500, 0), sum, sumSquares: 600 }), OPTIONS);
    expect(result).toMatchObject({ method: 'none', challenger: { units: 0 } });
    expect(result.why).toContain('those of a rate are from 0 to 1');
  });

  test('count the failures of one user as one event', () => {
    const arm = (failing: number, times: number) =>
      sumsOf(Array.from({ length: 300 }, (_, at) => Array<number>(times).fill(at < failing ? 1 : 0)));
    expect(measure(rate, onePhase(arm(3, 10), arm(3, 10)), OPTIONS).method).toBe('small_counts');
    expect(measure(rate, onePhase(arm(30, 1), arm(30, 1)), OPTIONS).method).toBe('confidence_sequence');
  });

  test('the share of a label and derived metrics are rates, other reports are means', () => {
    const kindOf = (metric: string) =>
      specOf(guardrailSchema.parse({ metric, margin: 0.1, direction: 'increase' })).kind;
    expect(['answer=good', 'schema_validity', 'score'].map(kindOf)).toEqual(['rate', 'rate', 'mean']);
  });

  test('the unit of means is named', () => {
    const unitOf = (metric: string, kind?: 'mean' | 'rate') =>
      specOf(guardrailSchema.parse({ metric, margin: 0.1, direction: 'increase', ...(kind && { kind }) })).unit;
    expect(
      ['latency', 'cost', 'output_tokens', 'error_rate', 'answer=good', 'score'].map((each) => unitOf(each)),
    ).toEqual(['us', 'microUsd', 'tokens', 'share', 'share', null]);
    expect(unitOf('thumbs_up', 'rate')).toBe('share');
    expect(measure({ ...absolute, unit: 'us' }, undefined, OPTIONS).unit).toBe('us');
  });

  test('built-in metrics know their kind and direction, unless the definition says otherwise', () => {
    const guardrail = guardrailSchema.parse({ metric: 'error_rate', margin: 0.01 });
    expect(specOf(guardrail)).toEqual(rate);
    expect(specOf({ ...guardrail, kind: 'mean', direction: 'increase' })).toMatchObject({
      kind: 'mean',
      direction: 'increase',
    });
  });
});

describe('guardrails', () => {
  const result = (direction: 'increase' | 'decrease', lower: number | null, upper: number | null): MetricResult => ({
    ...measure({ ...absolute, direction }, onePhase(meanSums(500, 10, 2), meanSums(500, 10, 2)), OPTIONS),
    lower,
    upper,
  });
  const guardrail = guardrailSchema.parse({ metric: 'score', margin: 0.5 });
  const stateOf = (of: MetricResult) => judgeGuardrail(of, guardrail).state;

  test.each([
    ['decrease', -1, 0.5, 'passed'],
    ['decrease', -1, 0.51, 'open'],
    ['decrease', 0.5, 2, 'open'],
    ['decrease', 0.51, 2, 'violated'],
    ['decrease', -1, null, 'open'],
    ['decrease', 0.51, null, 'violated'],
    ['increase', -0.5, 1, 'passed'],
    ['increase', -0.51, 1, 'open'],
    ['increase', -2, -0.5, 'open'],
    ['increase', -2, -0.51, 'violated'],
    ['increase', null, 1, 'open'],
  ] as const)('of a metric to %s, %s to %s: %s', (direction, lower, upper, state) => {
    expect(stateOf(result(direction, lower, upper))).toBe(state);
  });

  test('measured but not to be concluded from is open; not measured is missing', () => {
    const few = measure(absolute, onePhase(meanSums(50, 10, 2), meanSums(50, 10, 2)), OPTIONS);
    expect(stateOf(few)).toBe('open');
    expect(stateOf(measure(absolute, [], OPTIONS))).toBe('missing');
  });
});

test('a rate has no bound beyond what rates can differ by', () => {
  const arm = (events: number) => sumsOf(Array.from({ length: 120 }, (_, unit) => [Number(unit < events), 0]));
  const few = measure({ ...rate, relative: true }, onePhase(arm(30), arm(25)), OPTIONS);
  expect(few).toMatchObject({ method: 'confidence_sequence', lower: -1 });
  expect(few.upper).toBeGreaterThan(1);
});
