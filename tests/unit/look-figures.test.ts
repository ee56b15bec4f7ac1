import { describe, expect, test } from 'vitest';
import { effectFigure, effectSentence, figure, probability } from '#core/experiments/figures.ts';
import { measure } from '#core/experiments/metric-result.ts';
import { meanSums, onePhase } from '#tests/support/looks.ts';

describe('figures in sentences', () => {
  test.each([
    [0, '0'],
    [1.2345, '1.23'],
    [-0.000123456, '−0.000123'],
    [1_234_567.8, '1 234 568'],
    [-12_345, '−12 345'],
    [Number.POSITIVE_INFINITY, '∞'],
  ])('%s is written %s', (value, text) => expect(figure(value)).toBe(text));

  test.each([
    ['us', false, 12_500, '12.5 ms'],
    ['share', false, 0.0125, '1.25 points'],
    ['microUsd', false, 2_500, '0.0025 USD'],
    ['tokens', false, 40, '40 tokens'],
    [null, false, 0.25, '0.25'],
    ['us', true, -0.031, '−3.1 %'],
  ] as const)('an effect in %s (relative: %s) of %s is %s', (unit, relative, value, text) =>
    expect(effectFigure({ unit, relative }, value)).toBe(text));

  test('small probabilities are powers of ten', () => {
    expect([0.04, 0.00001234, 0].map(probability)).toEqual(['0.04', '1.2e-5', '0']);
  });

  test('a sentence says what is not bounded', () => {
    const spec = { metric: 'score', kind: 'mean', unit: null, direction: 'increase', relative: true } as const;
    const options = { arm: 1, alpha: 0.05, plannedUnits: 5_000, minUnits: 100 };
    const unknown = measure(spec, onePhase(meanSums(200, 0.1, 2), meanSums(200, 0.2, 2)), options);
    expect(effectSentence(unknown)).toBe(
      "score: +100 % against the champion (no lower bound to no upper bound; the champion's mean may be 0, and an effect relative to that has no bound)",
    );
  });
});
