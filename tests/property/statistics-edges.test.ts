import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { analyze } from '#cli/experiment/analyze.ts';
import { UsageError } from '#cli/usage-error.ts';
import type { ArmSums, MetricResult } from '#core/experiments/look.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import { cupedArms } from '#core/statistics/cuped.ts';
import { meanDifference, pairedDifference } from '#core/statistics/mean-difference.ts';
import { definitionOf, observationOf, phaseUnits, sumsOf } from '#tests/support/looks.ts';

/** Sizes of values that arithmetic in doubles loses its footing at. */
const SCALES = [0, 5e-324, 1e-300, 1e-170, 1e-12, 1, 1e6, 1e12, 1e100, 1e152, 1e154, -1, -1e12];

interface Arm {
  readonly units: number;
  readonly scale: number;
  readonly shift: number;
  readonly spread: readonly number[];
}

/** An arm whose units take turns with a few values, far from each other or hardly. */
const arm: fc.Arbitrary<Arm> = fc.record({
  units: fc.constantFrom(1, 99, 100, 101, 9_900),
  scale: fc.oneof(fc.constant(1), fc.constantFrom(...SCALES)),
  shift: fc.oneof(fc.constant(0), fc.constantFrom(1, -1, 1e6, 1e12)),
  spread: fc.constantFrom([0], [1], [1, -1], [0, 1], [-1, 0, 1], [1, 1 + 1e-9]),
});

function meanSumsOf({ units, scale, shift, spread }: Arm): ArmSums {
  return sumsOfTurns(
    units,
    spread.map((value) => [scale * (shift + value)]),
  );
}

type SumName = Exclude<keyof ArmSums, 'deviations'>;

/** Sums of units that take turns with the values of these. */
function sumsOfTurns(units: number, turns: readonly (readonly number[])[]): ArmSums {
  const sums: Record<SumName, number> = { ...sumsOf([]) };
  for (const [at, values] of turns.entries()) {
    const times = Math.floor((units + turns.length - 1 - at) / turns.length);
    for (const [key, one] of Object.entries(sumsOf([values]))) sums[key as SumName] += times * one;
  }
  return sums;
}

/** Of a rate: none, all, or so many of the units have events, one or several each. */
const rateArm = fc
  .record({
    units: fc.constantFrom(1, 2, 100, 9_900),
    events: fc.constantFrom(0, 1, 9, 10, 1e9),
    values: fc.constantFrom(1, 3),
  })
  .map(({ units, events, values }) => {
    const failing = Math.min(units, events);
    const [with1, without] = [1, 0].map((value) => Array<number>(values).fill(value));
    const parts = [sumsOfTurns(failing, [with1!]), sumsOfTurns(units - failing, [without!])] as const;
    const keys = Object.keys(parts[0]) as SumName[];
    return Object.fromEntries(keys.map((key) => [key, parts[0][key] + parts[1][key]])) as unknown as ArmSums;
  });

const relative = fc.boolean();

/** Nothing is NaN or infinite, which JSON would turn into null; and what is null has a reason. */
function expectClear(result: MetricResult): void {
  expectFinite(result);
  const { effect, lower, upper, pValue, method, why } = result;
  if (method === 'none') expect([effect, lower, upper, pValue]).toEqual([null, null, null, null]);
  else expect(pValue).not.toBeNull();
  if ([effect, lower, upper].includes(null)) expect(why ?? '', JSON.stringify(result)).toMatch(/^[a-z]/);
  if (lower !== null && upper !== null) expect(lower).toBeLessThanOrEqual(upper);
}

function lookOf(kind: 'mean' | 'rate', isRelative: boolean, phases: readonly (readonly [ArmSums, ArmSums])[]) {
  const spec = { metric: 'outcome', kind, direction: 'increase' as const, relative: isRelative };
  const definition = definitionOf({ primary: spec, guardrails: [{ ...spec, margin: 0.1 }], fastGuard: null });
  return lookAt(
    definition,
    observationOf({
      metrics: { outcome: phases.map((arms, at) => ({ phase: at + 1, arms })) },
      phases: phases.map((arms, at) =>
        phaseUnits(
          arms.map(({ units }) => units),
          { phase: at + 1, weightsBp: arms.map(({ units }) => units) },
        ),
      ),
    }),
  );
}

