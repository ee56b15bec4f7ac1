import type { ArmSums } from '../experiments/look.ts';
import { sequentialEstimate } from './confidence-sequence.ts';
import {
  checkMean,
  checkOptions,
  minUnitsOf,
  noVariance,
  type SequenceOptions,
  tooFewUnits,
} from './mean-difference.ts';
import { type ArmMean, armMean, championMeanZero, differenceOf, type PhaseEffect } from './ratio.ts';
import { checkSums, type Estimate, type Insufficient, insufficient, type Refusal } from './result.ts';

/**
 * Effect over several phases: each phase's own part, weighted by its share of all units (relative ones: `relativeEffects`).
 *
 *     effect = Σ (N_k/N)·d_k      variance = Σ (N_k/N)²·SE_k²      N = Σ N_k
 *
 * Units are never pooled over phases. While a ramp raises the challenger's share, whatever else changes with time (a launch,
 * a slow provider, an evening) falls on the arms in changing proportions, and pooled means differ though in no phase anything
 * does (Simpson's paradox). Within a phase the ratio of the arms is fixed, so each d_k is a fair comparison. The weights
 * depend on numbers of units alone, never on outcomes; weighting by 1/SE_k² would prefer the phases in which few events
 * happened, and these are not a random choice.
 *
 * That variance takes phases for independent, as they are where each has units of its own. `returning`: the same units come back
 * in later phases, as with sticky assignment. How much their phases have in common is not known from sums by phase, so the
 * standard error is the largest that there can be, Σ (N_k/N)·SE_k (Cauchy–Schwarz). In simulations of equal arms, with four phases
 * of the same units whose values vary between units alone, independence declared 14 % winners at α = 5 %.
 */
export function combinePhases(
  perPhase: readonly PhaseEffect[],
  units: 'new' | 'returning' = 'new',
): {
  readonly effect: number;
  readonly standardError: number;
  readonly n: number;
} {
  const n = perPhase.reduce((sum, { units }) => sum + units, 0);
  let effect = 0;
  let variance = 0;
  let largestError = 0;
  for (const phase of perPhase) {
    const share = phase.units / n;
    effect += share * phase.effect;
    variance += share * share * phase.variance;
    largestError += share * Math.sqrt(phase.variance);
  }
  return { effect, standardError: units === 'new' ? Math.sqrt(variance) : largestError, n };
}

/** One phase: sums of both arms, or (after CUPED) their means and variances. */
export interface PhaseArms<Arm> {
  readonly champion: Arm;
  readonly challenger: Arm;
}

/** How phases are compared. */
export interface PhaseOptions extends SequenceOptions {
  readonly relative: boolean;
  /** Whether units of one phase come back in later ones; `new` if left out. */
  readonly units?: 'new' | 'returning';
}

/** An estimate over phases, and which of them it is made of (positions in the input). */
export interface PhasedEstimate extends Estimate {
  readonly phasesUsed: readonly number[];
}

/**
 * `meanDifference` stratified by phase. A phase with fewer than `minUnits` in an arm is left out until it has them: its
 * variance is not known well enough, and units, unlike outcomes, tell nothing about the effect. Variance is needed of each
 * arm in some phase, not in all.
 */
export function meanDifferenceByPhase(
  input: PhaseOptions & { readonly phases: readonly PhaseArms<ArmSums>[] },
): PhasedEstimate | Insufficient | Refusal {
  const means: (PhaseArms<ArmMean> | null)[] = [];
  for (const [at, { champion, challenger }] of input.phases.entries()) {
    const refusal = checkSums(`phases[${at}].champion`, champion) ?? checkSums(`phases[${at}].challenger`, challenger);
    if (refusal !== null) return refusal;
    const [a, b] = [armMean(champion), armMean(challenger)];
    means.push('kind' in a || 'kind' in b ? null : { champion: a, challenger: b });
  }
  return differenceOfMeansByPhase({ ...input, phases: means });
}

