import { sql } from 'kysely';
import { behind, type LedgerPlace, type LedgerRow, ledgerEntries } from './ledger.ts';
import type { Db } from './pool.ts';

/** Every group whose log has a retention, of all organizations. For the role `leader`, as everything here. */
export async function groupsWithRetention(db: Db): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM groups WHERE log->>'retentionDays' IS NOT NULL ORDER BY id`.execute(db);
  return rows.map(({ id }) => id);
}

/**
 * Removes the oldest rollups of a group that are past its retention and `keepDays`, unless rows of their time are there. One
 * statement, which may lose against another one (isContention).
 * @param limits `stepRows`: about how many at most; `keptFrom`: when the oldest row was made that is kept elsewhere, if any
 * @returns how many; 0 when no more are to go
 */
export async function expireRollups(
  db: Db,
  groupId: string,
  {
    keepDays,
    stepRows,
    keptFrom,
  }: { readonly keepDays: number; readonly stepRows: number; readonly keptFrom: Date | undefined },
): Promise<number> {
  const { rows } = await sql<{ removed: number }>`
    SELECT expire_rollups(${groupId}, ${keepDays}, ${stepRows}, ${keptFrom ?? null}) AS removed`.execute(db);
  return rows[0]!.removed;
}

/**
 * Entries of gateways that were not heard of for `keepDays`, of which nothing is left: no row in the tables or in an archive, no
 * rollup. A gateway that never reported is as old as its rollups were.
 * @param after the last one of the page before
 */
export function emptyEntries(
  db: Db,
  keepDays: number,
  after: LedgerPlace | undefined,
  limit: number,
): Promise<LedgerRow[]> {
  const conditions = [
    // Dead letters of no known group explain what gateways lack elsewhere.
    sql`group_id IN (SELECT id FROM groups)`,
    sql`CASE WHEN host IS NULL THEN rolled > 0
      ELSE greatest(stopped_at, seen_at) < now() - make_interval(hours => 24 * ${keepDays}::integer) END`,
    sql`coalesce(stored, 0) = 0 AND coalesce(archived, 0) = 0`,
    sql`coalesce(interrupted, 0) = coalesce(interrupted_removed, 0) AND coalesce(rolled, 0) = coalesce(rollups_removed, 0)`,
    sql`NOT EXISTS (SELECT FROM archives AS a WHERE a.group_id = both_sides.group_id
      AND a.counts @> jsonb_build_array(jsonb_build_object('gatewayId', both_sides.gateway_id)))`,
  ];
  return ledgerEntries(db, after === undefined ? conditions : [...conditions, behind(after)], limit);
}

/** Removes both sides of entries, unless anything has come meanwhile. */
export async function removeEntries(
  db: Db,
  entries: readonly { readonly gatewayId: string; readonly groupId: string }[],
): Promise<void> {
  const gateways = entries.map(({ gatewayId }) => gatewayId);
  const groups = entries.map(({ groupId }) => groupId);
  await sql`WITH wanted AS MATERIALIZED (SELECT * FROM unnest(${gateways}::uuid[], ${groups}::uuid[]) AS w (gateway_id, group_id)),
      held AS (DELETE FROM ledger USING wanted WHERE ledger.gateway_id = wanted.gateway_id
        AND ledger.group_id = wanted.group_id AND stored = 0 AND archived = 0
        AND interrupted = interrupted_removed AND rolled = rollups_removed RETURNING ledger.gateway_id, ledger.group_id)
    DELETE FROM gateway_ledgers AS own USING wanted
    WHERE own.gateway_id = wanted.gateway_id AND own.group_id = wanted.group_id
      AND ((own.gateway_id, own.group_id) IN (SELECT gateway_id, group_id FROM held)
        OR NOT EXISTS (SELECT FROM ledger AS l WHERE l.gateway_id = own.gateway_id AND l.group_id = own.group_id))`.execute(
    db,
  );
}
