import { type RawBuilder, sql } from 'kysely';
import type { HeldLedger, ReportedLedger } from '#core/ledger.ts';
import type { Db, Tx } from './pool.ts';

/** Both sides of the ledger of one gateway and group, as they stand. */
export interface LedgerRow {
  readonly gatewayId: string;
  readonly groupId: string;
  /** Null: this gateway does not report its side. */
  readonly reported: ReportedLedger | null;
  readonly reportedAt: Date | null;
  readonly held: HeldLedger;
  /** Interrupted rows that have left the tables. */
  readonly interruptedRemoved: number;
  /** How many of all rows that came are in the rollups; the others were shipped by an earlier release. */
  readonly rolled: number;
  /** Of those that are: how many are no more, since the rollups of their time have been removed. */
  readonly rollupsRemoved: number;
  /** What is known of the process; null: it never reported at all. */
  readonly gateway: {
    readonly host: string;
    readonly startedAt: Date;
    readonly seenAt: Date;
    readonly stoppedAt: Date | null;
    /** Milliseconds since its last report, by the database's clock. */
    readonly silentMs: number;
    /** How many spools it has opened; 0: it does not say. */
    readonly spools: number;
  } | null;
  /** How many of its spools are in the store to their end. */
  readonly finishedSpools: number;
}

/** The place of a row in the list: newest gateway first. */
export interface LedgerPlace {
  /** 0 for a gateway that never reported. */
  readonly startedMs: number;
  readonly gatewayId: string;
  readonly groupId: string;
}

export interface LedgerFilter {
  readonly groupIds: readonly string[];
  readonly gatewayId: string | undefined;
  /** Gateways that ran, or wrote, at some time in `since` ≤ … < `until`. */
  readonly since: Date | undefined;
  readonly until: Date | undefined;
  readonly after: LedgerPlace | undefined;
  readonly limit: number;
}

interface FlatRow {
  readonly gateway_id: string;
  readonly group_id: string;
  readonly started_ms: number;
  readonly accepted: number | null;
  readonly recorded: number | null;
  readonly dropped: Record<string, number> | null;
  readonly reported_at: Date | null;
  readonly stored: number | null;
  readonly interrupted: number | null;
  readonly dead_letters: number | null;
  readonly archived: number | null;
  readonly expired: number | null;
  readonly interrupted_removed: number | null;
  readonly rolled: number | null;
  readonly rollups_removed: number | null;
  readonly host: string | null;
  readonly started_at: Date | null;
  readonly seen_at: Date | null;
  readonly stopped_at: Date | null;
  readonly silent_ms: number | null;
  readonly spools: number | null;
  readonly finished_spools: number;
}

/** The ledger by gateway and group, newest gateway first. */
export async function listLedger(tx: Tx, filter: LedgerFilter): Promise<LedgerRow[]> {
  const { after } = filter;
  const conditions = [sql`group_id = ANY (${[...filter.groupIds]}::uuid[])`];
  if (filter.gatewayId !== undefined) conditions.push(sql`gateway_id = ${filter.gatewayId}`);
  // A gateway lives from its start to its end; of one that never reported, the rows that it wrote tell.
  if (filter.since !== undefined)
    conditions.push(sql`coalesce(greatest(stopped_at, seen_at) >= ${filter.since}, EXISTS (
      SELECT FROM rollups r WHERE r.group_id = both_sides.group_id AND r.gateway_id = both_sides.gateway_id
        AND r.minute >= date_trunc('minute', ${filter.since}::timestamptz)))`);
  if (filter.until !== undefined)
    conditions.push(sql`coalesce(started_at < ${filter.until}, EXISTS (
      SELECT FROM rollups r WHERE r.group_id = both_sides.group_id AND r.gateway_id = both_sides.gateway_id
        AND r.minute < ${filter.until}))`);
  if (after !== undefined) conditions.push(behind(after));
  return ledgerEntries(tx, conditions, filter.limit);
}

