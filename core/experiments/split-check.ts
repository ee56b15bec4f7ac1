import { checkCount } from '../statistics/result.ts';
import { chiSquareTail } from '../statistics/special/distributions.ts';
import { chiSquareSplit, srmSequential } from '../statistics/split-ratio.ts';
import type { Observation, PhaseUnits, SrmResult } from './look.ts';
import { strongestPhase } from './phase-alpha.ts';

/** The split of an experiment's units, and what makes its counts useless. */
export interface SplitCheck {
  readonly srm: SrmResult;
  /** In sentences; empty: nothing. */
  readonly defects: readonly string[];
}

/**
 * Sample-ratio mismatch of distinct units (method (3) of the statistics): each phase against its own weights, and the strongest
 * speaks (`strongestPhase`). The alarm keeps to the smallest p-value of all looks: traffic that evens out later does not heal a broken split.
 */
export function splitOf({ phases, arms, minSrmP }: Observation, alpha: number): SplitCheck {
  const defects = phases.flatMap(countDefects);
  const sound = defects.length === 0 ? phases.filter(isSplit) : [];
  const { pValue } = strongestPhase(sound, ({ units, weightsBp }) => estimated(srmSequential(units, weightsBp)));
  // What earlier looks found cannot be read if it is no number: that is not "nothing".
  const minPValue = Math.min(minSrmP >= 0 ? minSrmP : 0, pValue);
  const srm: SrmResult = {
    pValue,
    minPValue,
    alpha,
    fired: minPValue <= alpha,
    expected: arms.map((_, arm) => sound.reduce((sum, phase) => sum + unitsOf(phase) * shareOf(phase, arm), 0)),
    observed: arms.map((_, arm) => sound.reduce((sum, { units }) => sum + (units[arm] ?? 0), 0)),
    chiSquare: chiSquareOf(sound),
  };
  return { srm, defects };
}

/** Phases are independent, so that statistics and degrees of freedom add up. */
function chiSquareOf(phases: readonly PhaseUnits[]): SrmResult['chiSquare'] {
  if (phases.length === 0) return null;
  const all = phases.map(({ units, weightsBp }) => estimated(chiSquareSplit(units, weightsBp)));
  const statistic = all.reduce((sum, one) => sum + one.statistic, 0);
  const degreesOfFreedom = all.reduce((sum, one) => sum + one.degreesOfFreedom, 0);
  return { statistic, degreesOfFreedom, pValue: chiSquareTail(statistic, degreesOfFreedom) };
}

/** With a single arm that has buckets there is nothing that could be split wrongly. */
function isSplit({ weightsBp }: PhaseUnits): boolean {
  return weightsBp.filter((weight) => weight > 0).length > 1;
}

function countDefects({ phase, weightsBp, units, failingUnits, requests }: PhaseUnits): string[] {
  const counts = { units, failingUnits, requests };
  const unsound = Object.entries(counts).flatMap(([name, byArm]) =>
    byArm.map((count, arm) => checkCount(`${name} of arm ${arm}`, count)).filter((refusal) => refusal !== null),
  );
  const astray = units.flatMap((count, arm) =>
    count > 0 && !(weightsBp[arm]! > 0) ? [`phase ${phase}: ${count} units in arm ${arm}, which had no buckets.`] : [],
  );
  return [...unsound.map(({ field, reason }) => `phase ${phase}: ${field} ${reason}.`), ...astray];
}

function unitsOf({ units }: PhaseUnits): number {
  return units.reduce((sum, count) => sum + count, 0);
}

function shareOf({ weightsBp }: PhaseUnits, arm: number): number {
  return (weightsBp[arm] ?? 0) / weightsBp.reduce((sum, weight) => sum + weight, 0);
}

/** Counts have been checked: a refusal here is a mistake of ours. */
function estimated<Found>(found: Found): Exclude<Found, { kind: 'refused' }> {
  const refusal = found as { kind?: string; field?: string; reason?: string };
  if (refusal.kind === 'refused') throw new RangeError(`split: ${refusal.field} ${refusal.reason}`);
  return found as Exclude<Found, { kind: 'refused' }>;
}
