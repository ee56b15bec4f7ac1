import { alphaOfChallenger } from './alpha.ts';
import { type ExperimentDefinition, metricNames } from './definition.ts';
import { fastGuard, unguardedIn } from './fast-guard.ts';
import { probability } from './figures.ts';
import { judgeGuardrail } from './guardrails.ts';
import type { Comparison, Evidence, Look, Observation, SrmResult } from './look.ts';
import { type MeasureOptions, measure } from './metric-result.ts';
import { specOf } from './metric-spec.ts';
import { errorMargin } from './one-arm-guard.ts';
import { splitOf } from './split-check.ts';
import { valueCounts } from './value-counts.ts';
import { conclude } from './verdict.ts';

/**
 * Looks at an experiment: what the observed sums say of each challenger. Pure, and valid however often it is called: everything that a
 * verdict rests on holds at all looks at once.
 *
 * Where α goes, so that the promise "a false winner in at most α of the experiments" is one of the experiment: alpha.ts.
 * @throws RangeError where the definition leaves out what nobody can guess (`specOf`)
 */
export function lookAt(definition: ExperimentDefinition, observation: Observation): Look {
  const { srm, defects } = splitOf(observation, definition.srmAlpha);
  const invalid = [...defects, ...invalidity(srm, observation.evidence)];
  const totalOf = (key: 'units' | 'requests') =>
    observation.arms.map((_, arm) => observation.phases.reduce((sum, phase) => sum + (phase[key][arm] ?? 0), 0));
  return {
    atMs: observation.atMs,
    phase: observation.phase,
    srm,
    evidence: observation.evidence,
    units: totalOf('units'),
    requests: totalOf('requests'),
    values: valueCounts(metricNames(definition), observation),
    comparisons: observation.arms
      .slice(1)
      .map((_, index) => compare(definition, observation, index + 1, { invalid, defects })),
  };
}

interface Defects {
  /** All that makes the evidence useless, and of it what makes counts useless even for the fast guard. */
  readonly invalid: readonly string[];
  readonly defects: readonly string[];
}

function compare(
  definition: ExperimentDefinition,
  observation: Observation,
  arm: number,
  { invalid, defects }: Defects,
): Comparison {
  const challenger = observation.arms[arm]!;
  const challengers = observation.arms.length - 1;
  const { plannedUnits, minUnits } = definition;
  const alpha = alphaOfChallenger(definition.alpha, challengers);
  const phases = observation.phases.map(({ phase }) => phase);
  const options: MeasureOptions = { arm, alpha, plannedUnits, minUnits, phases };
  const sumsOf = (metric: string) =>
    Object.hasOwn(observation.metrics, metric) ? observation.metrics[metric] : undefined;
  const primary = definition.primary && measure(specOf(definition.primary), sumsOf(definition.primary.metric), options);
  const guardrails = definition.guardrails.map((guardrail) =>
    judgeGuardrail(measure(specOf(guardrail), sumsOf(guardrail.metric), options), guardrail),
  );
  const guard = defects.length === 0 ? guardOf(definition, observation, arm) : UNWATCHED;
  const { verdict, reasons } = conclude({
    ...{ challenger, invalid, primary, guardrails, ...guard },
    minimumEffect: definition.primary?.minimumEffect ?? null,
  });
  return { challenger, arm, primary, guardrails, ...guard, verdict, reasons };
}

interface Watched {
  readonly fastGuard: Comparison['fastGuard'];
  readonly unguarded: string | null;
}

const UNWATCHED: Watched = { fastGuard: null, unguarded: null };

function guardOf(definition: ExperimentDefinition, observation: Observation, arm: number): Watched {
  if (definition.fastGuard === null) return UNWATCHED;
  const { phases, arms, phase, atMs, history = null } = observation;
  const alone = { history, margin: errorMargin(definition), atMs };
  const present = phases.find((one) => one.phase === phase);
  const unguarded = present === undefined ? null : unguardedIn(present, arm, arms[arm]!, alone);
  // Of earlier phases, in which the champion served too, it still speaks.
  if (unguarded !== null && phases.length === 1) return { fastGuard: null, unguarded };
  const options = { alpha: definition.fastGuard.alpha, challengers: arms.length - 1, alone };
  return { fastGuard: fastGuard(phases, arm, options), unguarded };
}

/** What makes an experiment's evidence useless, in sentences. */
function invalidity(srm: SrmResult, { lost, broken }: Evidence): string[] {
  const sentences: string[] = [];
  if (srm.fired) {
    const counts = `${srm.observed.join(' : ')} units where ${srm.expected.map(Math.round).join(' : ')} were expected`;
    sentences.push(
      `Sample-ratio mismatch: ${counts} (p ${probability(srm.minPValue)}, at most ${probability(srm.alpha)}); something decides who is counted.`,
    );
  }
  // A number that is none is not 0.
  if (lost !== 0) sentences.push(`Log loss: ${lost} inferences of this experiment are lost for good.`);
  return [...sentences, ...broken.map((why) => `Phase broken: ${why}`)];
}
