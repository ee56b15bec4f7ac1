import { z } from 'zod';
import { experimentDefinitionSchema, type Ingest } from '#core/experiments/definition.ts';
import { BUILTIN_METRICS, type BuiltinMetricName } from '#core/experiments/metrics.ts';
import { listPhases } from '#store/experiment-phases.ts';
import { armTotals } from '#store/experiments.ts';
import { allGroups } from '#store/groups.ts';
import type { Tx } from '#store/pool.ts';
import { findRollout, listRollouts, type RolloutRow } from '#store/rollouts.ts';
import type { ReadCall } from '../http/operation.ts';
import { decodeCursor, type Page, toPage } from '../paging.ts';
import { invalid, notFound } from '../problem.ts';
import type { ExperimentQuery, ExperimentSummary, ExperimentView } from './experiment-schemas.ts';
import { phaseUnits } from './observe.ts';

const placeSchema = z.uuid();

/** Experiments of an organization, the newest first. */
export async function listExperimentPage(
  tx: Tx,
  { organizationId, query }: ReadCall<ExperimentQuery>,
): Promise<Page<ExperimentSummary>> {
  const groups = await allGroups(tx, organizationId);
  const group = groups.find(({ id, name }) => query.group === name || query.group === id);
  if (query.group !== undefined && group === undefined) {
    throw invalid([{ field: 'group', message: `there is no group "${query.group}"` }]);
  }
  const names = new Map(groups.map(({ id, name }) => [id, name]));
  const rows = await listRollouts(tx, organizationId, {
    ...{ groupId: group?.id, state: query.state },
    ...{ beforeId: decodeCursor(query.cursor, placeSchema), limit: query.limit + 1 },
  });
  return toPage(
    rows,
    query.limit,
    (row) => summaryOf(row, names.get(row.group_id) ?? ''),
    (row) => row.id,
  );
}

/** An experiment: what it is, how it stands, what its phases compare and have counted. */
export async function showExperiment(tx: Tx, { organizationId, ref }: ReadCall<object>): Promise<ExperimentView> {
  return experimentView(tx, await requireExperiment(tx, organizationId, ref));
}

/** The experiment with this id, or the newest of this name. @throws Problem `not_found` */
export async function requireExperiment(tx: Tx, organizationId: string, ref: string): Promise<RolloutRow> {
  const row = await findRollout(tx, organizationId, ref);
  if (row === undefined) throw notFound('experiment', ref);
  return row;
}

/** The whole view of an experiment. */
export async function experimentView(tx: Tx, row: RolloutRow): Promise<ExperimentView> {
  const organizationId = row.organization_id;
  const groups = await allGroups(tx, organizationId);
  const totals = await armTotals(tx, { organizationId, experimentId: row.id });
  const phases = await listPhases(tx, organizationId, row.id);
  return {
    ...summaryOf(row, groups.find(({ id }) => id === row.group_id)?.name ?? ''),
    definition: experimentDefinitionSchema.parse(row.definition),
    caps: capsOf(row.ingest),
    armModels: row.arms.map(({ model, modelId }, arm) => ({
      ...{ model, modelId, role: arm === 0 ? ('champion' as const) : ('challenger' as const) },
    })),
    phases: phases.map((phase) => {
      const { weightsBp, ...counts } = phaseUnits(phase, totals);
      return {
        ...{ since: phase.started_at.toISOString(), weightsBp: [...weightsBp], isMixed: phase.is_mixed },
        phase: counts.phase,
        ...{ units: [...counts.units], failingUnits: [...counts.failingUnits] },
        ...{ requests: [...counts.requests], failures: [...counts.failures] },
      };
    }),
  };
}

/** Caps by the metric whose sums they are of. A draft has none yet. */
function capsOf({ caps = {} }: Partial<Ingest>): Record<string, number> {
  const found = Object.entries(BUILTIN_METRICS).map(([name, { sum }]) => [name, caps[sum]] as const);
  return Object.fromEntries(found.filter((entry): entry is [BuiltinMetricName, number] => entry[1] !== undefined));
}

function summaryOf(row: RolloutRow, group: string): ExperimentSummary {
  return {
    ...{ id: row.id, name: row.name, group, groupId: row.group_id, state: row.state, reason: row.reason },
    arms: row.arms.map(({ model }) => model),
    primary: row.definition.primary?.metric ?? null,
    phase: row.phase,
    since: row.started_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
    closedAt: row.closed_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  };
}
