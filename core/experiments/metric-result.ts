import { differenceOfMeansByPhase, type PhaseArms } from '../statistics/phases.ts';
import { needsSmallCounts } from '../statistics/rate.ts';
import { type ArmMean, armMean } from '../statistics/ratio.ts';
import { checkNumber, checkSums, type Refusal, refuse } from '../statistics/result.ts';
import { type ArmPair, complementOf, type EventPhase, eventPhases } from './event-units.ts';
import type { AdjustedArm, ArmSums, MetricResult, PhaseSums } from './look.ts';
import type { MetricSpec } from './metric-spec.ts';
import { relativeBounds } from './relative-bounds.ts';
import { smallCountRate } from './small-counts.ts';
import { cautiousArms } from './unequal-arms.ts';

export interface MeasureOptions {
  /** The challenger's place in `PhaseSums.arms`. */
  readonly arm: number;
  readonly alpha: number;
  readonly plannedUnits: number;
  readonly minUnits: number;
}

/** A phase in which something was measured in both arms. */
interface MeasuredPhase extends ArmPair {
  readonly adjusted: PhaseArms<AdjustedArm> | null;
}

type Arms = Pick<MetricResult, 'champion' | 'challenger'>;
type Concluded = Omit<MetricResult, keyof MetricSpec | keyof Arms | 'alpha'>;

const NOT_MEASURED = { units: 0, n: 0, mean: null } as const;

/**
 * Compares a challenger with the champion in one metric: by a confidence sequence, or, of rates, by the form for small counts.
 *
 * A rate is at small counts when an arm has fewer than 100 units, or fewer than 10 units with events or with non-events (that is "10
 * events" where each unit has one value; ten failures of one broken user are not). So it is as long as no phase has `minUnits` in both
 * arms, since that form needs no least number. The two forms may follow each other in an experiment; each holds at all its looks.
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
  const refusal = refusalOf(spec, measured);
  if (refusal !== null) return unmeasured(spec, options, `${refusal.field} ${refusal.reason}`);
  if (measured.length === 0) return unmeasured(spec, options, missingArm(phases ?? [], options.arm));
  const arms: Arms = { champion: shownArm(measured, 'champion'), challenger: shownArm(measured, 'challenger') };
  const concluded = isSmall(spec, measured, options)
    ? bySmallCounts(spec, measured, options)
    : byConfidenceSequence(spec, measured, options);
  return { ...spec, ...arms, ...concluded, alpha: options.alpha };
}

function measuredPhase(phase: PhaseSums, arm: number): MeasuredPhase[] {
  const [champion, challenger] = [phase.arms[0], phase.arms[arm]];
  if (champion == null || challenger == null || champion.n === 0 || challenger.n === 0) return [];
  const [before, after] = [phase.adjusted?.[0], phase.adjusted?.[arm]];
  const adjusted = before == null || after == null ? null : { champion: before, challenger: after };
  return [{ champion, challenger, adjusted }];
}

function missingArm(phases: readonly PhaseSums[], arm: number): string {
  const isSilent = (at: number) => phases.every(({ arms }) => (arms[at]?.n ?? 0) === 0);
  if (isSilent(0) && isSilent(arm)) return 'nothing was measured';
  if (isSilent(arm)) return "nothing was measured of the challenger's";
  if (isSilent(0)) return "nothing was measured of the champion's";
  return 'in no phase were both arms measured';
}

function refusalOf({ kind }: MetricSpec, phases: readonly MeasuredPhase[]): Refusal | null {
  for (const { champion, challenger, adjusted } of phases) {
    const refusal =
      checkSums('champion', champion) ??
      checkSums('challenger', challenger) ??
      (kind === 'rate' ? (checkRate('champion', champion) ?? checkRate('challenger', challenger)) : null) ??
      (adjusted === null ? null : (checkAdjusted('champion', adjusted) ?? checkAdjusted('challenger', adjusted)));
    if (refusal !== null) return refusal;
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

function isSmall({ kind }: MetricSpec, phases: readonly MeasuredPhase[], { minUnits }: MeasureOptions): boolean {
  if (kind !== 'rate') return false;
  if (phases.every(({ champion, challenger }) => Math.min(champion.units, challenger.units) < minUnits)) return true;
  const events = eventPhases(phases);
  const others = eventPhases(
    phases.map(({ champion, challenger }) => ({
      champion: complementOf(champion),
      challenger: complementOf(challenger),
    })),
  );
  const total = (of: readonly EventPhase[], arm: keyof EventPhase, key: 'units' | 'eventUnits') =>
    of.reduce((sum, phase) => sum + phase[arm][key], 0);
  return (['champion', 'challenger'] as const).some((arm) => {
    const withEvents = total(events, arm, 'eventUnits');
    const counts = { units: total(events, arm, 'units'), events: withEvents };
    return needsSmallCounts({ ...counts, n: withEvents + total(others, arm, 'eventUnits') });
  });
}

function bySmallCounts(
  { relative }: MetricSpec,
  phases: readonly MeasuredPhase[],
  { alpha }: MeasureOptions,
): Concluded {
  const found = smallCountRate({ phases, alpha, relative });
  return { method: 'small_counts', why: null, ...found, standardError: null, varianceReduction: null };
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
  if (found.kind === 'insufficient') return nothingConcluded(found.detail);
  const { effect, standardError } = found;
  const used = found.phasesUsed.flatMap((at) => adjusted[at] ?? []);
  const { lower, upper, pValue } = spec.relative ? relativeBounds(found, used, plannedUnits) : found;
  const isAdjusted = phases.some((phase) => phase.adjusted !== null);
  const before = isAdjusted ? differenceOfMeansByPhase({ ...options, phases: raw }) : null;
  const varianceReduction = before?.kind === 'estimate' ? 1 - (standardError / before.standardError) ** 2 : null;
  return { method: 'confidence_sequence', why: null, effect, standardError, lower, upper, pValue, varianceReduction };
}

function rawMeans({ champion, challenger }: MeasuredPhase): PhaseArms<ArmMean> | null {
  const [a, b] = [armMean(champion), armMean(challenger)];
  return 'kind' in a || 'kind' in b ? null : { champion: a, challenger: b };
}

function adjustedMeans({ champion, challenger, adjusted }: MeasuredPhase): PhaseArms<ArmMean> | null {
  if (adjusted === null) return null;
  return {
    champion: { ...adjusted.champion, units: champion.units },
    challenger: { ...adjusted.challenger, units: challenger.units },
  };
}
