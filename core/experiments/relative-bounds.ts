import { halfWidth, pValueOf, rhoFor } from '../statistics/confidence-sequence.ts';
import { type PhaseArms, type PhasedEstimate, stratifiedMean } from '../statistics/phases.ts';
import type { ArmMean } from '../statistics/ratio.ts';
import { bisect } from './bisect.ts';

/** An interval and its p-value; null: not bounded on that side. */
export interface RelativeBounds {
  readonly lower: number | null;
  readonly upper: number | null;
  readonly pValue: number;
}

/**
 * Widens the interval of a relative effect to what the hypotheses themselves allow.
 *
 * The delta method takes the variance of B/A where the data stand, (V_B + (B/A)²V_A)/A². That is too small when the challenger's mean
 * is the smaller one: of equal arms with events of 1 in 100, it called the one with fewer events the winner in 4.7 % of runs and the one
 * with more in 0.8 %, where each may be 2.5 %. Whether the effect is δ is asked fairly with the standard error that the contrast
 * B − (1 + δ)A has if it is (Fieller: "Some problems in interval estimation", 1954):
 *
 *     |effect − δ| = c·SE(δ)      SE(δ) = Σ w·√(V_B + (1 ± δ)²V_A)/|A|
 *
 * c is the half-width in standard errors, A the champion's mean over all phases, ± its sign, w a phase's share of the units; errors of phases add up as they do in the
 * estimate, since units come back. An effect stands only if both exclude its contrary, so the interval is the hull of the two. They
 * differ little once the means are known to a tenth. Where c standard errors of the champion's mean reach 0, no relative effect is excluded.
 * @param phases those that the estimate is made of
 */
export function relativeBounds(
  estimate: PhasedEstimate,
  phases: readonly PhaseArms<ArmMean>[],
  plannedUnits: number,
): RelativeBounds {
  const { effect, alpha, n } = estimate;
  const rho = rhoFor(alpha, plannedUnits);
  const c = halfWidth({ standardError: 1, n, rho, alpha });
  const mean = stratifiedMean(phases, 'champion');
  const shares = phases.map(({ champion, challenger }) => (champion.units + challenger.units) / n / Math.abs(mean));
  const standardErrorAt = (delta: number) =>
    phases.reduce((sum, { champion, challenger }, at) => {
      const factor = 1 + Math.sign(mean) * delta;
      const variance = challenger.varianceOfMean + factor * factor * champion.varianceOfMean;
      return sum + shares[at]! * Math.sqrt(variance);
    }, 0);
  const pValue = Math.max(estimate.pValue, pValueOf({ effect, standardError: standardErrorAt(0), n, rho }));
  // SE(δ) grows by no more than this for each 1 that δ is away from the effect, which bounds where it can be met.
  const growth = phases.reduce((sum, { champion }, at) => sum + shares[at]! * Math.sqrt(champion.varianceOfMean), 0);
  if (c * growth >= 1) return { lower: null, upper: null, pValue: 1 };
  const reach = (c * standardErrorAt(effect)) / (1 - c * growth);
  if (!Number.isFinite(reach)) return { lower: null, upper: null, pValue: 1 };
  const isWithin = (delta: number) => Math.abs(effect - delta) <= c * standardErrorAt(delta);
  return {
    lower: Math.min(estimate.lower, bisect(effect - reach, effect, isWithin)),
    upper: Math.max(
      estimate.upper,
      bisect(effect, effect + reach, (delta) => !isWithin(delta)),
    ),
    pValue,
  };
}