/** Entries of which all these conditions hold, newest gateway first. They may name the columns of `both_sides`. */
export async function ledgerEntries(
  db: Db | Tx,
  conditions: readonly RawBuilder<unknown>[],
  limit: number,
): Promise<LedgerRow[]> {
  const { rows } = await sql<FlatRow>`
    SELECT both_sides.*, (
      SELECT count(*) FROM spools s WHERE s.gateway_id = both_sides.gateway_id AND s.finished) AS finished_spools
    FROM (
      SELECT gateway_id, group_id, floor(extract(epoch FROM coalesce(g.started_at, 'epoch')) * 1000)::bigint AS started_ms,
        own.accepted, own.recorded, own.dropped, own.reported_at,
        held.stored, held.interrupted, held.dropped AS dead_letters, held.archived, held.expired, held.interrupted_removed, held.rolled,
        held.rollups_removed,
        g.host, g.started_at, g.seen_at, g.stopped_at, g.spools,
        (extract(epoch FROM clock_timestamp() - g.seen_at) * 1000)::bigint AS silent_ms
      FROM ledger held FULL JOIN gateway_ledgers own USING (gateway_id, group_id) LEFT JOIN gateways g ON g.id = gateway_id
    ) AS both_sides
    WHERE ${sql.join([...conditions], sql` AND `)}
    ORDER BY started_ms DESC, gateway_id DESC, group_id DESC LIMIT ${limit}`.execute(db);
  return rows.map(rowOf);
}

/** That an entry comes after a place in the list. */
export function behind({ startedMs, gatewayId, groupId }: LedgerPlace): RawBuilder<unknown> {
  return sql`(started_ms, gateway_id, group_id) < (${startedMs}, ${gatewayId}::uuid, ${groupId}::uuid)`;
}

export function placeOf({ gateway, gatewayId, groupId }: LedgerRow): LedgerPlace {
  return { startedMs: gateway?.startedAt.getTime() ?? 0, gatewayId, groupId };
}

function rowOf(row: FlatRow): LedgerRow {
  return {
    gatewayId: row.gateway_id,
    groupId: row.group_id,
    reported:
      row.accepted === null
        ? null
        : { accepted: row.accepted, recorded: row.recorded ?? 0, dropped: row.dropped ?? {} },
    reportedAt: row.reported_at,
    held: {
      stored: row.stored ?? 0,
      interrupted: row.interrupted ?? 0,
      deadLetters: row.dead_letters ?? 0,
      archived: row.archived ?? 0,
      expired: row.expired ?? 0,
    },
    interruptedRemoved: row.interrupted_removed ?? 0,
    rolled: row.rolled ?? 0,
    rollupsRemoved: row.rollups_removed ?? 0,
    gateway:
      row.host === null
        ? null
        : {
            ...{ host: row.host, startedAt: row.started_at!, seenAt: row.seen_at!, stoppedAt: row.stopped_at },
            ...{ silentMs: row.silent_ms!, spools: row.spools! },
          },
    finishedSpools: row.finished_spools,
  };
}

/** What one gateway's inferences of one group and minute have become. */
export interface LedgerMinute {
  readonly minute: Date;
  readonly gatewayId: string;
  readonly groupId: string;
  readonly stored: number;
  readonly failed: number;
  readonly interrupted: number;
}

export interface LedgerMinuteFilter extends Omit<LedgerFilter, 'after'> {
  readonly after: { readonly minute: Date; readonly gatewayId: string; readonly groupId: string } | undefined;
}

/** The minutes of groups, newest first. Each group gives its newest from its own part of the index, and these are merged. */
export async function listLedgerMinutes(tx: Tx, filter: LedgerMinuteFilter): Promise<LedgerMinute[]> {
  const { after } = filter;
  const conditions = [sql`group_id = wanted.group_id`];
  if (filter.gatewayId !== undefined) conditions.push(sql`gateway_id = ${filter.gatewayId}`);
  if (filter.since !== undefined) conditions.push(sql`minute >= date_trunc('minute', ${filter.since}::timestamptz)`);
  if (filter.until !== undefined) conditions.push(sql`minute < ${filter.until}`);
  if (after !== undefined) {
    conditions.push(sql`minute <= ${after.minute}`);
    conditions.push(
      sql`(minute, gateway_id, group_id) < (${after.minute}, ${after.gatewayId}::uuid, ${after.groupId}::uuid)`,
    );
  }
  const { rows } = await sql<LedgerMinute>`
    SELECT newest.* FROM unnest(${[...filter.groupIds]}::uuid[]) AS wanted (group_id)
    CROSS JOIN LATERAL (
      SELECT minute, gateway_id AS "gatewayId", group_id AS "groupId", sum(count)::bigint AS stored,
        coalesce(sum(count) FILTER (WHERE error_code IS NOT NULL), 0)::bigint AS failed,
        sum(interrupted)::bigint AS interrupted
      FROM rollups WHERE ${sql.join(conditions, sql` AND `)}
      GROUP BY minute, gateway_id, group_id ORDER BY minute DESC, gateway_id DESC LIMIT ${filter.limit}
    ) AS newest
    ORDER BY minute DESC, "gatewayId" DESC, "groupId" DESC LIMIT ${filter.limit}`.execute(tx);
  return rows;
}
