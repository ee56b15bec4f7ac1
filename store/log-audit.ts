import { sql } from 'kysely';
import { createPool, type Db, type Tx } from './pool.ts';

/** What `ringside verify-log` asks, of all organizations, as the role `leader`: counts, ids and places, no contents. */
export function openAudit(databaseUrl: string): Db {
  return createPool({ databaseUrl, role: 'leader', maxConnections: 2, applicationName: 'ringside verify-log' });
}

/** Runs `work` on one state of the store: whatever is shipped meanwhile, all its counts are of the same moment. */
export function atOneMoment<Result>(db: Db, work: (tx: Tx) => Promise<Result>): Promise<Result> {
  return db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(work);
}

/** Groups that anything is known of, deleted ones too; `name` is null where no group has the id. */
export async function auditedGroups(tx: Tx): Promise<{ id: string; name: string | null }[]> {
  const { rows } = await sql<{ id: string; name: string | null }>`
    SELECT known.id, g.name FROM (
      SELECT id FROM groups UNION SELECT group_id FROM ledger UNION SELECT group_id FROM gateway_ledgers
    ) AS known LEFT JOIN groups g USING (id) ORDER BY g.name, known.id`.execute(tx);
  return rows;
}

/** Where each spool stands. */
export async function spoolCursors(tx: Tx) {
  return tx.selectFrom('spools').selectAll().execute();
}

/** Where a spool's reading starts now, whatever the moment of `atOneMoment`; undefined when the store does not know it. */
export async function scanSegmentNow(db: Db, spoolId: string): Promise<number | undefined> {
  const row = await db.selectFrom('spools').select('scan_segment').where('id', '=', spoolId).executeTakeFirst();
  return row?.scan_segment;
}

/** Counts of one gateway, by rows or by rollups. */
export interface GatewayCount {
  readonly gatewayId: string;
  readonly ended: number;
  readonly interrupted: number;
}

/** What the rollups of a group say, by gateway and UTC day. */
export async function rolledDays(tx: Tx, groupId: string): Promise<(GatewayCount & { readonly day: Date })[]> {
  const { rows } = await sql<GatewayCount & { day: Date }>`
    SELECT gateway_id AS "gatewayId", date_trunc('day', minute, 'UTC') AS day, sum(count)::bigint AS ended,
      sum(interrupted)::bigint AS interrupted
    FROM rollups WHERE group_id = ${groupId} GROUP BY 1, 2 ORDER BY 2`.execute(tx);
  return rows;
}

/** A span of time, half-open; null is endless. */
export interface Span {
  readonly from: Date | null;
  readonly to: Date | null;
}

/** The rows of a group in a span, by gateway. */
export async function countRows(tx: Tx, groupId: string, { from, to }: Span): Promise<GatewayCount[]> {
  const { rows } = await sql<GatewayCount>`
    SELECT gateway_id AS "gatewayId", count(*) FILTER (WHERE outcome <> 'interrupted') AS ended,
      count(*) FILTER (WHERE outcome = 'interrupted') AS interrupted
    FROM inferences WHERE group_id = ${groupId} AND created_at >= coalesce(${from}, '-infinity'::timestamptz)
      AND created_at < coalesce(${to}, 'infinity'::timestamptz)
    GROUP BY 1`.execute(tx);
  return rows;
}

/** A minute of which rows and rollups differ. */
export interface MinuteGap {
  readonly minute: Date;
  readonly rows: number;
  readonly rolled: number;
}

/** The minutes of a span in which a gateway's rows and rollups differ, the first `limit` of them. */
export async function differingMinutes(
  tx: Tx,
  place: { readonly groupId: string; readonly gatewayId: string },
  { from, to }: Span,
  limit: number,
): Promise<MinuteGap[]> {
  const { groupId, gatewayId } = place;
  const { rows } = await sql<MinuteGap>`
    SELECT minute, coalesce(found.n, 0) AS rows, coalesce(counted.n, 0) AS rolled FROM (
      SELECT date_trunc('minute', created_at) AS minute, count(*) AS n FROM inferences
      WHERE group_id = ${groupId} AND gateway_id = ${gatewayId} AND created_at >= coalesce(${from}, '-infinity'::timestamptz)
        AND created_at < coalesce(${to}, 'infinity'::timestamptz) GROUP BY 1
    ) AS found FULL JOIN (
      SELECT minute, sum(count + interrupted)::bigint AS n FROM rollups
      WHERE group_id = ${groupId} AND gateway_id = ${gatewayId} AND minute >= coalesce(${from}, '-infinity'::timestamptz)
        AND minute < coalesce(${to}, 'infinity'::timestamptz) GROUP BY 1
    ) AS counted USING (minute)
    WHERE coalesce(found.n, 0) <> coalesce(counted.n, 0) ORDER BY minute LIMIT ${limit}`.execute(tx);
  return rows;
}

/** The ids of a gateway's rows of one minute, the first `limit` of them. */
export async function idsOfMinute(
  tx: Tx,
  place: { readonly groupId: string; readonly gatewayId: string },
  minute: Date,
  limit: number,
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM inferences WHERE group_id = ${place.groupId} AND gateway_id = ${place.gatewayId}
      AND created_at >= ${minute} AND created_at < ${minute}::timestamptz + interval '1 minute'
    ORDER BY created_at, id LIMIT ${limit}`.execute(tx);
  return rows.map(({ id }) => id);
}

/** Which of some ids of a group, made between `from` and `to` (both included), have a row. */
export async function presentIds(
  tx: Tx,
  groupId: string,
  ids: readonly string[],
  from: Date,
  to: Date,
): Promise<Set<string>> {
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM inferences WHERE group_id = ${groupId} AND created_at BETWEEN ${from} AND ${to}
      AND id = ANY (${[...ids]}::uuid[])`.execute(tx);
  return new Set(rows.map(({ id }) => id));
}
