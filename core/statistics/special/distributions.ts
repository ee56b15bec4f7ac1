import { lowerIncompleteGamma, upperIncompleteGamma } from './incomplete-gamma.ts';

/** Φ(z), the standard normal distribution; the lower tail keeps all its digits. Φ(−z) = ½ Q(½, z²/2) (DLMF 7.11.2). */
export function normalCdf(z: number): number {
  const halfSquare = (z * z) / 2;
  return z < 0 ? upperIncompleteGamma(0.5, halfSquare) / 2 : 0.5 + lowerIncompleteGamma(0.5, halfSquare) / 2;
}

/** Φ⁻¹(p), 0 < p < 1. */
export function normalQuantile(p: number): number {
  if (p === 0.5) return 0;
  return p < 0.5 ? -upperPoint(p) : upperPoint(1 - p);
}

/**
 * The z > 0 with Φ(−z) = tail: from Abramowitz & Stegun 26.2.23 (error 5e-4) by Halley's method, which triples the digits a
 * step.
 */
function upperPoint(tail: number): number {
  const t = Math.sqrt(-2 * Math.log(tail));
  let z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (let step = 0; step < 6; step++) {
    const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
    const ratio = (normalCdf(-z) - tail) / density;
    const change = ratio / (1 - (z * ratio) / 2);
    z += change;
    if (Math.abs(change) <= 1e-15 * Math.abs(z)) break;
  }
  return z;
}

/** The probability that χ² with so many degrees of freedom (≥ 1) is at least `statistic`. */
export function chiSquareTail(statistic: number, degreesOfFreedom: number): number {
  return upperIncompleteGamma(degreesOfFreedom / 2, statistic / 2);
}
