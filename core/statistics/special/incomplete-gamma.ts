import { logPoissonTerm } from './log-gamma.ts';

const MAX_STEPS = 1_000_000;
const TINY = 1e-300;

/**
 * Q(a, x) = Γ(a, x)/Γ(a), the upper regularised incomplete gamma function, a > 0 and x ≥ 0. Small values keep all their
 * digits.
 */
export function upperIncompleteGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  if (x === Number.POSITIVE_INFINITY) return 0;
  return x < a + 1 ? 1 - lowerSeries(a, x) : upperFraction(a, x);
}

/** P(a, x) = 1 − Q(a, x). Small values keep all their digits. */
export function lowerIncompleteGamma(a: number, x: number): number {
  if (x <= 0) return 0;
  if (x === Number.POSITIVE_INFINITY) return 1;
  return x < a + 1 ? lowerSeries(a, x) : 1 - upperFraction(a, x);
}

/** xᵃe⁻ˣ/Γ(a+1) · Σ xᵏ/((a+1)…(a+k)) (DLMF 8.7.1). */
function lowerSeries(a: number, x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; k < MAX_STEPS; k++) {
    term *= x / (a + k);
    sum += term;
    if (term < sum * 1e-17) return Math.min(1, sum * Math.exp(logPoissonTerm(a, x)));
  }
  throw new RangeError(`incomplete gamma of ${a}, ${x} does not converge`);
}

/** xᵃe⁻ˣ/Γ(a) · 1/(x+1−a− 1·(1−a)/(x+3−a− 2·(2−a)/(x+5−a− …))) (DLMF 8.9.2, contracted), by Lentz's algorithm. */
function upperFraction(a: number, x: number): number {
  let denominator = x + 1 - a;
  let c = 1 / TINY;
  let d = 1 / notZero(denominator);
  let fraction = d;
  for (let k = 1; k < MAX_STEPS; k++) {
    const numerator = -k * (k - a);
    denominator += 2;
    d = 1 / notZero(numerator * d + denominator);
    c = notZero(denominator + numerator / c);
    const factor = d * c;
    fraction *= factor;
    if (Math.abs(factor - 1) < 2e-16) return Math.min(1, a * fraction * Math.exp(logPoissonTerm(a, x)));
  }
  throw new RangeError(`incomplete gamma of ${a}, ${x} does not converge`);
}

function notZero(value: number): number {
  return Math.abs(value) < TINY ? TINY : value;
}
