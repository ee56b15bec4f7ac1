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

export function createTally(capacity: number): Tally {
  const unitSums = new Float64Array(capacity);
  const unitCounts = new Float64Array(capacity);
  let units = 0;
  let eventUnits = 0;
  let n = 0;
  let nSquares = 0;
  let sum = 0;
  let sumSquares = 0;
  let products = 0;
  let valueSquares = 0;
  return {
    add(unit, value) {
      const before = unitSums[unit]!;
      const count = unitCounts[unit]!;
      if (count === 0) units++;
      if (value > 0 && before === 0) eventUnits++;
      unitSums[unit] = before + value;
      unitCounts[unit] = count + 1;
      n++;
      nSquares += 2 * count + 1;
      sum += value;
      sumSquares += value * (2 * before + value);
      products += before + value * (count + 1);
      valueSquares += value * value;
    },
    sums: () => ({ units, n, nSquares, sum, sumSquares, products }),
    sumsByRequest: () => ({ units: n, n, nSquares: n, sum, sumSquares: valueSquares, products: sum }),
    eventUnits: () => eventUnits,
    clear() {
      unitSums.fill(0);
      unitCounts.fill(0);
      units = eventUnits = n = nSquares = sum = sumSquares = products = valueSquares = 0;
    },
  };
}
