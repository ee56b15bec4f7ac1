import type { ArmSums } from '#core/experiments/look.ts';
import type { CovariateSums } from '#core/statistics/cuped.ts';
import type { Unit } from './independent.ts';
import type { SeededRandom } from './random.ts';

/**
 * Units with values of any scale, of which some have several values and some none, and a history that tells something of
 * them.
 */
export function drawUnits(random: SeededRandom, count: number, manyValues: boolean): Unit[] {
  const scale = random.magnitude(1e-3, 1e6);
  const [mean, slope] = [random.between(0.5, 5), random.between(0, 1)];
  return Array.from({ length: count }, () => {
    const x = random.normal();
    const n = manyValues ? random.pick([0, 1, 1, 2, 3, 8, 40]) : 1;
    return { s: n * scale * (mean + slope * x + random.normal()), n, x: scale * x };
  });
}

/** The sums that the code under test gets. */
export function sumsOf(all: readonly Unit[]): CovariateSums {
  const sums = { n: 0, nSquares: 0, sum: 0, sumSquares: 0, products: 0, x: 0, xSquares: 0, sumX: 0, nX: 0 };
  for (const { s, n, x } of all) {
    sums.n += n;
    sums.nSquares += n * n;
    sums.sum += s;
    sums.sumSquares += s * s;
    sums.products += s * n;
    sums.x += x;
    sums.xSquares += x * x;
    sums.sumX += s * x;
    sums.nX += n * x;
  }
  return { units: all.length, ...sums };
}

/** Sums of two disjoint sets of units together. */
export function addSums(a: ArmSums, b: ArmSums): ArmSums {
  return {
    units: a.units + b.units,
    n: a.n + b.n,
    nSquares: a.nSquares + b.nSquares,
    sum: a.sum + b.sum,
    sumSquares: a.sumSquares + b.sumSquares,
    products: a.products + b.products,
  };
}
