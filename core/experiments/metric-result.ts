import { differenceOfMeansByPhase, meansOf, type PhaseArms } from '../statistics/phases.ts';
import type { ArmMean } from '../statistics/ratio.ts';
import { checkNumber, checkSums, type Refusal, refuse } from '../statistics/result.ts';
import { formAlphas, SMALL_COUNTS_PART } from './alpha.ts';
import type { ArmPair } from './event-units.ts';
import type { AdjustedArm, ArmSums, MetricResult, PhaseSums } from './look.ts';
import type { MetricSpec } from './metric-spec.ts';
import { isAtSmallCounts, isOfTrials, partsOfPhases, sharper } from './rate-forms.ts';
import { relativeBounds } from './relative-bounds.ts';
import { reasonOfNull, smallCountRate } from './small-counts.ts';
import { cautiousArms } from './unequal-arms.ts';

export interface MeasureOptions {
  /** The challenger's place in `PhaseSums.arms`. */
  readonly arm: number;
  /** For all that is concluded of this metric; its forms divide it (`formAlphas`). */
  readonly alpha: number;
  readonly plannedUnits: number;
  readonly minUnits: number;
  /** Numbers of all phases of the experiment; left out: those that have sums. */
  readonly phases?: readonly number[];
}

/** A phase in which something was measured in both arms. */
interface MeasuredPhase extends ArmPair {
  readonly phase: number;
  readonly adjusted: PhaseArms<AdjustedArm> | null;
}

type Arms = Pick<MetricResult, 'champion' | 'challenger'>;
type Concluded = Omit<MetricResult, keyof MetricSpec | keyof Arms | 'alpha'>;

/** Values that history foretells to the last digit are no chance, and leave nothing to tell how large chance is. */
const FORETOLD =
  "the units' history foretells all their values: with it nothing varies; an experiment with historyDays 0 leaves it out";

const NOT_MEASURED = { units: 0, n: 0, mean: null } as const;

/**
 * Compares a challenger with the champion in one metric: by a confidence sequence, or, of rates, by the form for small counts.
 *
 * A rate goes by small counts until both arms have enough for the sequence (`isAtSmallCounts`). Which form speaks depends on the counts, so each
 * has a part of α of its own (alpha.ts), and `pValue` is the smallest α at which this whole procedure excludes "no difference". The form for small counts
 * stays beside the sequence, and the sharper bound counts, where each unit has one value and the effect is relative: there it is exact, and the
 * sequence knows little while the champion has few events.
 *
 * Sums that are not finite, or that no values (of a rate: none from 0 to 1) can have, count as not measured.
 * @param phases undefined: nobody has measured the metric
 */
export function measure(
  spec: MetricSpec,
  phases: readonly PhaseSums[] | undefined,
  options: MeasureOptions,
): MetricResult {
  const measured = (phases ?? []).flatMap((phase) => measuredPhase(phase, options.arm));
  const unsound = unsoundness(spec, measured);
  if (unsound !== null) return unmeasured(spec, options, unsound);
  if (measured.length === 0) return unmeasured(spec, options, missingArm(phases ?? [], options.arm));
  const arms: Arms = { champion: shownArm(measured, 'champion'), challenger: shownArm(measured, 'challenger') };
  const concluded = withinRange(spec, conclusionOf(spec, measured, options));
  return { ...spec, ...arms, ...concluded, alpha: options.alpha };
}

/** Bounds of a rate no wider than what rates can differ: from −1 to 1, and relative to another by no less than −1. */
function withinRange({ kind, relative }: MetricSpec, found: Concluded): Concluded {
  if (kind !== 'rate') return found;
  const [least, most] = [-1, relative ? Number.POSITIVE_INFINITY : 1];
  const within = (bound: number | null) => (bound === null ? null : Math.min(most, Math.max(least, bound)));
  return { ...found, lower: within(found.lower), upper: within(found.upper) };
}

function conclusionOf(spec: MetricSpec, phases: readonly MeasuredPhase[], options: MeasureOptions): Concluded {
  const { smallCounts, sequence } = formAlphas(spec.kind, options.alpha);
  if (smallCounts === null) return byConfidenceSequence(spec, phases, options);
  const counts = () => bySmallCounts(spec, phases, { ...options, alpha: smallCounts });
  if (isAtSmallCounts(phases, options.minUnits)) return ofPart(counts(), SMALL_COUNTS_PART);
  const found = byConfidenceSequence(spec, phases, { ...options, alpha: sequence });
  // No phase has both events and others in an arm, though there are enough of them together.
  if (found.method === 'none') return ofPart(counts(), SMALL_COUNTS_PART);
  const largeCounts = ofPart(found, 1 - SMALL_COUNTS_PART);
  const isExact = spec.relative && isOfTrials(phases);
  return isExact ? together(largeCounts, ofPart(counts(), SMALL_COUNTS_PART)) : largeCounts;
}

/** What is found with a part of α: its p-value as one of the whole. */
function ofPart(found: Concluded, part: number): Concluded {
  return { ...found, pValue: found.pValue === null ? null : Math.min(1, found.pValue / part) };
}

function together(sequence: Concluded, counts: Concluded): Concluded {
  const pValue = Math.min(sequence.pValue ?? 1, counts.pValue ?? 1);
  return withReason({ ...sequence, ...sharper(sequence, counts), pValue });
}

function measuredPhase(phase: PhaseSums, arm: number): MeasuredPhase[] {
  const [champion, challenger] = [phase.arms[0], phase.arms[arm]];
  if (champion == null || challenger == null || champion.n === 0 || challenger.n === 0) return [];
  const [before, after] = [phase.adjusted?.[0], phase.adjusted?.[arm]];
  const adjusted = before == null || after == null ? null : { champion: before, challenger: after };
  return [{ phase: phase.phase, champion, challenger, adjusted }];
}

