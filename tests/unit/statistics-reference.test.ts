import { describe, expect, test } from 'vitest';
import { rateDifference } from '#core/experiments/rate-difference.ts';
import { halfWidth, rhoFor } from '#core/statistics/confidence-sequence.ts';
import { newcombe, orderStatisticRanks, wilson } from '#core/statistics/intervals.ts';
import { meanDifference } from '#core/statistics/mean-difference.ts';
import { msprt } from '#core/statistics/msprt.ts';
import { oneArmRateE } from '#core/statistics/rate.ts';
import { ratioVarianceOfMoments, sumsOfValues } from '#core/statistics/ratio.ts';
import { chiSquareSplit, srmSequential } from '#core/statistics/split-ratio.ts';

/** The reference values of the design, to the digits shown there: `digits` decimals, rounded. */
const shown = (value: number | undefined, digits: number) => value?.toFixed(digits);

describe('reference values', () => {
  test('difference of means, relative', () => {
    const result = meanDifference({
      champion: sumsOfValues({ n: 3000, sum: 1396.87, sumSquares: 52377.9767 }),
      challenger: sumsOfValues({ n: 3461, sum: 2422.7, sumSquares: 134698.29 }),
      ...{ alpha: 0.05, plannedN: 1000, relative: true },
    });
    if (result.kind !== 'estimate') throw new Error(JSON.stringify(result));
    expect(shown(result.effect, 5)).toBe('0.50336');
    expect(shown(result.standardError, 5)).toBe('0.33341');
    expect(shown(result.lower, 5)).toBe('-0.55844');
    expect(shown(result.upper, 5)).toBe('1.56516');
    expect(result.pValue).toBe(1);
  });

  test('difference of proportions, relative', () => {
    const result = rateDifference({
      champion: { n: 3000, events: 1396 },
      challenger: { n: 3461, events: 2422 },
      ...{ alpha: 0.05, plannedN: 5000, relative: true },
    });
    if (result.kind !== 'estimate') throw new Error(JSON.stringify(result));
    expect(shown(result.effect, 5)).toBe('0.50386');
    expect(shown(result.standardError, 5)).toBe('0.03386');
    expect(shown(result.lower, 5)).toBe('0.40098');
    expect(shown(result.upper, 5)).toBe('0.60675');
  });

  test.each([
    [1000, '3.184651'],
    [5000, '3.038517'],
  ])('half-width per standard error at N* = %d', (plannedN, expected) => {
    const h = halfWidth({ standardError: 1, n: 6461, rho: rhoFor(0.05, plannedN), alpha: 0.05 });
    expect(shown(h, 6)).toBe(expected);
  });

  test('two-sided e-values against one half', () => {
    const eValue = (events: number) => {
      const result = oneArmRateE({ events, n: 100, p0: 0.5, side: 'two' });
      return result.kind === 'evidence' ? result.eValue : undefined;
    };
    expect(shown(eValue(65), 5)).toBe('11.46139');
    expect(shown(eValue(60), 6)).toBe('0.913050');
  });

  test('no errors of 1000 against 1 %: evidence two-sided, none for "worse"', () => {
    const eValue = (side: 'two' | 'greater') => {
      const result = oneArmRateE({ events: 0, n: 1000, p0: 0.01, side });
      return result.kind === 'evidence' ? result.eValue : Number.NaN;
    };
    expect(shown(eValue('two'), 0)).toBe('23');
    expect(eValue('greater')).toBeLessThan(0.01);
  });

  test('mSPRT', () => {
    const result = msprt({ n: 1000, difference: 0.1, variance: 1, mixtureVariance: 0.01 });
    if (result.kind !== 'evidence') throw new Error(JSON.stringify(result));
    expect(shown(result.likelihoodRatio, 7)).toBe('3.2787216');
    expect(shown(result.pValue, 7)).toBe('0.3049969');
  });

  test('χ² of a split', () => {
    const small = chiSquareSplit([500, 600], [1, 1]);
    const large = chiSquareSplit([821588, 815482], [1, 1]);
    if (small.kind !== 'chi_square' || large.kind !== 'chi_square') throw new Error('refused');
    expect(shown(small.statistic, 6)).toBe('9.090909');
    expect(shown(small.pValue, 7)).toBe('0.0025688');
    expect(shown(large.statistic, 5)).toBe('22.77437');
    expect(large.pValue.toExponential(4)).toBe('1.8218e-6');
  });

  test.each([
    { looks: [[500, 600]] },
    {
      looks: [
        [250, 300],
        [250, 300],
      ],
    },
  ])('sequential split of $looks', ({ looks }) => {
    const result = srmSequential(looks, [5000, 5000]);
    if (result.kind !== 'evidence') throw new Error(JSON.stringify(result));
    expect(shown(1 / result.eValue, 7)).toBe('0.6714507');
    expect(shown(result.pValue, 7)).toBe('0.6714507');
  });

  test('ratio by the delta method', () => {
    const variance = ratioVarianceOfMoments({ meanS: 5, varianceS: 4, meanN: 2, varianceN: 1, covariance: 0.8 });
    expect(variance).toBeCloseTo(1.5625, 12);
  });

  test('Wilson, Newcombe, order statistics', () => {
    const interval = wilson({ n: 1000, events: 1 });
    if (interval.kind !== 'interval') throw new Error('refused');
    expect(shown(interval.lower, 6)).toBe('0.000177');
    expect(shown(interval.upper, 6)).toBe('0.005643');
    expect(orderStatisticRanks(1000, 0.95)).toEqual({ kind: 'interval', lower: 936, upper: 964 });
    // Newcombe 1998, table II, case (a), method 10: 56/70 against 48/80.
    const difference = newcombe({ n: 80, events: 48 }, { n: 70, events: 56 });
    if (difference.kind !== 'interval') throw new Error('refused');
    expect(shown(difference.lower, 4)).toBe('0.0524');
    expect(shown(difference.upper, 4)).toBe('0.3339');
  });
});
