import type { ArmSums } from '#core/experiments/look.ts';

/** The exact sums of one arm, kept up to date value by value, as the shipper keeps them. */
export interface Tally {
  /** Counts a value of a unit, 0 ≤ unit < capacity. */
  add(unit: number, value: number): void;
  sums(): ArmSums;
  /** The same with every value as a unit of its own: what a test that knows no units would see. */
  sumsByRequest(): ArmSums;
  /** Units with a value above 0: of a rate, those with at least one event. */
  eventUnits(): number;
  clear(): void;
}

/** Places of the totals. In one typed array, since numbers that a closure changes are allocated anew each time. */
const UNITS = 0;
const EVENT_UNITS = 1;
const N = 2;
const N_SQUARES = 3;
const SUM = 4;
const SUM_SQUARES = 5;
const PRODUCTS = 6;
const VALUE_SQUARES = 7;

export function createTally(capacity: number): Tally {
  const unitSums = new Float64Array(capacity);
  const unitCounts = new Float64Array(capacity);
  const totals = new Float64Array(8);
  return {
    // hot: most of the time of a simulation
    add(unit, value) {
      const before = unitSums[unit]!;
      const count = unitCounts[unit]!;
      if (count === 0) totals[UNITS]! += 1;
      if (value > 0 && before === 0) totals[EVENT_UNITS]! += 1;
      unitSums[unit] = before + value;
      unitCounts[unit] = count + 1;
      totals[N]! += 1;
      totals[N_SQUARES]! += 2 * count + 1;
      totals[SUM]! += value;
      totals[SUM_SQUARES]! += value * (2 * before + value);
      totals[PRODUCTS]! += before + value * (count + 1);
      totals[VALUE_SQUARES]! += value * value;
    },
    sums: () => ({
      units: totals[UNITS]!,
      n: totals[N]!,
      nSquares: totals[N_SQUARES]!,
      sum: totals[SUM]!,
      sumSquares: totals[SUM_SQUARES]!,
      products: totals[PRODUCTS]!,
    }),
    sumsByRequest: () => {
      const [n, sum] = [totals[N]!, totals[SUM]!];
      return { units: n, n, nSquares: n, sum, sumSquares: totals[VALUE_SQUARES]!, products: sum };
    },
    eventUnits: () => totals[EVENT_UNITS]!,
    clear() {
      unitSums.fill(0);
      unitCounts.fill(0);
      totals.fill(0);
    },
  };
}