function missingArm(phases: readonly PhaseSums[], arm: number): string {
  const isSilent = (at: number) => phases.every(({ arms }) => (arms[at]?.n ?? 0) === 0);
  if (isSilent(0) && isSilent(arm)) return 'nothing was measured';
  if (isSilent(arm)) return "nothing was measured of the challenger's";
  if (isSilent(0)) return "nothing was measured of the champion's";
  return 'in no phase were both arms measured';
}

/** Why nothing can be computed from sums; null: something can. */
function unsoundness({ kind }: MetricSpec, phases: readonly MeasuredPhase[]): string | null {
  for (const { champion, challenger, adjusted } of phases) {
    const refusal =
      checkSums('champion', champion) ??
      checkSums('challenger', challenger) ??
      (kind === 'rate' ? (checkRate('champion', champion) ?? checkRate('challenger', challenger)) : null) ??
      (adjusted === null ? null : (checkAdjusted('champion', adjusted) ?? checkAdjusted('challenger', adjusted)));
    if (refusal !== null) return `${refusal.field} ${refusal.reason}`;
    const means = meansOf(champion, challenger);
    if (means !== null && 'kind' in means) return means.detail;
  }
  return null;
}

function checkRate(arm: 'champion' | 'challenger', { n, sum }: ArmSums): Refusal | null {
  return sum >= 0 && sum <= n
    ? null
    : refuse(`${arm}.sum`, `is ${sum} of ${n} values; those of a rate are from 0 to 1`);
}

function checkAdjusted(arm: 'champion' | 'challenger', adjusted: PhaseArms<AdjustedArm>): Refusal | null {
  return (
    checkNumber(`adjusted ${arm}.mean`, adjusted[arm].mean) ??
    checkNumber(`adjusted ${arm}.varianceOfMean`, adjusted[arm].varianceOfMean, 0)
  );
}

function unmeasured(spec: MetricSpec, { alpha }: MeasureOptions, why: string): MetricResult {
  return { ...spec, champion: NOT_MEASURED, challenger: NOT_MEASURED, ...nothingConcluded(why), alpha };
}

function nothingConcluded(why: string): Concluded {
  return {
    method: 'none',
    why,
    ...{ effect: null, standardError: null, lower: null, upper: null, pValue: null, varianceReduction: null },
  };
}

/** An arm over its phases, to be shown beside the effect: this mean is pooled, the effect is not. */
function shownArm(phases: readonly MeasuredPhase[], arm: keyof ArmPair): MetricResult['champion'] {
  const sumOf = (key: 'units' | 'n' | 'sum') => phases.reduce((total, phase) => total + phase[arm][key], 0);
  return { units: sumOf('units'), n: sumOf('n'), mean: sumOf('sum') / sumOf('n') };
}

function bySmallCounts(
  { relative }: MetricSpec,
  phases: readonly MeasuredPhase[],
  { alpha, phases: all = [] }: MeasureOptions,
): Concluded {
  const numbers = phases.map(({ phase }) => phase);
  const parts = partsOfPhases(numbers, all);
  const found = smallCountRate({
    phases: phases.map((phase, at) => ({ ...phase, part: parts[at]! })),
    alpha,
    relative,
  });
  return withReason({ method: 'small_counts', why: null, ...found, standardError: null, varianceReduction: null });
}

function byConfidenceSequence(
  spec: MetricSpec,
  phases: readonly MeasuredPhase[],
  { alpha, plannedUnits, minUnits }: MeasureOptions,
): Concluded {
  // Assignment is sticky, so who is in one phase comes back in the next: phases are not independent.
  const options = { alpha, plannedN: plannedUnits, minUnits, relative: spec.relative, units: 'returning' } as const;
  const careful = (arms: PhaseArms<ArmMean> | null) =>
    arms === null || spec.kind === 'rate' ? arms : cautiousArms(arms);
  const raw = phases.map((phase) => careful(rawMeans(phase)));
  const adjusted = phases.map((phase, at) => careful(adjustedMeans(phase)) ?? raw[at]!);
  const found = differenceOfMeansByPhase({ ...options, phases: adjusted });
  if (found.kind === 'refused') throw new RangeError(`${spec.metric}: ${found.field} ${found.reason}`);
  const isAdjusted = phases.some((phase) => phase.adjusted !== null);
  const before = isAdjusted ? differenceOfMeansByPhase({ ...options, phases: raw }) : null;
  if (found.kind === 'insufficient') {
    const isForetold = found.why === 'no_variance' && before?.kind === 'estimate';
    return nothingConcluded(isForetold ? FORETOLD : found.detail);
  }
  const { effect, standardError } = found;
  const used = found.phasesUsed.flatMap((at) => adjusted[at] ?? []);
  const { lower, upper, pValue } = spec.relative ? relativeBounds(found, used, plannedUnits) : found;
  const varianceReduction = before?.kind === 'estimate' ? 1 - (standardError / before.standardError) ** 2 : null;
  const figures = { effect, standardError, lower, upper, pValue, varianceReduction };
  return withReason({ method: 'confidence_sequence', why: null, ...figures });
}

function withReason(found: Concluded): Concluded {
  return { ...found, why: reasonOfNull(found) };
}

function rawMeans({ champion, challenger }: MeasuredPhase): PhaseArms<ArmMean> | null {
  const found = meansOf(champion, challenger);
  return found === null || 'kind' in found ? null : found;
}

function adjustedMeans({ champion, challenger, adjusted }: MeasuredPhase): PhaseArms<ArmMean> | null {
  if (adjusted === null) return null;
  return {
    champion: { ...adjusted.champion, units: champion.units },
    challenger: { ...adjusted.challenger, units: challenger.units },
  };
}