/** The same from means and their variances; null: nothing was measured in an arm of that phase. */
export function differenceOfMeansByPhase(
  input: PhaseOptions & { readonly phases: readonly (PhaseArms<ArmMean> | null)[] },
): PhasedEstimate | Insufficient | Refusal {
  const refusal = checkOptions(input) ?? checkPhases(input.phases);
  if (refusal !== null) return refusal;
  const least = minUnitsOf(input);
  const isLarge = ({ champion, challenger }: PhaseArms<ArmMean>) => Math.min(champion.units, challenger.units) >= least;
  const used = input.phases.flatMap((phase, at) => (phase !== null && isLarge(phase) ? [{ at, phase }] : []));
  if (used.length === 0) return nothingYet(input.phases, least);
  const arms = used.map(({ phase }) => phase);
  const effects = input.relative
    ? relativeEffects(arms)
    : arms.map(({ champion, challenger }) => differenceOf(champion, challenger));
  if ('kind' in effects) return effects;
  const combined = combinePhases(effects, input.units);
  const varies = (arm: 'champion' | 'challenger') => used.some(({ phase }) => phase[arm].varianceOfMean > 0);
  if (!varies('champion') || !varies('challenger')) return noVariance(combined.n);
  return { ...sequentialEstimate({ ...input, ...combined }), phasesUsed: used.map(({ at }) => at) };
}

/**
 * Each phase's part in a relative effect: a share of the champion's mean over all phases, weighted as the effect is,
 *
 *     d_k = (B_k − A_k)/|A|      SE_k² = (V_Bk + (B/A)²V_Ak)/A²      A = Σ (N_k/N)·A_k, B = Σ (N_k/N)·B_k
 *
 * so that together they are the ratio of two stratified means, by the delta method. The mean of the phases' own ratios would be ruled by
 * those that know their champion's mean worst: a short first phase in which nothing failed would leave it without a value for ever.
 */
function relativeEffects(phases: readonly PhaseArms<ArmMean>[]): PhaseEffect[] | Insufficient {
  const parts = phases.map(({ champion, challenger }) => differenceOf(champion, challenger));
  const mean = stratifiedMean(phases, 'champion');
  if (mean === 0) return championMeanZero(parts.reduce((sum, { units }) => sum + units, 0));
  const ratio = stratifiedMean(phases, 'challenger') / mean;
  return parts.map(({ effect, units }, at) => {
    const { champion, challenger } = phases[at]!;
    const variance = (challenger.varianceOfMean + ratio * ratio * champion.varianceOfMean) / (mean * mean);
    return { effect: effect / Math.abs(mean), variance, units };
  });
}

/** An arm's mean over phases, each weighted by its share of the units of both arms. */
export function stratifiedMean(phases: readonly PhaseArms<ArmMean>[], arm: 'champion' | 'challenger'): number {
  const units = phases.reduce((sum, { champion, challenger }) => sum + champion.units + challenger.units, 0);
  return phases.reduce((sum, phase) => {
    const share = (phase.champion.units + phase.challenger.units) / units;
    return sum + share * phase[arm].mean;
  }, 0);
}

function checkPhases(phases: readonly (PhaseArms<ArmMean> | null)[]): Refusal | null {
  for (const [at, phase] of phases.entries()) {
    if (phase === null) continue;
    const refusal =
      checkMean(`phases[${at}].champion`, phase.champion) ?? checkMean(`phases[${at}].challenger`, phase.challenger);
    if (refusal !== null) return refusal;
  }
  return null;
}

function nothingYet(phases: readonly (PhaseArms<ArmMean> | null)[], least: number): Insufficient {
  const measured = phases.filter((phase) => phase !== null);
  if (measured.length === 0) return insufficient('nothing_measured', 'nothing was measured in an arm', 0);
  const units = measured.reduce((sum, { champion, challenger }) => sum + champion.units + challenger.units, 0);
  return tooFewUnits(least, units);
}
