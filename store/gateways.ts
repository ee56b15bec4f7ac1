import { sql } from 'kysely';
import { CHANNELS } from './notifications.ts';
import type { Db, Tx } from './pool.ts';

/** What a gateway process says of itself. `snapshotVersion` and `keyVersion` are what all of its workers serve. */
export interface GatewayReport {
  /** UUID, one per process. */
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly release: string;
  readonly workers: number;
  readonly snapshotVersion: number;
  readonly keyVersion: number;
  readonly startedAt: Date;
}

export interface GatewayRow extends GatewayReport {
  readonly seenAt: Date;
  readonly stoppedAt: Date | null;
  /** Milliseconds since the last report, by the database's clock. */
  readonly silentMs: number;
}

/**
 * Writes what a gateway serves now, with the database's time, and nudges the control planes that wait for it.
 * For the role `gateway`. Call it after each swap of configuration and at least every 2 s: it is the heartbeat too.
 */
export async function reportGateway(db: Db, report: GatewayReport): Promise<void> {
  const { id, host, pid, release, workers, snapshotVersion, keyVersion, startedAt } = report;
  await sql`WITH written AS (
      INSERT INTO gateways (id, host, pid, release, workers, snapshot_version, key_version, started_at, seen_at)
      VALUES (${id}, ${host}, ${pid}, ${release}, ${workers}, ${snapshotVersion}, ${keyVersion}, ${startedAt}, now())
      ON CONFLICT (id) DO UPDATE SET host = excluded.host, pid = excluded.pid, release = excluded.release,
        workers = excluded.workers, snapshot_version = excluded.snapshot_version, key_version = excluded.key_version,
        seen_at = now(), stopped_at = NULL
      RETURNING id)
    SELECT pg_notify(${CHANNELS.gateways}, id::text) FROM written`.execute(db);
}

/** Says that a gateway stopped on purpose, so that nobody waits for it. For the role `gateway`. */
export async function stopGateway(db: Db, id: string): Promise<void> {
  await sql`WITH written AS (UPDATE gateways SET stopped_at = now() WHERE id = ${id} RETURNING id)
    SELECT pg_notify(${CHANNELS.gateways}, id::text) FROM written`.execute(db);
}

/** The gateways that were heard of within `seenWithinMs`, stopped ones too, newest start first. */
export async function listGateways(db: Db | Tx, seenWithinMs: number): Promise<GatewayRow[]> {
  const rows = await db
    .selectFrom('gateways')
    .selectAll()
    .select(sql<number>`(extract(epoch FROM clock_timestamp() - seen_at) * 1000)::integer`.as('silent_ms'))
    .where('seen_at', '>', sql<Date>`now() - make_interval(secs => ${seenWithinMs / 1000})`)
    .orderBy('started_at', 'desc')
    .orderBy('id')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    host: row.host,
    pid: row.pid,
    release: row.release,
    workers: row.workers,
    snapshotVersion: row.snapshot_version,
    keyVersion: row.key_version,
    startedAt: row.started_at,
    seenAt: row.seen_at,
    stoppedAt: row.stopped_at,
    silentMs: row.silent_ms,
  }));
}

/** Which version of what the gateways are asked for: a snapshot or the key deltas. */
export type Awaited = { readonly kind: 'snapshot' | 'keys'; readonly version: number };

/** How many gateways are live (heard of within `seenWithinMs`, not stopped) and how many of them serve a version. */
export async function countServing(
  db: Db,
  awaited: Awaited,
  seenWithinMs: number,
): Promise<{ live: number; serving: number }> {
  const column = awaited.kind === 'snapshot' ? sql.ref('snapshot_version') : sql.ref('key_version');
  const { rows } = await sql<{ live: number; serving: number }>`
    SELECT count(*) AS live, count(*) FILTER (WHERE ${column} >= ${awaited.version}) AS serving FROM gateways
    WHERE stopped_at IS NULL AND seen_at > now() - make_interval(secs => ${seenWithinMs / 1000})`.execute(db);
  return rows[0]!;
}
