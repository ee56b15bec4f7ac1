import type { ArmSums } from '../experiments/look.ts';
import { type Sided, sequentialEstimate } from './confidence-sequence.ts';
import { type ArmMean, armMean, effectOf } from './ratio.ts';
import {
  checkAlpha,
  checkCount,
  checkNumber,
  checkSums,
  type Estimate,
  type Insufficient,
  insufficient,
  outOfRange,
  type Refusal,
} from './result.ts';

/** The least units of an arm from which the normal approximation may decide. */
export const MIN_UNITS_PER_ARM = 100;

export interface SequenceOptions {
  readonly alpha: number;
  /** N*: units of both arms at which the sequence is tightest. Fixed before the first look. */
  readonly plannedN: number;
  readonly sided?: Sided;
  /** Per arm; at least 100. */
  readonly minUnits?: number;
}

export interface MeanDifferenceInput extends SequenceOptions {
  readonly champion: ArmSums;
  readonly challenger: ArmSums;
  /** Effects as shares of the champion's mean. */
  readonly relative: boolean;
}

/**
 * Difference of two arms' means (ratios ΣS/Σn over units) with a confidence sequence: method (1) of the statistics.
 * `insufficient` below 100 units in an arm and where an arm has no variance: there a decision would come at once and mean
 * nothing.
 */
export function meanDifference(input: MeanDifferenceInput): Estimate | Insufficient | Refusal {
  const { champion, challenger } = input;
  const refusal = checkSums('champion', champion) ?? checkSums('challenger', challenger);
  if (refusal !== null) return refusal;
  const [a, b] = [armMean(champion), armMean(challenger)];
  const units = champion.units + challenger.units;
  if ('kind' in a) return { ...a, n: units };
  if ('kind' in b) return { ...b, n: units };
  return differenceOfMeans({ ...input, champion: a, challenger: b });
}

/** The same from means and their variances (after CUPED: `cupedArms`). */
export function differenceOfMeans(
  input: SequenceOptions & { readonly champion: ArmMean; readonly challenger: ArmMean; readonly relative: boolean },
): Estimate | Insufficient | Refusal {
  const { champion, challenger, relative } = input;
  const refusal = checkMean('champion', champion) ?? checkMean('challenger', challenger) ?? checkOptions(input);
  if (refusal !== null) return refusal;
  const units = champion.units + challenger.units;
  const least = minUnitsOf(input);
  if (Math.min(champion.units, challenger.units) < least) return tooFewUnits(least, units);
  if (champion.varianceOfMean === 0 || challenger.varianceOfMean === 0) return noVariance(units);
  const found = effectOf(champion, challenger, relative);
  if ('kind' in found) return found;
  const standardError = Math.sqrt(found.variance);
  return (
    unusable(found.effect, standardError, units) ?? sequentialEstimate({ ...input, ...found, standardError, n: units })
  );
}

/**
 * Mean of paired differences (a shadow's answer minus the caller's, of the same inferences), by unit. Of one value a unit, the mean of its
 * own differences (`sumsOfValues`), it is the mean over units, as of a shadow; of S and n of each unit it is ΣS/Σn. N is the number of
 * units; the hypothesis is a mean of 0.
 */
export function pairedDifference(
  input: SequenceOptions & { readonly differences: ArmSums },
): Estimate | Insufficient | Refusal {
  const { differences } = input;
  const refusal = checkSums('differences', differences) ?? checkOptions(input);
  if (refusal !== null) return refusal;
  const found = armMean(differences);
  if ('kind' in found) return found;
  const least = minUnitsOf(input);
  if (found.units < least) return tooFewUnits(least, found.units);
  if (found.varianceOfMean === 0) return noVariance(found.units);
  const standardError = Math.sqrt(found.varianceOfMean);
  return (
    unusable(found.mean, standardError, found.units) ??
    sequentialEstimate({ ...input, effect: found.mean, standardError, n: found.units })
  );
}

export function checkOptions({ alpha, plannedN, sided, minUnits }: SequenceOptions): Refusal | null {
  return (
    checkAlpha(alpha, sided) ??
    checkNumber('plannedN', plannedN, 1) ??
    (minUnits === undefined ? null : checkNumber('minUnits', minUnits, MIN_UNITS_PER_ARM))
  );
}

export function checkMean(field: string, { mean, varianceOfMean, units }: ArmMean): Refusal | null {
  return (
    checkNumber(`${field}.mean`, mean) ??
    checkNumber(`${field}.varianceOfMean`, varianceOfMean, 0) ??
    checkCount(`${field}.units`, units)
  );
}

export function minUnitsOf({ minUnits }: SequenceOptions): number {
  return minUnits ?? MIN_UNITS_PER_ARM;
}

export function tooFewUnits(least: number, units: number): Insufficient {
  return insufficient('too_few_units', `an arm has fewer than ${least} units`, units);
}

export function noVariance(units: number): Insufficient {
  return insufficient('no_variance', 'all units of an arm have the same value, as far as their sums tell', units);
}

/** Why nothing can be computed from an effect and its standard error: they have left the range of doubles. Null: something can. */
export function unusable(effect: number, standardError: number, units: number): Insufficient | null {
  return Number.isFinite(effect) && Number.isFinite(standardError) && standardError > 0 ? null : outOfRange(units);
}
