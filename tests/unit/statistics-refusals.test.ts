import { describe, expect, test } from 'vitest';
import type { ArmSums } from '#core/experiments/look.ts';
import { rateDifference } from '#core/experiments/rate-difference.ts';
import { type CovariateSums, cuped, cupedArms } from '#core/statistics/cuped.ts';
import { newcombe, orderStatisticRanks, wilson } from '#core/statistics/intervals.ts';
import { differenceOfMeans, meanDifference, pairedDifference } from '#core/statistics/mean-difference.ts';
import { msprt } from '#core/statistics/msprt.ts';
import { differenceOfMeansByPhase, meanDifferenceByPhase } from '#core/statistics/phases.ts';
import { minimumDetectableEffect, requiredDuration, requiredUnits, requiredWeight } from '#core/statistics/planner.ts';
import { oneArmRateE, twoArmRate } from '#core/statistics/rate.ts';
import { sumsOfValues } from '#core/statistics/ratio.ts';
import { chiSquareSplit, srmSequential } from '#core/statistics/split-ratio.ts';
import { capOfHistory } from '#core/statistics/winsorize.ts';

/** 200 units with one value each, of mean 0.5 and variance 0.25. */
const sums = sumsOfValues({ n: 200, sum: 100, sumSquares: 100 });
const input = { champion: sums, challenger: sums, alpha: 0.05, plannedN: 1000, relative: false };
const withChampion = (change: Partial<ArmSums>) => meanDifference({ ...input, champion: { ...sums, ...change } });

