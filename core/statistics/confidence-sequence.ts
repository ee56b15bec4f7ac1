import type { Estimate } from './result.ts';

/**
 * Asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas: "Time-uniform central limit theory and
 * asymptotic confidence sequences", arXiv 2103.06476): intervals that hold at every look at once, so that one may stop at any
 * of them.
 *
 *     T = Nρ² + 1      h = SE·√N·√( 2T·ln(√T/α) / (Nρ)² )      p = min(1, √T·exp(−ρ²Z²N/(2T)))
 *
 * One-sided, √T/α becomes 1 + √T/(2α), and ρ is built with 2α. ρ is where the sequence is tightest; it is fixed beforehand.
 */
export type Sided = 'two' | 'one';

/**
 * ρ for which the sequence is about tightest at `plannedN` units.
 * @param alpha below 1, one-sided below ½
 */
export function rhoFor(alpha: number, plannedN: number, sided: Sided = 'two'): number {
  const logAlpha = Math.log(sided === 'two' ? alpha : 2 * alpha);
  return Math.sqrt((-2 * logAlpha + Math.log1p(-2 * logAlpha)) / plannedN);
}

/** Half-width of the interval, or how far a one-sided bound is from the effect. */
export function halfWidth(at: {
  readonly standardError: number;
  /** Units of both arms. */
  readonly n: number;
  readonly rho: number;
  readonly alpha: number;
  readonly sided?: Sided;
}): number {
  const { standardError, n, rho, alpha, sided = 'two' } = at;
  const t = n * rho * rho + 1;
  const log = sided === 'two' ? Math.log(t) / 2 - Math.log(alpha) : Math.log1p(Math.sqrt(t) / (2 * alpha));
  return (standardError * Math.sqrt((2 * t * log) / n)) / rho;
}

/**
 * The smallest α at which an interval of this ρ excludes 0: two-sided from both sides; one-sided from above, for the
 * hypothesis that the effect is not positive (for the other one, negate the effect).
 */
export function pValueOf(at: {
  readonly effect: number;
  readonly standardError: number;
  readonly n: number;
  readonly rho: number;
  readonly sided?: Sided;
}): number {
  const { effect, standardError, n, rho, sided = 'two' } = at;
  const z = effect / standardError;
  const t = n * rho * rho + 1;
  const exponent = (rho * rho * z * z * n) / (2 * t);
  if (sided === 'two') return Math.min(1, Math.exp(Math.log(t) / 2 - exponent));
  return z > 0 ? Math.min(1, Math.sqrt(t) / (2 * Math.expm1(exponent))) : 1;
}

/** An effect with its interval and p-value. @param of `standardError` above 0, `n` of both arms */
export function sequentialEstimate(of: {
  readonly effect: number;
  readonly standardError: number;
  readonly n: number;
  readonly alpha: number;
  readonly plannedN: number;
  readonly sided?: Sided;
}): Estimate {
  const { effect, standardError, n, alpha, plannedN, sided = 'two' } = of;
  const rho = rhoFor(alpha, plannedN, sided);
  const h = halfWidth({ standardError, n, rho, alpha, sided });
  const pValue = pValueOf({ effect, standardError, n, rho, sided });
  return { kind: 'estimate', effect, standardError, lower: effect - h, upper: effect + h, pValue, alpha, n };
}
