/**
 * Logarithm of the gamma function and the two terms that make probabilities of large counts exact.
 *
 * ln Γ(1e7) is about 1.5e8, whose last bit is 3e-8: a probability put together from such numbers is right to seven digits
 * only. So probabilities are written as deviances plus corrections, all small where the probability is not (C. Loader, "Fast
 * and accurate computation of binomial probabilities", 2000).
 */
const HALF_LOG_TWO_PI = 0.5 * Math.log(2 * Math.PI);

/** From here on the first eight terms of the series are exact to 1e-18. */
const SERIES_FROM = 15;

/** B₂ₖ / (2k(2k−1)), the coefficients of Stirling's series (DLMF 5.11.1). */
const SERIES = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400] as const;

/**
 * ln Γ(x), x > 0, to about 1e-15 of max(1, |ln Γ(x)|). Stirling's series, from below 15 by Γ(x + 1) = xΓ(x) (DLMF 5.5.1).
 */
export function logGamma(x: number): number {
  let product = 1;
  let shifted = x;
  for (; shifted < SERIES_FROM; shifted++) product *= shifted;
  return (shifted - 0.5) * Math.log(shifted) - shifted + HALF_LOG_TWO_PI + series(shifted) - Math.log(product);
}

/** δ(x) = ln Γ(x + 1) − (x + ½) ln x + x − ½ ln 2π, x > 0: what Stirling's formula leaves. */
export function stirlingError(x: number): number {
  if (x >= SERIES_FROM) return series(x);
  return logGamma(x + 1) - (x + 0.5) * Math.log(x) + x - HALF_LOG_TWO_PI;
}

function series(x: number): number {
  const inverseSquare = 1 / (x * x);
  return SERIES.reduceRight((sum, coefficient) => sum * inverseSquare + coefficient, 0) / x;
}

/**
 * D(x, m) = x ln(x/m) + m − x ≥ 0, for x ≥ 0 and m > 0: how unlikely x is where m is expected. Near x = m its terms cancel,
 * so there it is the series of ln(x/m) = 2 artanh v, v = (x − m)/(x + m).
 */
export function deviance(x: number, m: number): number {
  if (x === 0) return m;
  const v = (x - m) / (x + m);
  if (Math.abs(v) >= 0.1) return x * Math.log(x / m) + m - x;
  const vSquare = v * v;
  let sum = (x - m) * v;
  let power = 2 * x * v;
  for (let divisor = 3; ; divisor += 2) {
    power *= vSquare;
    const next = sum + power / divisor;
    if (next === sum) return sum;
    sum = next;
  }
}

/**
 * ln[ Γ(k+m+1) / (Γ(k+1)Γ(m+1)) · pᵏ qᵐ ], for k, m ≥ 0 (of whole numbers: the binomial probability of k successes and m
 * failures).
 * @param p 0 < p < 1
 * @param q 1 − p, given apart so that neither is lost near 0
 */
export function logBinomialTerm(k: number, m: number, p: number, q: number): number {
  if (k === 0) return m * logOf(q, p);
  if (m === 0) return k * logOf(p, q);
  const n = k + m;
  const corrections = stirlingError(n) - stirlingError(k) - stirlingError(m);
  return corrections - deviance(k, n * p) - deviance(m, n * q) + 0.5 * Math.log(n / (2 * Math.PI * k) / m);
}

/** ln[ mᵏ e⁻ᵐ / Γ(k+1) ], for k > 0 and m > 0 (of whole numbers: the Poisson probability of k where m is expected). */
export function logPoissonTerm(k: number, m: number): number {
  return -stirlingError(k) - deviance(k, m) - 0.5 * Math.log(2 * Math.PI * k);
}

/** ln p, where q = 1 − p is known better when p is near 1. */
export function logOf(p: number, q: number): number {
  return p > 0.5 ? Math.log1p(-q) : Math.log(p);
}
