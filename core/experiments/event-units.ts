import type { ArmSums } from './look.ts';

/** An arm's rate by units. */
export interface EventArm {
  readonly units: number;
  /** Values to a unit, at least 1. */
  readonly perUnit: number;
  /** Share of the values that are events. */
  readonly rate: number;
  /** Units with events, as far as sums tell: 0 to `units`, not necessarily whole. */
  readonly eventUnits: number;
  /** How many times `rate` is the share of units with events, or more. */
  readonly spread: number;
}

export interface EventPhase {
  readonly champion: EventArm;
  readonly challenger: EventArm;
}

export interface ArmPair {
  readonly champion: ArmSums;
  readonly challenger: ArmSums;
}

/** The same of what is no event: it deviates as much, to the other side. */
export function complementOf({ units, n, nSquares, sum, sumSquares, products, ...exact }: ArmSums): ArmSums {
  return {
    ...exact,
    units,
    n,
    nSquares,
    sum: n - sum,
    sumSquares: nSquares - 2 * products + sumSquares,
    products: nSquares - products,
  };
}

/**
 * Events by unit of assignment. A unit that fails has often failed more than once, and its events are one piece of evidence, not
 * many. From the sums, a unit with events has ΣS²/ΣS of them (each weighted by its events), so that ΣS of them stem from about
 * (ΣS)²/ΣS² units. That number is taken from both arms together: of each arm alone, the smaller one would look as if its events
 * came from more units, since the rare heavy unit is more often missing in it. Where each unit has one value it is exactly 1.
 */
export function eventPhases(phases: readonly ArmPair[]): EventPhase[] {
  const arms = phases.flatMap(({ champion, challenger }) => [champion, challenger]);
  const events = arms.reduce((total, { sum }) => total + sum, 0);
  const squares = arms.reduce((total, { sumSquares }) => total + sumSquares, 0);
  const perEventUnit = events > 0 ? Math.max(1, squares / events) : 1;
  const armOf = ({ units, n, sum }: ArmSums): EventArm => ({
    units,
    perUnit: Math.max(1, n / units),
    rate: sum / n,
    eventUnits: Math.min(units, sum / perEventUnit),
    spread: Math.max(1, (perEventUnit * units) / n),
  });
  return phases.map(({ champion, challenger }) => ({ champion: armOf(champion), challenger: armOf(challenger) }));
}
