import { describe, expect, test } from 'vitest';
import { fastGuard } from '#core/experiments/fast-guard.ts';
import type { PhaseUnits } from '#core/experiments/look.ts';
import { phaseUnits } from '#tests/support/looks.ts';

const GUARD = { alpha: 0.01, challengers: 1 };

function phase(units: readonly number[], failingUnits: readonly number[], weightsBp = units.map(() => 1)): PhaseUnits {
  return phaseUnits(units, { failingUnits, weightsBp });
}

function eValueOf(...phases: PhaseUnits[]): number {
  return fastGuard(phases, 1, GUARD).eValue;
}

describe('fast guard', () => {
  test('nine failing units of the challenger and none of the champion’s', () => {
    // e = 2·∫ from ½ to 1 of π⁹ dπ / ½⁹ = 2·(1 − 2⁻¹⁰)/10 · 2⁹
    expect(eValueOf(phase([100, 100], [0, 9]))).toBeCloseTo(102.3, 8);
    expect(fastGuard([phase([100, 100], [0, 9])], 1, GUARD)).toMatchObject({ threshold: 100, fired: true });
    expect(fastGuard([phase([100, 100], [0, 8])], 1, GUARD).fired).toBe(false);
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

  test('phases multiply', () => {
    const [first, second] = [phase([100, 100], [1, 5]), phase([300, 100], [2, 4])];
    expect(eValueOf(first, second)).toBeCloseTo(eValueOf(first) * eValueOf(second), 8);
  });

  test('without units in an arm there is no evidence', () => {
    expect(eValueOf(phase([100, 0], [5, 0]))).toBe(1);
    expect(eValueOf(phase([0, 100], [0, 50]))).toBe(1);
    expect(eValueOf()).toBe(1);
  });

  test('each challenger is compared with the champion, at its part of α', () => {
    const three = [phaseUnits([100, 100, 100], { failingUnits: [0, 0, 9] })];
    const guard = { alpha: 0.01, challengers: 2 };
    expect(fastGuard(three, 1, guard)).toMatchObject({ threshold: 200, fired: false });
    expect(fastGuard(three, 2, guard)).toMatchObject({ threshold: 200, fired: false });
    expect(fastGuard(three, 2, guard).eValue).toBeCloseTo(102.3, 8);
  });
});
