import { describe, expect, test } from 'vitest';
import { fastGuard } from '#core/experiments/fast-guard.ts';
import type { PhaseUnits } from '#core/experiments/look.ts';
import { phaseUnits } from '#tests/support/looks.ts';

const GUARD = { alpha: 0.01, challengers: 1 };

function phase(units: readonly number[], failingUnits: readonly number[], weightsBp = units.map(() => 1)): PhaseUnits {
  return phaseUnits(units, { failingUnits, weightsBp });
}

function eValueOf(...phases: PhaseUnits[]): number {
  const numbered = phases.map((of, at) => ({ ...of, phase: at + 1 }));
  return fastGuard(numbered, 1, GUARD).eValue;
}

describe('fast guard', () => {
  test('ten failing units of the challenger and none of the champion’s', () => {
    // e = 2·∫ from ½ to 1 of π¹⁰ dπ / ½¹⁰ = 2·(1 − 2⁻¹¹)/11 · 2¹⁰, of which the first phase has 4/5
    expect(eValueOf(phase([100, 100], [0, 10]))).toBeCloseTo(0.8 * 186.0909, 4);
    expect(fastGuard([phase([100, 100], [0, 10])], 1, GUARD)).toMatchObject({ threshold: 100, fired: true });
    expect(fastGuard([phase([100, 100], [0, 9])], 1, GUARD).fired).toBe(false);
  });

  test('a challenger that fails less is no evidence', () => {
    expect(eValueOf(phase([100, 100], [50, 0]))).toBeLessThan(1);
  });

  test('an outage that strikes both arms does not fire, however many fail', () => {
    expect(fastGuard([phase([50_000, 50_000], [40_000, 40_100])], 1, GUARD).fired).toBe(false);
  });

  test('the share is that of the units seen: nine times the units may fail nine times as often', () => {
    expect(eValueOf(phase([900, 100], [90, 10]))).toBeLessThan(2);
    expect(eValueOf(phase([900, 100], [60, 40]))).toBeGreaterThan(1e6);
    expect(eValueOf(phase([900, 100], [90, 10], [1, 1]))).toBe(eValueOf(phase([900, 100], [90, 10], [9, 1])));
  });

  test('the strongest phase speaks, each with its part of α', () => {
    const [quiet, loud] = [phase([100, 100], [1, 1]), phase([100, 100], [0, 12])];
    const alone = eValueOf(loud) / 0.8;
    expect(eValueOf(quiet, loud)).toBeCloseTo(alone * 0.1, 8);
    expect(eValueOf(quiet, quiet, loud)).toBeCloseTo(alone / 30, 8);
    expect(eValueOf(loud, quiet)).toBeCloseTo(alone * 0.8, 8);
  });

  test('clients that fail in every phase are no more evidence in the fourth than in the first', () => {
    const same = phase([1_000, 1_000], [0, 5]);
    expect(eValueOf(same, same, same, same)).toBe(eValueOf(same));
  });

  test('without units in an arm there is no evidence', () => {
    expect(eValueOf(phase([100, 0], [5, 0]))).toBeLessThanOrEqual(1);
    expect(eValueOf(phase([0, 100], [0, 50]))).toBeLessThanOrEqual(1);
    expect(eValueOf()).toBe(1);
  });

  test('each challenger is compared with the champion, at its part of α', () => {
    const three = [phaseUnits([100, 100, 100], { failingUnits: [0, 0, 9] })];
    const guard = { alpha: 0.01, challengers: 2 };
    expect(fastGuard(three, 1, guard)).toMatchObject({ threshold: 200, fired: false });
    expect(fastGuard(three, 2, guard)).toMatchObject({ threshold: 200, fired: false });
    expect(fastGuard(three, 2, guard).eValue).toBeCloseTo(0.8 * 102.3, 8);
  });
});
