/** One figure that a gate found out. */
export interface Finding {
  readonly gate: string;
  readonly figure: string;
  readonly value: number;
  readonly unit: 'share' | 'units' | 'requests' | 'seconds' | 'times';
  /** What it must not exceed, or must reach; null: told, not judged. */
  readonly atMost: number | null;
  readonly atLeast: number | null;
}

export interface GateOptions {
  readonly runs: number;
  readonly looks: number;
  readonly seed: string;
}

/** A property of the decisions, checked by simulation. */
export interface Gate {
  readonly name: string;
  readonly about: string;
  run(options: GateOptions): Finding[];
}

/** Whether a finding is as it must be. What is not a number (a median of nothing) passes no bound. */
export function passes({ value, atMost, atLeast }: Finding): boolean {
  return (atMost === null || value <= atMost) && (atLeast === null || value >= atLeast);
}

type Bound = { readonly atMost?: number; readonly atLeast?: number };

/** Collects a gate's findings. */
export function findingsOf(gate: string) {
  const findings: Finding[] = [];
  return {
    findings,
    add(figure: string, unit: Finding['unit'], value: number, { atMost, atLeast }: Bound = {}) {
      findings.push({ gate, figure, value, unit, atMost: atMost ?? null, atLeast: atLeast ?? null });
    },
  };
}

/** The q-quantile of values; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** Middle of the values; those that never came about (of `all`) count as infinite, so that a median can be Infinity. */
export function medianOf(values: readonly number[], all: number): number {
  return quantile([...values, ...Array<number>(all - values.length).fill(Number.POSITIVE_INFINITY)], 0.5);
}
