import { describe, expect, test } from 'vitest';
import type { PhaseUnits } from '#core/experiments/look.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import { splitOf } from '#core/experiments/split-check.ts';
import { definitionOf, observationOf, phaseUnits } from '#tests/support/looks.ts';

const ALPHA = 0.001;

function split(phases: PhaseUnits[], minSrmP = 1) {
  return splitOf(observationOf({ metrics: {}, phases, minSrmP }), ALPHA);
}

describe('split', () => {
  test('500 and 600 at equal weights: the reference values', () => {
    const { srm, defects } = split([phaseUnits([500, 600])]);
    // The first phase has 4/5 of α.
    expect(srm.pValue * 0.8).toBeCloseTo(0.6714507, 7);
    expect(srm.chiSquare!.statistic).toBeCloseTo(9.090909, 6);
    expect(srm.chiSquare!.pValue).toBeCloseTo(0.0025688, 7);
    expect(srm).toMatchObject({ expected: [550, 550], observed: [500, 600], fired: false, alpha: ALPHA });
    expect(defects).toEqual([]);
  });

  test('the strongest phase speaks, with its part of α, and what is expected adds up', () => {
    const first = phaseUnits([4_600, 5_400]);
    const second = phaseUnits([8_700, 1_300], { phase: 2, weightsBp: [9_000, 1_000] });
    const [ofFirst, ofSecond] = [first, second].map((phase) => split([phase]).srm.pValue * 0.8) as [number, number];
    const { srm } = split([first, second]);
    expect(srm.pValue).toBeCloseTo(Math.min(ofFirst / 0.8, ofSecond / 0.1), 12);
    expect(srm.expected).toEqual([14_000, 6_000]);
    expect(srm.chiSquare!.degreesOfFreedom).toBe(2);
  });

  test('the same units in phase after phase are no stronger evidence than once', () => {
    const once = phaseUnits([4_800, 5_200]);
    const again = [1, 2, 3, 4, 5, 6, 7, 8].map((phase) => ({ ...once, phase }));
    expect(split(again).srm.pValue).toBe(split([once]).srm.pValue);
  });

  test('keeps the smallest p-value of all looks', () => {
    expect(split([phaseUnits([500, 500])], 0.0004).srm).toMatchObject({ pValue: 1, minPValue: 0.0004, fired: true });
    expect(split([phaseUnits([500, 500])], 0.4).srm).toMatchObject({ minPValue: 0.4, fired: false });
  });

  test('a smallest p-value that is no number holds', () => {
    const { srm } = split([phaseUnits([500, 500])], Number.NaN);
    expect(srm).toMatchObject({ pValue: 1, minPValue: 0, fired: true });
  });

  test('only ratios of the weights matter', () => {
    const [small, large] = [
      [500, 500],
      [5_000, 5_000],
    ].map((weightsBp) => phaseUnits([800, 900], { weightsBp }));
    expect(split([small!]).srm).toEqual(split([large!]).srm);
  });

  test('a phase in which one arm has all buckets can’t be split wrongly', () => {
    const { srm, defects } = split([phaseUnits([900, 0], { weightsBp: [10_000, 0] })]);
    expect(srm).toMatchObject({ pValue: 1, fired: false, chiSquare: null });
    expect(defects).toEqual([]);
  });

  test('units in an arm without buckets, and counts that are none, are defects', () => {
    const astray = split([phaseUnits([900, 5], { weightsBp: [10_000, 0] })]);
    expect(astray.defects).toEqual(['phase 1: 5 units in arm 1, which had no buckets.']);
    const broken = [phaseUnits([900, Number.NaN])];
    expect(split(broken).defects[0]).toBe('phase 1: units of arm 1 is not a finite number.');
    const { comparisons } = lookAt(definitionOf({}), observationOf({ metrics: {}, phases: broken }));
    expect(comparisons[0]).toMatchObject({ verdict: 'invalid', fastGuard: null });
  });
});
