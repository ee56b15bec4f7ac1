import { sql } from 'kysely';
import { type LogPolicy, logPolicySchema } from '#core/snapshot/log-policy.ts';
import type { RowCount } from './database.ts';
import type { Db } from './pool.ts';

/** A partition of a group's inferences and payloads. Half-open: `startsAt` ≤ created < `endsAt`. */
export interface Partition {
  readonly groupId: string;
  /** What both its tables have behind `inferences_` and `inference_payloads_`. */
  readonly suffix: string;
  readonly startsAt: Date;
  readonly endsAt: Date;
}

export interface DuePartition extends Partition {
  readonly organizationId: string;
  readonly group: string;
  readonly archive: LogPolicy['archive'];
}

/** Every live group of all organizations. For the role `leader`. */
export async function liveGroupIds(db: Db): Promise<string[]> {
  const rows = await db.selectFrom('groups').select('id').where('deleted_at', 'is', null).orderBy('id').execute();
  return rows.map(({ id }) => id);
}

/**
 * Makes the partitions of the present span and the next. One statement, which may lose against another one (isContention).
 * @returns how many it took
 */
export async function provisionAhead(db: Db, groupId: string): Promise<number> {
  const { rows } = await sql<{ made: number }>`SELECT provision_ahead(${groupId}) AS made`.execute(db);
  return rows[0]!.made;
}

/**
 * Partitions that ended before their group's retention, oldest first; deleted groups keep theirs. What an operator has restored
 * is left alone until the day they named. For the role `leader`.
 */
export async function duePartitions(db: Db): Promise<DuePartition[]> {
  const { rows } = await sql<Omit<DuePartition, 'archive'> & { log: LogPolicy }>`
    SELECT groups.id AS "groupId", organization_id AS "organizationId", name AS "group", log, known.suffix,
      known.starts_at AS "startsAt", known.ends_at AS "endsAt"
    FROM groups, LATERAL log_partitions(groups.id) AS known
    WHERE log->>'retentionDays' IS NOT NULL AND known.base = 'inferences' AND known.ends_at <= retention_cutoff(groups.id)
      AND NOT EXISTS (SELECT FROM archives WHERE group_id = groups.id AND state = 'restored' AND restored_until > now()
        AND archives.starts_at < known.ends_at AND archives.ends_at > known.starts_at)
    ORDER BY known.ends_at, groups.id`.execute(db);
  return rows.map(({ log, ...due }) => ({ ...due, archive: logPolicySchema.parse(log).archive }));
}

/** What a partition holds; undefined when it is gone. For the role `leader`. */
export async function countPartition(db: Db, { groupId, suffix }: Partition): Promise<RowCount[] | undefined> {
  const { rows } = await sql<{ counts: RowCount[] | null }>`
    SELECT count_partition(${groupId}, ${suffix}) AS counts`.execute(db);
  return rows[0]!.counts ?? undefined;
}

/**
 * Drops a partition with its counts moved in the ledger and an audit entry, in one statement that may lose against another one
 * (isContention). With an archive, only if that holds every row; and only if the group's policy of now still wants it gone.
 * @returns the counts of what was dropped; undefined when somebody else has dropped it, or it is to stay
 * @throws an error of SQLSTATE RS001 when the archive is not a verified one of what the partition holds now
 */
export async function dropPartition(
  db: Db,
  partition: Partition,
  how: { readonly archiveId: string | null; readonly requestId: string },
): Promise<RowCount[] | undefined> {
  const { rows } = await sql<{ counts: RowCount[] | null }>`
    SELECT drop_partition(${partition.groupId}, ${partition.suffix}, ${how.archiveId}, ${how.requestId}) AS counts`.execute(
    db,
  );
  return rows[0]!.counts ?? undefined;
}
