import { experimentDefinitionSchema, metricNames } from '#core/experiments/definition.ts';
import type { ArmSums, Evidence, Observation, PhaseSums, PhaseUnits } from '#core/experiments/look.ts';
import { lastLook } from '#store/experiment-looks.ts';
import { groupLedger, listPhases, lossesOf, type PhaseRow } from '#store/experiment-phases.ts';
import {
  type ExperimentRef,
  historySums,
  type MetricSums,
  metricSums,
  metricsWithHistory,
} from '#store/experiment-sums.ts';
import { type ArmTotals, armTotals } from '#store/experiments.ts';
import type { Tx } from '#store/pool.ts';
import type { Reading } from '#store/reading.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import { adjustedArms } from './adjusted-arms.ts';

interface ObserveOptions {
  readonly more?: readonly string[];
  readonly run?: Reading['run'];
}

/**
 * All that is known of an experiment at this moment, for `lookAt`. Each part counts whole batches; what comes later, later looks see.
 * @param more metrics beside those of its definition
 * @param run what statements that may take long are run with
 */
export async function observe(
  tx: Tx,
  rollout: RolloutRow,
  nowMs: number,
  { more = [], run = (statement) => statement(tx) }: ObserveOptions = {},
): Promise<Observation> {
  const ref = { organizationId: rollout.organization_id, experimentId: rollout.id };
  const names = [...new Set([...metricNames(experimentDefinitionSchema.parse(rollout.definition)), ...more])];
  const phases = await listPhases(tx, ref.organizationId, ref.experimentId);
  const totals = await armTotals(tx, ref);
  const last = await lastLook(tx, ref.organizationId, ref.experimentId);
  return {
    atMs: nowMs,
    arms: rollout.arms.map(({ model }) => model),
    phase: rollout.phase,
    phases: phases.map((phase) => phaseUnits(phase, totals)),
    metrics: await observedMetrics(ref, names, rollout.arms.length, run),
    evidence: await observedEvidence(tx, rollout, phases, totals),
    minSrmP: last?.srm.minPValue ?? 1,
    history: rollout.ingest.championHistory ?? null,
    values: last?.values,
  };
}

/** What a phase has counted, by arm. */
export function phaseUnits(
  { phase, weights_bp: weightsBp, started_at }: PhaseRow,
  totals: readonly ArmTotals[],
): PhaseUnits {
  const byArm = (count: (total: ArmTotals) => number) =>
    weightsBp.map((_, arm) => {
      const total = totals.find((one) => one.phase === phase && one.arm === arm);
      return total === undefined ? 0 : count(total);
    });
  return {
    ...{ phase, weightsBp },
    units: byArm(({ units }) => units),
    failingUnits: byArm(({ failingUnits }) => failingUnits),
    requests: byArm(({ requests }) => requests),
    failures: byArm(({ failures }) => failures),
    startedAtMs: started_at.getTime(),
  };
}

async function observedMetrics(
  ref: ExperimentRef,
  names: readonly string[],
  arms: number,
  run: Reading['run'],
): Promise<Record<string, PhaseSums[]>> {
  const byMetric = Map.groupBy(await run((tx) => metricSums(tx, ref, names)), ({ metric }) => metric);
  const metrics = Object.fromEntries([...byMetric].map(([metric, rows]) => [metric, phaseSums(rows, arms)]));
  for (const metric of await run((tx) => metricsWithHistory(tx, ref, [...byMetric.keys()]))) {
    const byPhase = Map.groupBy(await run((tx) => historySums(tx, ref, metric)), ({ phase }) => phase);
    metrics[metric] = metrics[metric]!.map((sums) => {
      const adjusted = adjustedArms(byPhase.get(sums.phase) ?? [], arms);
      return adjusted === undefined ? sums : { ...sums, adjusted };
    });
  }
  return metrics;
}

/** The sums of one metric by phase and arm. */
export function phaseSums(rows: readonly MetricSums[], arms: number): PhaseSums[] {
  const byPhase = [...Map.groupBy(rows, ({ phase }) => phase)];
  return byPhase.map(([phase, ofPhase]) => {
    const sumsOf = (arm: number): ArmSums | null => ofPhase.find((row) => row.arm === arm)?.sums ?? null;
    return { phase, arms: Array.from({ length: arms }, (_, arm) => sumsOf(arm)) };
  });
}

async function observedEvidence(
  tx: Tx,
  rollout: RolloutRow,
  phases: readonly PhaseRow[],
  totals: readonly ArmTotals[],
): Promise<Evidence> {
  const { byGateway, underWay } = lossesOf(await groupLedger(tx, rollout.group_id, rollout.started_at ?? undefined));
  const before = phases[0]?.lost_before ?? {};
  // A gateway's counts are totals since it started, which may be before the experiment did.
  const lost = Object.entries(byGateway).map(([id, count]) => Math.max(0, count - (before[id] ?? 0)));
  const stored = totals.map(({ lastAt }) => lastAt.getTime());
  return {
    lost: lost.reduce((sum, count) => sum + count, 0),
    underWay,
    lastAtMs: stored.length === 0 ? null : Math.max(...stored),
    broken: [...phases.filter((phase) => phase.is_mixed).map(mixed), ...unknownPhases(phases, totals)],
  };
}

function mixed({ phase }: PhaseRow): string {
  return `Phase ${phase} compares nothing: the ratio of its arms' buckets changed while it ran.`;
}

/** Phases in which inferences count and of which no snapshot was published. */
function unknownPhases(phases: readonly PhaseRow[], totals: readonly ArmTotals[]): string[] {
  const known = new Set(phases.map(({ phase }) => phase));
  const unknown = new Set(totals.map(({ phase }) => phase).filter((phase) => !known.has(phase)));
  return [...unknown].map((phase) => `Phase ${phase} compares nothing: which buckets its arms had is not known.`);
}
