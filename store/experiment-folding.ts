import { sql } from 'kysely';
import type { ExperimentDefinition } from '#core/experiments/definition.ts';
import { BUILTIN_METRICS } from '#core/experiments/metrics.ts';
import {
  type ExperimentRef,
  type FlatHistory,
  metricsWithHistory,
  unitHistorySums,
  unitSums,
} from './experiment-sums.ts';
import type { Db, Tx } from './pool.ts';

/** An experiment that is closed, and the metrics that its analysis shows. */
export interface ClosedExperiment extends ExperimentRef {
  readonly metrics: readonly string[];
}

const BUILTIN_NAMES = Object.keys(BUILTIN_METRICS);
/** Where an inference counts is known for so long at least (control-plane/jobs/feedback.ts). */
const MIN_WINDOW_HOURS = 24 * 7;
/** On top of it, for the feedback's own wait, and for gateways that were cut off and bring their rows late. */
const LATE_HOURS = 24 * 8;

/**
 * Closes experiments that have ended long ago: nothing more counts in them. Not before the last feedback can have come, which is the
 * longest attribution window of their organization after the end, and some days.
 *
 * For the role `leader`, as everything here.
 * @param unitDays how long after the end it stays open at least; of a group that was deleted nobody asks any more
 * @returns how many
 */
export async function closeExperiments(db: Db, unitDays: number): Promise<number> {
  const { numAffectedRows } = await sql`
    UPDATE rollouts AS r SET closed_at = now() FROM groups AS g
    WHERE g.id = r.group_id AND r.started_at IS NOT NULL AND r.ended_at IS NOT NULL AND r.closed_at IS NULL
      AND r.ended_at < now() - (${LATE_HOURS} + greatest(${MIN_WINDOW_HOURS}, (
        SELECT max((o.definition->>'attributionHours')::float8) FROM rollouts AS o
        WHERE o.organization_id = r.organization_id))) * interval '1 hour'
      AND (g.deleted_at IS NOT NULL OR r.ended_at < now() - ${unitDays} * interval '1 day')`.execute(db);
  return Number(numAffectedRows ?? 0);
}

/** Experiments that were closed so long ago that nobody can be in the middle of adding to them, and are not folded. */
export async function experimentsToFold(db: Db, settledMs: number): Promise<ClosedExperiment[]> {
  const { rows } = await sql<ExperimentRef & { definition: ExperimentDefinition }>`
    SELECT id AS "experimentId", organization_id AS "organizationId", definition FROM rollouts
    WHERE closed_at < now() - ${settledMs} * interval '1 millisecond' AND folded_at IS NULL ORDER BY id`.execute(db);
  return rows.map(({ definition, ...ref }) => {
    const asked = [definition.primary, ...(definition.guardrails ?? [])].flatMap((one) => one?.metric ?? []);
    return { ...ref, metrics: [...new Set([...BUILTIN_NAMES, ...asked])] };
  });
}

/**
 * Keeps the sums over an experiment's units in their place: to the digit those that were summed from the units at each look. From the
 * commit on they are what is looked at; the units themselves can go.
 * @returns whether it was done here
 */
export async function foldExperiment(tx: Tx, { metrics, ...ref }: ClosedExperiment): Promise<boolean> {
  const { organizationId, experimentId } = ref;
  const sums = await unitSums(tx, ref, metrics);
  const histories = new Map<string, Omit<FlatHistory, 'phase' | 'arm'>>();
  for (const metric of await metricsWithHistory(tx, ref, metrics)) {
    for (const { phase, arm, ...history } of await unitHistorySums(tx, ref, metric)) {
      histories.set(placeOf({ metric, phase, arm }), history);
    }
  }
  const { numAffectedRows } = await sql`UPDATE rollouts SET folded_at = now()
    WHERE id = ${experimentId} AND organization_id = ${organizationId} AND folded_at IS NULL`.execute(tx);
  if (numAffectedRows !== 1n) return false;
  const kept = sums.map((row) => ({ ...row, history: histories.get(placeOf(row)) ?? null }));
  await sql`INSERT INTO experiment_sums (experiment_id, organization_id, metric, phase, arm, sums, history)
    SELECT ${experimentId}, ${organizationId}, metric, phase, arm, sums, nullif(history, 'null'::jsonb)
    FROM jsonb_to_recordset(${JSON.stringify(kept)}::jsonb)
      AS given (metric text, phase integer, arm smallint, sums jsonb, history jsonb)`.execute(tx);
  return true;
}

function placeOf({ metric, phase, arm }: { metric: string; phase: number; arm: number }): string {
  return `${metric} ${phase} ${arm}`;
}

const UNIT_TABLES = ['experiment_units', 'experiment_unit_metrics', 'experiment_history'] as const;

/** Folded experiments of which units are left. */
export async function experimentsToEmpty(db: Db): Promise<string[]> {
  const left = UNIT_TABLES.map(
    (table) => sql`EXISTS (SELECT FROM ${sql.table(table)} AS u WHERE u.experiment_id = r.id)`,
  );
  const { rows } = await sql<{ id: string }>`SELECT id FROM rollouts AS r
    WHERE folded_at IS NOT NULL AND (${sql.join(left, sql` OR `)}) ORDER BY id`.execute(db);
  return rows.map(({ id }) => id);
}

/** Removes units of a folded experiment. @returns how many rows; fewer than `limit` of each table: no more are left */
export async function removeUnits(db: Db, experimentId: string, limit: number): Promise<number> {
  let removed = 0;
  for (const name of UNIT_TABLES) {
    const table = sql.table(name);
    const { numAffectedRows } = await sql`DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
      SELECT u.ctid FROM ${table} AS u JOIN rollouts AS r ON r.id = u.experiment_id AND r.folded_at IS NOT NULL
      WHERE u.experiment_id = ${experimentId} LIMIT ${limit}))`.execute(db);
    removed += Number(numAffectedRows ?? 0);
  }
  return removed;
}
