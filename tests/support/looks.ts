import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import type { ArmSums, Observation, PhaseSums, PhaseUnits } from '#core/experiments/look.ts';

/** Definitions as users write them: through the schema, with its defaults. */
export const definitionOf = experimentDefinitionSchema.parse;

/** Exact sums of units, each given by its values. */
export function sumsOf(units: readonly (readonly number[])[]): ArmSums {
  const sums = units.map((values) => ({ n: values.length, s: values.reduce((total, value) => total + value, 0) }));
  const total = (of: (unit: { n: number; s: number }) => number) => sums.reduce((all, unit) => all + of(unit), 0);
  return {
    units: units.length,
    n: total(({ n }) => n),
    nSquares: total(({ n }) => n * n),
    sum: total(({ s }) => s),
    sumSquares: total(({ s }) => s * s),
    products: total(({ n, s }) => n * s),
  };
}

/** Σ(S − Rn)² over units with whole sums, from the units themselves. */
export function deviationsOf(units: readonly { readonly s: bigint; readonly n: bigint }[]): number {
  const [s, n] = [units.reduce((sum, unit) => sum + unit.s, 0n), units.reduce((sum, unit) => sum + unit.n, 0n)];
  const squares = units.reduce((sum, unit) => sum + (unit.s * n - s * unit.n) ** 2n, 0n);
  return Number((squares << 200n) / (n * n)) / 2 ** 200;
}

/** `units` units with one value each, of which `events` are 1 and the others 0. */
export function rateSums(units: number, events: number): ArmSums {
  return { units, n: units, nSquares: units, sum: events, sumSquares: events, products: events };
}

/** `units` units with one value each, half of them `mean − spread`, half `mean + spread`. */
export function meanSums(units: number, mean: number, spread: number): ArmSums {
  const sum = units * mean;
  return { units, n: units, nSquares: units, sum, sumSquares: units * (mean * mean + spread * spread), products: sum };
}

export function phaseUnits(units: readonly number[], rest: Partial<PhaseUnits> = {}): PhaseUnits {
  const none = units.map(() => 0);
  return {
    phase: 1,
    weightsBp: units.map(() => 1),
    units,
    failingUnits: none,
    requests: units,
    failures: none,
    ...rest,
  };
}

export function observationOf(rest: Partial<Observation> & { readonly metrics: Observation['metrics'] }): Observation {
  return {
    atMs: 1_000,
    arms: ['old', 'new'],
    phase: 1,
    phases: [phaseUnits([1_000, 1_000])],
    evidence: { lost: 0, underWay: 0, lastAtMs: 900, broken: [] },
    minSrmP: 1,
    ...rest,
  };
}

/** A metric's sums in one phase. */
export function onePhase(...arms: (ArmSums | null)[]): PhaseSums[] {
  return [{ phase: 1, arms }];
}
