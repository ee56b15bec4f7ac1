import type { Observation } from '#core/experiments/look.ts';
import { lastLook } from '#store/experiment-looks.ts';
import { listPhases } from '#store/experiment-phases.ts';
import { armTotals } from '#store/experiments.ts';
import type { Tx } from '#store/pool.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import { phaseUnits } from '../experiments/observe.ts';

/** As much of an experiment as the fast guard needs, from a handful of rows: for every round, where the whole is for every look. */
export async function observeTotals(tx: Tx, rollout: RolloutRow, nowMs: number): Promise<Observation> {
  const ref = { organizationId: rollout.organization_id, experimentId: rollout.id };
  const phases = await listPhases(tx, ref.organizationId, ref.experimentId);
  const totals = await armTotals(tx, ref);
  const last = await lastLook(tx, ref.organizationId, ref.experimentId);
  return {
    atMs: nowMs,
    arms: rollout.arms.map(({ model }) => model),
    phase: rollout.phase,
    phases: phases.map((phase) => phaseUnits(phase, totals)),
    metrics: {},
    evidence: { lost: 0, underWay: 0, lastAtMs: null, broken: [] },
    minSrmP: last?.srm.minPValue ?? 1,
    history: rollout.ingest.championHistory ?? null,
    values: last?.values,
  };
}
