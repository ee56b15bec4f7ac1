import type { ArmSums } from '../experiments/look.ts';

/** Numbers that nothing can be computed from. A mistake of whoever sent them, never a finding. */
export interface Refusal {
  readonly kind: 'refused';
  /** Where the number stands: `champion.sumSquares`, `alpha`. */
  readonly field: string;
  /** What is wrong with it and what it should be. */
  readonly reason: string;
}

/** Why sound numbers lead to no conclusion (yet). */
export type InsufficientReason =
  | 'nothing_measured'
  | 'too_few_units'
  | 'no_variance'
  | 'champion_mean_zero'
  | 'out_of_range';

/** Sound numbers that no conclusion may be drawn from. Never a decision: below 100 units an interval from them is not valid. */
export interface Insufficient {
  readonly kind: 'insufficient';
  readonly why: InsufficientReason;
  /** The same as a sentence. */
  readonly detail: string;
  /** Units of both arms. */
  readonly n: number;
}

/** Effect of the challenger against the champion, valid at every look where it is made by a confidence sequence. */
export interface Estimate {
  readonly kind: 'estimate';
  readonly effect: number;
  readonly standardError: number;
  /** `sided: 'two'`: both hold at once. `'one'`: each holds alone. */
  readonly lower: number;
  readonly upper: number;
  /** `sided: 'two'`: of "no difference". `'one'`: of "the challenger's mean is not greater". */
  readonly pValue: number;
  readonly alpha: number;
  /** Units of both arms. */
  readonly n: number;
}

export function refuse(field: string, reason: string): Refusal {
  return { kind: 'refused', field, reason };
}

/** Sums that are numbers, but lead to means or variances that are none: beyond what a double can hold. */
export function outOfRange(n: number): Insufficient {
  return insufficient('out_of_range', 'values are too large or too small to compute with', n);
}

export function insufficient(why: InsufficientReason, detail: string, n: number): Insufficient {
  return { kind: 'insufficient', why, detail, n };
}

/** Rounding of exact sums, as a share of the largest term: what differs by less is taken for equal. */
const ROUNDING = 1e-9;

/** `field` is a finite number, at least `least`. */
export function checkNumber(field: string, value: number, least = Number.NEGATIVE_INFINITY): Refusal | null {
  if (typeof value !== 'number' || !Number.isFinite(value)) return refuse(field, 'is not a finite number');
  return value < least ? refuse(field, `is ${value}; it is at least ${least}`) : null;
}

/** `field` is a whole number, at least 0. */
export function checkCount(field: string, value: number): Refusal | null {
  return checkNumber(field, value, 0) ?? (Number.isSafeInteger(value) ? null : refuse(field, 'is not a whole number'));
}

/** `field` is above `from` and below `to`. */
export function checkBetween(field: string, value: number, from: number, to: number): Refusal | null {
  return (
    checkNumber(field, value) ??
    (value > from && value < to ? null : refuse(field, `is ${value}; it is above ${from} and below ${to}`))
  );
}

/** α of a test: two-sided below 1; one-sided below ½, since its ρ is built with 2α. */
export function checkAlpha(alpha: number, sided: 'two' | 'one' = 'two'): Refusal | null {
  return checkBetween('alpha', alpha, 0, sided === 'two' ? 1 : 0.5);
}

/** Whether there can be values with these sums (Cauchy–Schwarz), within rounding. */
export function checkSums(field: string, sums: ArmSums): Refusal | null {
  const { units, n, nSquares, sum, sumSquares, products, deviations } = sums;
  const least = (name: string, value: number, bound: number, why: string) =>
    value >= bound - ROUNDING * Math.abs(bound) ? null : refuse(`${field}.${name}`, `is ${value}, too small: ${why}`);
  return (
    checkCount(`${field}.units`, units) ??
    checkNumber(`${field}.n`, n, 0) ??
    checkNumber(`${field}.nSquares`, nSquares, 0) ??
    checkNumber(`${field}.sum`, sum) ??
    checkNumber(`${field}.sumSquares`, sumSquares, 0) ??
    checkNumber(`${field}.products`, products) ??
    (deviations === undefined ? null : checkNumber(`${field}.deviations`, deviations, 0)) ??
    checkEmpty(field, sums) ??
    (units === 0 ? null : least('nSquares', nSquares, (n * n) / units, 'Σn² is at least (Σn)²/units')) ??
    (units === 0 ? null : least('sumSquares', sumSquares, (sum * sum) / units, 'ΣS² is at least (ΣS)²/units')) ??
    (nSquares === 0
      ? null
      : least('sumSquares', sumSquares, (products * products) / nSquares, 'ΣS² is at least (ΣSn)²/Σn²'))
  );
}

/** Without units, or without values, nothing can have been summed. */
function checkEmpty(field: string, { units, n, nSquares, sum, sumSquares, products }: ArmSums): Refusal | null {
  const rest =
    units === 0 ? { n, nSquares, sum, sumSquares, products } : n === 0 ? { nSquares, sum, sumSquares, products } : {};
  const [first] = Object.entries(rest).filter(([, value]) => value !== 0);
  const without = units === 0 ? 'units' : 'values';
  return first === undefined ? null : refuse(`${field}.${first[0]}`, `is ${first[1]} although there are no ${without}`);
}
