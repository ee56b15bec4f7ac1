import { sql } from 'kysely';
import { type LogPolicy, logPolicySchema } from '#core/snapshot/log-policy.ts';
import type { Db } from './pool.ts';

// The bookkeeping of what retention removes from ClickHouse; its states are drawn in migrations/0007, and 0010 goes on. For the role `leader`.

/** Rows by gateway, day and outcome, as the ledger moves them. */
export interface OutcomeCount {
  readonly gatewayId: string;
  /** YYYY-MM-DD, in UTC. Undefined: the release before has counted it. */
  readonly day?: string;
  readonly outcome: 'interrupted' | 'ended';
  readonly rows: number;
}

export interface ExpiringGroup {
  readonly groupId: string;
  readonly group: string;
  readonly archive: LogPolicy['archive'];
  /** Rows from before it need not be kept; null: the retention was taken away while rows were being deleted. */
  readonly cutoff: Date | null;
}

/** Groups whose rows in ClickHouse have an end, or had one when a run was cut off. */
export async function expiringGroups(db: Db): Promise<ExpiringGroup[]> {
  const rows = await db
    .selectFrom('groups')
    .select(['id', 'name', 'log', sql<Date | null>`retention_cutoff(id)`.as('cutoff')])
    .where(sql<boolean>`log->>'retentionDays' IS NOT NULL
      OR EXISTS (SELECT FROM clickhouse_expiry AS e WHERE e.group_id = groups.id AND e.state = 'deleting')`)
    .orderBy('id')
    .execute();
  return rows.map(({ id, name, log, cutoff }) => ({
    ...{ groupId: id, group: name, cutoff },
    archive: logPolicySchema.parse(log).archive,
  }));
}

/** A part of a group's log that is to go: what was made before `until`. */
export interface ExpiryRun {
  readonly groupId: string;
  readonly until: Date;
  readonly run: number;
  /** Undefined: not counted yet. Otherwise a run before has counted, and may have deleted. */
  readonly counts: readonly OutcomeCount[] | undefined;
}

/** One statement that may lose against another one, as all here. @returns undefined when there is nothing to do */
export async function beginExpiry(db: Db, groupId: string): Promise<ExpiryRun | undefined> {
  const { rows } = await sql<{ until: Date | null; run: number; counts: OutcomeCount[] | null }>`
    SELECT * FROM begin_clickhouse_expiry(${groupId})`.execute(db);
  const { until, run, counts } = rows[0]!;
  return until === null ? undefined : { groupId, until, run, counts: counts ?? undefined };
}

/**
 * @param found what ClickHouse has
 * @returns what of it the ledger knows; undefined when it is to be left, by the policy of now or because another leader has taken over
 */
export async function countExpiry(
  db: Db,
  { groupId, run }: ExpiryRun,
  found: readonly OutcomeCount[],
): Promise<readonly OutcomeCount[] | undefined> {
  await sql`SELECT count_clickhouse_expiry(${groupId}, ${run}, ${JSON.stringify(found)}::jsonb)`.execute(db);
  // A statement of its own, which sees what the one before has written. A run that is counted stays so until it is finished.
  const { rows } = await sql<{ counts: OutcomeCount[] }>`
    SELECT counts FROM clickhouse_expiry WHERE group_id = ${groupId} AND run = ${run} AND state = 'deleting'`.execute(
    db,
  );
  return rows[0]?.counts;
}

/** Whether rows that were counted are still to be deleted, by the policy of now. */
export async function expiryStands(db: Db, { groupId }: ExpiryRun): Promise<boolean> {
  const { rows } = await sql<{ stands: boolean }>`SELECT clickhouse_expiry_stands(${groupId}) AS stands`.execute(db);
  return rows[0]!.stands;
}

/** Moves what is gone in the ledger, once. @returns false when another leader has taken over */
export async function finishExpiry(
  db: Db,
  { groupId, run }: ExpiryRun,
  gone: readonly OutcomeCount[],
  requestId: string,
): Promise<boolean> {
  const { rows } = await sql<{ finished: boolean }>`
    SELECT finish_clickhouse_expiry(${groupId}, ${run}, ${JSON.stringify(gone)}::jsonb, ${requestId}) AS finished`.execute(
    db,
  );
  return rows[0]!.finished;
}