describe('refusals name the field', () => {
  test.each<[string, Partial<ArmSums>]>([
    ['champion.units', { units: Number.NaN }],
    ['champion.units', { units: -1 }],
    ['champion.units', { units: 10.5 }],
    ['champion.n', { n: -1 }],
    ['champion.n', { n: Number.POSITIVE_INFINITY }],
    ['champion.nSquares', { nSquares: 199 }],
    ['champion.sum', { sum: Number.NaN }],
    ['champion.sum', { sum: 1, n: 0, nSquares: 0, sumSquares: 0, products: 0 }],
    ['champion.sumSquares', { sumSquares: Number.NEGATIVE_INFINITY }],
    ['champion.sumSquares', { sumSquares: 49 }],
    ['champion.products', { products: Number.NaN }],
    ['champion.sumSquares', { products: 1000 }],
    ['champion.n', { units: 0 }],
  ])('%s of %o', (field, change) => {
    expect(withChampion(change)).toMatchObject({ kind: 'refused', field, reason: expect.stringMatching(/^[a-z]/) });
  });

  test.each<[string, Partial<typeof input> & { sided?: 'one' | 'two'; minUnits?: number }]>([
    ['alpha', { alpha: 0 }],
    ['alpha', { alpha: 1 }],
    ['alpha', { alpha: 0.5, sided: 'one' }],
    ['plannedN', { plannedN: 0 }],
    ['plannedN', { plannedN: Number.NaN }],
    ['minUnits', { minUnits: 99 }],
  ])('%s of %o', (field, change) => {
    expect(meanDifference({ ...input, ...change })).toMatchObject({ kind: 'refused', field });
    const mean = { mean: 1, varianceOfMean: 1, units: 200 };
    expect(differenceOfMeans({ ...input, champion: mean, challenger: mean, ...(change as object) })).toMatchObject({
      field,
    });
    expect(meanDifferenceByPhase({ ...input, phases: [input], ...change })).toMatchObject({ kind: 'refused', field });
    expect(pairedDifference({ ...input, differences: sums, ...change })).toMatchObject({ kind: 'refused', field });
  });

  const bad = Number.NaN;
  const arm: CovariateSums = { ...sums, x: 0, xSquares: 200, sumX: 10, nX: 0 };
  const plan = { variance: 1, alpha: 0.05, champion: 'rest' as const, challengerShare: 0.5, effect: 0.1, units: 1000 };
  const days = { ...plan, unitsPerDay: 100, days: 7 };
  const rates = { ...input, champion: { n: 9, events: 1 }, challenger: { n: 9, events: 1 } };
  const twoArms = { championEvents: 1, challengerEvents: 1, challengerShare: 0.5, side: 'two' as const };
  const ratio = { n: 10, difference: 1, variance: 1, mixtureVariance: 1 };

  test.each<[field: string, result: { readonly kind: string }]>([
    ['challenger.sum', meanDifference({ ...input, challenger: { ...sums, sum: bad } })],
    [
      'champion.mean',
      differenceOfMeans({
        ...input,
        champion: { mean: bad, varianceOfMean: 1, units: 1 },
        challenger: { mean: 1, varianceOfMean: 1, units: 1 },
      }),
    ],
    [
      'phases[0].challenger.sum',
      meanDifferenceByPhase({ ...input, phases: [{ champion: sums, challenger: { ...sums, sum: bad } }] }),
    ],
    [
      'phases[0].champion.varianceOfMean',
      differenceOfMeansByPhase({
        ...input,
        phases: [
          {
            champion: { mean: 1, varianceOfMean: -1, units: 200 },
            challenger: { mean: 1, varianceOfMean: 1, units: 200 },
          },
        ],
      }),
    ],
    ['differences.sumSquares', pairedDifference({ ...input, differences: { ...sums, sumSquares: -1 } })],
    ['championEvents', twoArmRate({ ...twoArms, championEvents: -1 })],
    ['challengerEvents', twoArmRate({ ...twoArms, challengerEvents: 0.5 })],
    ['challengerShare', twoArmRate({ ...twoArms, challengerShare: 1 })],
    ['events', oneArmRateE({ events: 11, n: 10, p0: 0.5, side: 'two' })],
    ['p0', oneArmRateE({ events: 1, n: 10, p0: 0, side: 'two' })],
    ['champion.events', rateDifference({ ...rates, champion: { n: 9, events: 10 } })],
    ['plannedN', rateDifference({ ...rates, plannedN: -1 })],
    ['challenger.n', rateDifference({ ...rates, challenger: { n: bad, events: 0 } })],
    ['counts[1]', srmSequential([1, bad], [1, 1])],
    [
      'counts[1][0]',
      srmSequential(
        [
          [1, 1],
          [-1, 1],
        ],
        [1, 1],
      ),
    ],
    ['counts', srmSequential([1, 1, 1], [1, 1])],
    ['weights', chiSquareSplit([1, 1], [1, 0])],
    ['weights[1]', chiSquareSplit([1, 1], [1, -1])],
    ['weights', srmSequential([500, 600], [1e308, 1e308])],
    ['weights', chiSquareSplit([500, 600], [1e308, 1e308])],
    ['weights[0]', srmSequential([500, 600], [1e-320, 1])],
    ['weights[0]', chiSquareSplit([500, 600], [1e-320, 1])],
    ['variance', msprt({ ...ratio, variance: 0 })],
    ['mixtureVariance', msprt({ ...ratio, mixtureVariance: bad })],
    ['previousPValue', msprt({ ...ratio, previousPValue: 2 })],
    ['covariance', cuped({ varianceY: 1, varianceX: 1, covariance: 2 })],
    ['arms[0].units', cupedArms([{ ...arm, units: 1, nSquares: 40_000, sumSquares: 10_000, products: 20_000 }])],
    ['arms[1].xSquares', cupedArms([arm, { ...arm, x: 300 }])],
    ['arms[0].sumX', cupedArms([{ ...arm, sumX: 1000 }])],
    ['arms[0].nX', cupedArms([{ ...arm, nX: bad }])],
    ['events', wilson({ n: 1, events: 2 })],
    ['n', wilson({ n: 0, events: 0 })],
    ['challenger.n', newcombe({ n: 1, events: 0 }, { n: 0, events: 0 })],
    ['quantile', orderStatisticRanks(10, 1)],
    ['n', orderStatisticRanks(0, 0.5)],
    ['history', capOfHistory([], 0.99)],
    ['history[1]', capOfHistory([1, bad], 0.99)],
    ['variance', minimumDetectableEffect({ ...plan, variance: 0 })],
    ['power', minimumDetectableEffect({ ...plan, power: 0.3 })],
    ['challengerShare', requiredUnits({ ...plan, champion: 'equal', challengerShare: 0.6 })],
    ['challengerShare', requiredUnits({ ...plan, champion: 'equal', challengers: 3, challengerShare: 0.3 })],
    ['challengerShare', requiredUnits({ ...plan, champion: 'rest', challengers: 3, challengerShare: 1 / 3 })],
    ['challengers', requiredWeight({ ...days, challengers: 0 })],
    ['effect', requiredUnits({ ...plan, effect: -1 })],
    ['unitsPerDay', requiredDuration({ ...days, unitsPerDay: 0 })],
    ['days', requiredWeight({ ...days, days: 0 })],
  ])('%s', (field, result) => {
    expect(result).toMatchObject({ kind: 'refused', field, reason: expect.stringMatching(/^[a-z]/) });
  });
});

