import { type RawBuilder, sql } from 'kysely';
import type { ExperimentRef } from './experiment-sums.ts';
import type { Db, Tx } from './pool.ts';

/** Which looks are thinned, and how far. */
export interface Thinning {
  /** Younger ones stay, all of them. */
  readonly keepHours: number;
  /** Looks in one transaction, about. */
  readonly stepRows: number;
}

const HOUR = sql`interval '1 hour'`;
const EPOCH = sql`timestamptz 'epoch'`;
const hourOf = (at: RawBuilder<unknown>) => sql`date_bin(${HOUR}, ${at}, ${EPOCH})`;
const thinTo = (keepHours: number) => hourOf(sql`now() - ${keepHours} * ${HOUR}`);

/** What a look concluded: where it differs from the one before, something has happened. */
const CONCLUDED = sql`jsonb_build_array(phase, look #> '{srm,fired}', look #> '{evidence,broken}',
  (look #>> '{evidence,lost}')::float8 > 0, jsonb_path_query_array(look, '$.comparisons[*].verdict'),
  jsonb_path_query_array(look, '$.comparisons[*].guardrails[*].state'),
  jsonb_path_query_array(look, '$.comparisons[*].fastGuard.fired'))`;

/** Experiments with looks that are older than that and not thinned. For the role `leader`, as everything here. */
export async function experimentsToThin(db: Db, keepHours: number): Promise<ExperimentRef[]> {
  const { rows } = await sql<ExperimentRef>`
    SELECT id AS "experimentId", organization_id AS "organizationId" FROM rollouts
    WHERE started_at IS NOT NULL
      AND coalesce(looks_thinned_before, started_at - ${HOUR}) < least(${thinTo(keepHours)}, coalesce(ended_at, 'infinity'))
    ORDER BY id`.execute(db);
  return rows;
}

/**
 * Removes looks, from the oldest ones on, in whole hours. What stays of an hour: its first look, and each that concluded something else
 * than the one before it; and of the experiment its last one, which says how it stands.
 * @returns how many went, and whether that was all there is to thin
 */
export async function thinLooks(
  tx: Tx,
  { organizationId, experimentId }: ExperimentRef,
  { keepHours, stepRows }: Thinning,
): Promise<{ readonly removed: number; readonly isDone: boolean }> {
  const of = sql`organization_id = ${organizationId} AND experiment_id = ${experimentId}`;
  const { rows } = await sql<{ from: Date | null; to: Date; isDone: boolean }>`
    WITH bounds AS (
      SELECT looks_thinned_before AS "from", ${thinTo(keepHours)} AS "to" FROM rollouts
      WHERE organization_id = ${organizationId} AND id = ${experimentId} FOR UPDATE),
    looks AS (
      SELECT at FROM experiment_looks, bounds
      WHERE ${of} AND at >= coalesce("from", '-infinity') AND at < "to" ORDER BY at LIMIT ${stepRows + 1}),
    step AS (
      SELECT CASE WHEN count(*) > ${stepRows} THEN greatest(${hourOf(sql`max(at)`)}, ${hourOf(sql`min(at)`)} + ${HOUR}) END AS "end"
      FROM looks)
    SELECT "from", least("end", "to") AS "to", coalesce("end" >= "to", true) AS "isDone" FROM bounds, step`.execute(tx);
  const bounds = rows[0];
  if (bounds === undefined) return { removed: 0, isDone: true };
  const { numAffectedRows } = await sql`
    WITH seen AS (
      SELECT id, concluded, lag(concluded) OVER (ORDER BY id) AS before,
        row_number() OVER (PARTITION BY ${hourOf(sql`at`)} ORDER BY id) AS place
      FROM (SELECT id, at, ${CONCLUDED} AS concluded FROM experiment_looks
        WHERE ${of} AND at >= coalesce(${bounds.from}::timestamptz, '-infinity') AND at < ${bounds.to}) AS looks)
    DELETE FROM experiment_looks WHERE ${of} AND id IN (SELECT id FROM seen WHERE place > 1 AND concluded = before)
      AND id < (SELECT max(id) FROM experiment_looks WHERE ${of})`.execute(tx);
  await sql`UPDATE rollouts SET looks_thinned_before = ${bounds.to}
    WHERE organization_id = ${organizationId} AND id = ${experimentId}`.execute(tx);
  return { removed: Number(numAffectedRows ?? 0), isDone: bounds.isDone };
}
