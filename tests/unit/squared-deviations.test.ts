import fc from 'fast-check';
import { expect, test } from 'vitest';
import { measure } from '#core/experiments/metric-result.ts';
import { armSums, type FlatSums } from '#store/experiment-sums.ts';
import { squaredDeviations } from '#store/squared-deviations.ts';
import { deviationsOf, onePhase } from '#tests/support/looks.ts';

interface Unit {
  readonly s: bigint;
  readonly n: bigint;
}

function flatSums(units: readonly Unit[]): FlatSums {
  const text = (of: (unit: Unit) => bigint) => String(units.reduce((sum, unit) => sum + of(unit), 0n));
  return {
    ...{ units: String(units.length), count: text(({ n }) => n), countSquares: text(({ n }) => n * n) },
    ...{ sum: text(({ s }) => s), sumSquares: text(({ s }) => s * s), products: text(({ s, n }) => s * n) },
  };
}

test('what units deviate, from their sums, is what it is from themselves', () => {
  const unit = fc.record({ s: fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), n: fc.bigInt({ min: 1n, max: 9n }) });
  fc.assert(
    fc.property(fc.array(unit, { minLength: 1, maxLength: 20 }), (units) => {
      const exact = deviationsOf(units);
      expect(Math.abs(squaredDeviations(flatSums(units)) - exact)).toBeLessThanOrEqual(4e-16 * exact);
    }),
  );
});

test('sums with decimals', () => {
  // 7.25 of two values, −0.5 of one: 2.25 on average.
  const sums = { units: '2', count: '3', countSquares: '5', sum: '6.75', sumSquares: '52.8125', products: '14.00' };
  expect(squaredDeviations(sums)).toBe(15.125);
  expect(squaredDeviations({ ...sums, sum: '-6.75', products: '-14.0' })).toBe(15.125);
  expect(
    squaredDeviations({
      ...sums,
      units: '1',
      count: '2',
      countSquares: '4',
      sum: '0.5',
      sumSquares: '0.25',
      products: '1.0',
    }),
  ).toBe(0);
});

test('values that differ by a billionth of their mean are compared', () => {
  const spec = { metric: 'score', kind: 'mean', unit: null, direction: 'increase', relative: true } as const;
  const arm = (base: bigint) =>
    armSums(flatSums(Array.from({ length: 400 }, (_, at) => ({ s: base + BigInt(at % 2), n: 1n }))));
  const found = measure(spec, onePhase(arm(10n ** 9n), arm(10n ** 9n + 1n)), {
    ...{ arm: 1, alpha: 0.05, plannedUnits: 800, minUnits: 100 },
  });
  expect(found).toMatchObject({ method: 'confidence_sequence', why: null });
  expect(found.effect).toBeCloseTo(1e-9, 14);
  expect(found.standardError! / (1e-9 * Math.sqrt((2 * 0.25) / 399))).toBeCloseTo(1, 6);
  expect(found.lower).toBeGreaterThan(0);
  expect(armSums({ ...flatSums([{ s: 1n, n: 1n }]), sum: 'NaN' })).toBeNull();
});