describe('sound numbers that no conclusion may be drawn from', () => {
  const few = sumsOfValues({ n: 99, sum: 50, sumSquares: 50 });
  const same = sumsOfValues({ n: 200, sum: 20, sumSquares: 2 });
  const none = sumsOfValues({ n: 0, sum: 0, sumSquares: 0 });
  const centred = sumsOfValues({ n: 200, sum: 0, sumSquares: 10 });

  test.each([
    ['too_few_units', { challenger: few }],
    ['too_few_units', { champion: few }],
    ['no_variance', { challenger: same }],
    ['no_variance', { champion: same }],
    ['nothing_measured', { challenger: none }],
    ['champion_mean_zero', { champion: centred, relative: true }],
  ])('%s of %o', (why, change) => {
    expect(meanDifference({ ...input, ...change })).toMatchObject({ kind: 'insufficient', why });
    const phases = [{ ...input, ...change }];
    expect(meanDifferenceByPhase({ ...input, ...change, phases })).toMatchObject({ kind: 'insufficient', why });
  });

  test('a share of values that are all 0.1 has no variance, whatever rounding leaves', () => {
    const sum = Array.from({ length: 1000 }, () => 0.1).reduce((so, value) => so + value, 0);
    const sumSquares = Array.from({ length: 1000 }, () => 0.1 * 0.1).reduce((so, value) => so + value, 0);
    const challenger = sumsOfValues({ n: 1000, sum, sumSquares });
    expect(meanDifference({ ...input, challenger })).toMatchObject({ kind: 'insufficient', why: 'no_variance' });
  });

  test('more units than the least may be asked for', () => {
    expect(meanDifference({ ...input, minUnits: 201 })).toMatchObject({ kind: 'insufficient', why: 'too_few_units' });
    expect(meanDifference({ ...input, minUnits: 200 }).kind).toBe('estimate');
  });

  test('small phases wait; a phase without variance counts beside one that has it', () => {
    const small = { champion: few, challenger: few };
    const flat = { champion: same, challenger: same };
    const whole = { champion: sums, challenger: sums };
    const of = (phases: readonly (typeof whole)[]) => meanDifferenceByPhase({ ...input, phases });
    expect(of([small, whole])).toMatchObject({ kind: 'estimate', phasesUsed: [1], n: 400 });
    expect(of([flat, whole])).toMatchObject({ kind: 'estimate', phasesUsed: [0, 1], n: 800 });
    expect(of([flat])).toMatchObject({ kind: 'insufficient', why: 'no_variance' });
    expect(of([])).toMatchObject({ kind: 'insufficient', why: 'nothing_measured' });
  });

  test('a paired difference has one arm', () => {
    const of = (differences: ArmSums) => pairedDifference({ alpha: 0.05, plannedN: 1000, differences });
    expect(of(sums)).toMatchObject({ kind: 'estimate', effect: 0.5, n: 200 });
    expect(of(few)).toMatchObject({ kind: 'insufficient', why: 'too_few_units' });
    expect(of(same)).toMatchObject({ kind: 'insufficient', why: 'no_variance' });
    expect(of(none)).toMatchObject({ kind: 'insufficient', why: 'nothing_measured' });
  });

  test('no units: no evidence against a split', () => {
    expect(srmSequential([0, 0], [1, 1])).toMatchObject({ eValue: 1, pValue: 1, minPValue: 1, n: 0 });
    expect(srmSequential([], [1, 1])).toMatchObject({ kind: 'refused', field: 'counts' });
    expect(chiSquareSplit([0, 0], [1, 1])).toMatchObject({ statistic: 0, degreesOfFreedom: 1, pValue: 1 });
  });

  test('an arm of weight 0 is none: it must be empty', () => {
    expect(chiSquareSplit([500, 0, 600], [1, 0, 1])).toMatchObject({ degreesOfFreedom: 1 });
    expect(chiSquareSplit([500, 1, 600], [1, 0, 1])).toMatchObject({ kind: 'refused', field: 'counts[1]' });
    expect(srmSequential([500, 0, 600], [1, 0, 1])).toEqual(srmSequential([500, 600], [1, 1]));
  });

  test('evidence beyond a double is the largest double', () => {
    const result = twoArmRate({
      championEvents: 0,
      challengerEvents: 10_000_000,
      challengerShare: 1e-9,
      side: 'greater',
    });
    expect(result).toMatchObject({ eValue: Number.MAX_VALUE, pValue: 0 });
    expect((result as { logEValue: number }).logEValue).toBeCloseTo(1e7 * Math.log(1e9) - Math.log1p(1e7), 5);
  });

  test('a plan asks for 100 units an arm at least, and says where no weight is enough', () => {
    const basis = { variance: 1, alpha: 0.05, champion: 'rest' as const, effect: 1000 };
    expect(requiredUnits({ ...basis, challengerShare: 0.1 })).toMatchObject({
      fixed: { units: 1000, championUnits: 900, challengerUnits: 100 },
    });
    const busy = { ...basis, unitsPerDay: 1e6, days: 10 };
    expect(requiredWeight(busy)).toMatchObject({ fixed: 1e-5, sequence: 1e-5 });
    expect(requiredWeight({ ...busy, effect: 1e-6 })).toMatchObject({ fixed: null, sequence: null });
  });
});