describe('at the edges a look says something clear', () => {
  const looks = <Sums>(arms: fc.Arbitrary<Sums>) => fc.array(fc.tuple(arms, arms), { minLength: 1, maxLength: 2 });
  test('of means', () => {
    fc.assert(
      fc.property(looks(arm.map(meanSumsOf)), relative, (phases, isRelative) => {
        const [comparison] = lookOf('mean', isRelative, phases).comparisons;
        expectClear(comparison!.primary!);
        expectClear(comparison!.guardrails[0]!);
        expect(comparison!.reasons.join()).not.toMatch(/NaN|Infinity|∞/);
      }),
      { numRuns: 1_000 },
    );
  });

  test('of rates', () => {
    fc.assert(
      fc.property(looks(rateArm), relative, (phases, isRelative) => {
        const [comparison] = lookOf('rate', isRelative, phases).comparisons;
        expectClear(comparison!.primary!);
        expect(comparison!.primary!.method).not.toBe('none');
        expect(comparison!.reasons.join()).not.toMatch(/NaN|Infinity|∞/);
      }),
      { numRuns: 300 },
    );
  });

  test('equal arms are no difference', () => {
    fc.assert(
      fc.property(fc.oneof(arm.map(meanSumsOf)), relative, (sums, isRelative) => {
        const { verdict } = lookOf('mean', isRelative, [[sums, sums]]).comparisons[0]!;
        expect(['insufficient_data', 'running', 'equivalent', 'invalid']).toContain(verdict);
      }),
    );
  });
});

test('pure functions answer with finite numbers, or say why not', () => {
  fc.assert(
    fc.property(arm, arm, relative, (a, b, isRelative) => {
      const [champion, challenger] = [meanSumsOf(a), meanSumsOf(b)];
      const options = { alpha: 0.05, plannedN: 5000 };
      expectFinite(meanDifference({ ...options, champion, challenger, relative: isRelative }));
      expectFinite(pairedDifference({ ...options, differences: challenger }));
    }),
    { numRuns: 1_000 },
  );
});

test('the command prints finite numbers and nulls, or names what is wrong', async () => {
  const number = fc.oneof(
    fc.constantFrom(...SCALES, 1, 100, 1_000),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  );
  const any = fc.record({
    ...{ units: fc.constantFrom(0, 1, 2, 100, 9_900), n: number, nSquares: number },
    ...{ sum: number, sumSquares: number, products: number },
  });
  const sums = fc.oneof(any, arm.map(meanSumsOf));
  await fc.assert(
    fc.asyncProperty(sums, sums, relative, async (champion, challenger, isRelative) => {
      const json = JSON.stringify({ kind: 'ratio', champion, challenger, relative: isRelative });
      const printed = await analyze(['--json', json]).catch((error: unknown) => error);
      if (printed instanceof UsageError) return;
      const { look, ...own } = printed as { look: object };
      expectFinite(own);
      expectFinite(look);
    }),
    { numRuns: 500 },
  );
});

test('the command says why a number is null, of rates too', async () => {
  const json = JSON.stringify({
    ...{ kind: 'rate', relative: true },
    ...{ champion: { n: 500, events: 0 }, challenger: { n: 500, events: 3 } },
  });
  const why = "the champion's mean may be 0, and an effect relative to that has no bound";
  const found = { method: 'small_counts', effect: null, upper: null, why };
  expect(await analyze(['--json', json])).toMatchObject({ ...found, look: found });
});

function expectFinite(result: object): void {
  const numbers = Object.values(result).filter((value) => typeof value === 'number');
  expect(numbers.every(Number.isFinite), JSON.stringify(result)).toBe(true);
}

describe('CUPED', () => {
  const of = (units: readonly { readonly y: number; readonly x: number }[]) => ({
    ...sumsOf(units.map(({ y }) => [y])),
    x: units.reduce((sum, { x }) => sum + x, 0),
    xSquares: units.reduce((sum, { x }) => sum + x * x, 0),
    sumX: units.reduce((sum, { x, y }) => sum + x * y, 0),
    nX: units.reduce((sum, { x }) => sum + x, 0),
  });

  test('history that explains everything leaves no variance, not the rest of rounding', () => {
    const arms = [0, 1].map((arm) =>
      of(Array.from({ length: 300 }, (_, at) => ({ x: (at * 7) % 11, y: 0.1 * ((at * 7) % 11) + 0.3 + arm }))),
    );
    const adjusted = cupedArms(arms);
    if (adjusted.kind === 'refused') throw new Error(adjusted.reason);
    expect(adjusted.arms.map(({ varianceOfMean }) => varianceOfMean)).toEqual([0, 0]);
  });

  test('history of hardly any unit changes hardly anything', () => {
    const arms = [0, 1].map((arm) =>
      of(Array.from({ length: 300 }, (_, at) => ({ x: at === 0 ? 1 : 0, y: Math.sin(at) + arm }))),
    );
    const adjusted = cupedArms(arms);
    if (adjusted.kind === 'refused') throw new Error(adjusted.reason);
    expect(adjusted.arms.every(({ mean, varianceOfMean }) => Number.isFinite(mean) && varianceOfMean > 0)).toBe(true);
    expect(adjusted.reductions.every((share) => share < 0.05)).toBe(true);
  });
});
