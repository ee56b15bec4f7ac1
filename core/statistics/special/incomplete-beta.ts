import { logBinomialTerm } from './log-gamma.ts';

/** Far above what counts of 1e7 take (some thousands): a fraction that has not settled by then is a defect. */
const MAX_STEPS = 1_000_000;
/** Stands for a zero in Lentz's algorithm. */
const TINY = 1e-300;

/**
 * ln I_x(a, b), the regularised incomplete beta function: exact in the far tails, where I_x itself is 0 in a double.
 * @param x 0 ≤ x ≤ 1
 * @param y 1 − x, given apart so that neither is lost near 0
 */
export function logIncompleteBeta(x: number, y: number, a: number, b: number): number {
  if (x <= 0) return Number.NEGATIVE_INFINITY;
  if (y <= 0) return 0;
  if (isLowerTail(x, a, b)) return logLowerTail(x, y, a, b);
  return Math.log1p(-Math.exp(logLowerTail(y, x, b, a)));
}

/** I_x(a, b), the regularised incomplete beta function: the probability that a Beta(a, b) variable is at most x. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (isLowerTail(x, a, b)) return Math.exp(logLowerTail(x, 1 - x, a, b));
  return -Math.expm1(logLowerTail(1 - x, x, b, a));
}

/** Where the fraction converges quickly; elsewhere I_x(a, b) = 1 − I_{1−x}(b, a) (DLMF 8.17.4). */
function isLowerTail(x: number, a: number, b: number): boolean {
  return x < (a + 1) / (a + b + 2);
}

/**
 * xᵃyᵇ/B(a, b) divided by the continued fraction β₀ + α₁/(β₁ + α₂/(β₂ + …)) (A. DiDonato, A. Morris: "Significant digit
 * computation of the incomplete beta function ratios", ACM TOMS 18, 1992, expression 9), by Lentz's algorithm (DLMF
 * 3.10(iii)). It takes y = 1 − x as it is, and so keeps its digits where x is next to 1; the fraction of DLMF 8.17.22 loses
 * them there.
 */
function logLowerTail(x: number, y: number, a: number, b: number): number {
  // Γ(a+b)/(Γ(a)Γ(b)) is ab/(a+b) times what is in the term.
  const logFront = logBinomialTerm(a, b, x, y) + Math.log(a) + Math.log(b / (a + b));
  let fraction = notZero((a * (a * y - b * x + 1)) / (a + 1));
  let c = fraction;
  let d = 0;
  for (let m = 1; m < MAX_STEPS; m++) {
    const low = a + 2 * m - 1;
    const alpha = ((m * (a + m - 1)) / low) * ((a + b + m - 1) / low) * (b - m) * x * x;
    const beta = m + (m * (b - m) * x) / low + ((a + m) * (a * y - b * x + 1 + m * (1 + y))) / (low + 2);
    d = 1 / notZero(beta + alpha * d);
    c = notZero(beta + alpha / c);
    const factor = c * d;
    fraction *= factor;
    if (Math.abs(factor - 1) < 2e-16) return Math.min(0, logFront - Math.log(fraction));
  }
  throw new RangeError(`incomplete beta of ${x}, ${a}, ${b} does not converge`);
}

function notZero(value: number): number {
  return Math.abs(value) < TINY ? TINY : value;
}
