import { halfWidth, pValueOf, rhoFor } from '../statistics/confidence-sequence.ts';
import type { PhaseArms, PhasedEstimate } from '../statistics/phases.ts';
import type { ArmMean } from '../statistics/ratio.ts';

/** An interval and its p-value; null: not bounded on that side. */
export interface RelativeBounds {
  readonly lower: number | null;
  readonly upper: number | null;
  readonly pValue: number;
}

/**
 * Widens the interval of a relative effect to what the hypotheses themselves allow.
 *
 * The delta method takes the variance of B/A where the data stand, (V_B + (B/A)²V_A)/A². That is too small when the challenger's mean is
 * the smaller one: of equal arms with events of 1 in 100, it called the one with fewer events the winner in 4.7 % of runs and the one
 * with more in 0.8 %, where each may be 2.5 %. Whether the effect is δ is asked fairly with the variance that the contrast B − (1 + δ)A
 * has if it is (Fieller: "Some problems in interval estimation", 1954):
 *
 *     (effect − δ)² = c²·Σ w²(V_B + (1 ± δ)²V_A)/A²,     c the half-width in standard errors, ± the sign of A, w a phase's weight
 *
 * An effect stands only if both exclude its contrary, so the interval is the hull of the two. They differ little once the means are
 * known to a tenth. Where c standard errors of the champion's mean reach 0, no relative effect is excluded.
 * @param phases those that the estimate is made of
 */
export function relativeBounds(
  estimate: PhasedEstimate,
  phases: readonly PhaseArms<ArmMean>[],
  plannedUnits: number,
): RelativeBounds {
  const { effect, alpha, n } = estimate;
  const rho = rhoFor(alpha, plannedUnits);
  const cSquare = halfWidth({ standardError: 1, n, rho, alpha }) ** 2;
  // The variance at δ is constant + 2δ·linear + δ²·square.
  let [constant, linear, square] = [0, 0, 0];
  for (const { champion, challenger } of phases) {
    const share = (champion.units + challenger.units) / n / champion.mean;
    const ofChampion = share * share * champion.varianceOfMean;
    constant += ofChampion + share * share * challenger.varianceOfMean;
    linear += Math.sign(champion.mean) * ofChampion;
    square += ofChampion;
  }
  const atZero = pValueOf({ effect, standardError: Math.sqrt(constant), n, rho });
  const pValue = Math.max(estimate.pValue, atZero);
  const known = 1 - cSquare * square;
  if (known <= 0) return { lower: null, upper: null, pValue: 1 };
  const middle = effect + cSquare * linear;
  const reach = Math.sqrt(Math.max(0, middle * middle - known * (effect * effect - cSquare * constant)));
  return {
    lower: Math.min(estimate.lower, (middle - reach) / known),
    upper: Math.max(estimate.upper, (middle + reach) / known),
    pValue,
  };
}
