import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import { beginExpiry, finishExpiry } from '#store/clickhouse-expiry.ts';
import { migrate } from '#store/migrate.ts';
import { createPool } from '#store/pool.ts';

const FOLDER = join(import.meta.dirname, '../../migrations');
const OURS = '0010_clickhouse_accounts';

test('a deletion that was cut off in the release before is ended, and counted, by this one', async () => {
  const server = new pg.Client({ connectionString: inject('postgresUrl') });
  await server.connect();
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  await server.query(`CREATE DATABASE ${name} TEMPLATE template0`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  const pool = (role: 'login' | 'leader') =>
    createPool({ databaseUrl: url.href, role, maxConnections: 1, applicationName: 'test' });
  const [db, leader] = [pool('login'), pool('leader')];
  try {
    await sql`CREATE SCHEMA IF NOT EXISTS ringside`.execute(db);
    const before = (await readdir(FOLDER)).filter((file) => /^\d{4}_.*\.ts$/.test(file) && file < OURS).sort();
    const migrations = Object.fromEntries(
      await Promise.all(before.map(async (file) => [file.slice(0, -3), await import(join(FOLDER, file))] as const)),
    );
    const provider = { getMigrations: async () => migrations };
    const { error } = await new Migrator({ db, provider, migrationTableSchema: 'ringside' }).migrateToLatest();
    expect(error).toBeUndefined();
    const [organizationId, groupId, gatewayId] = [randomUUID(), randomUUID(), randomUUID()];
    await db.insertInto('organizations').values({ id: organizationId, name: 'acme' }).execute();
    await sql`INSERT INTO ringside.groups (id, organization_id, name, description, salt, capture, log)
      VALUES (${groupId}, ${organizationId}, 'g', '', 'ab', '{}', '{"retentionDays": 30}')`.execute(db);
    await sql`INSERT INTO ringside.ledger (gateway_id, group_id, stored, interrupted, dropped)
      VALUES (${gatewayId}, ${groupId}, 10, 3, 0)`.execute(db);
    const counts = [
      { gatewayId, outcome: 'completed', rows: 4 },
      { gatewayId, outcome: 'upstream_error', rows: 3 },
      { gatewayId, outcome: 'interrupted', rows: 2 },
    ];
    await sql`INSERT INTO ringside.clickhouse_expiry (group_id, until, state, run, counts)
      VALUES (${groupId}, now() - interval '40 days', 'deleting', 1, ${JSON.stringify(counts)})`.execute(db);

    expect(await migrate(url.href)).toContain(OURS);
    const run = await beginExpiry(leader, groupId);
    const merged = [
      { gatewayId, outcome: 'ended', rows: 7 },
      { gatewayId, outcome: 'interrupted', rows: 2 },
    ];
    expect(run?.counts?.toSorted((a, b) => b.rows - a.rows)).toEqual(merged);
    expect(await finishExpiry(leader, run!, run!.counts!, 'r')).toBe(true);
    const { rows } = await sql`SELECT stored, expired, interrupted, interrupted_removed AS removed
      FROM ringside.ledger WHERE group_id = ${groupId}`.execute(db);
    expect(rows).toEqual([{ stored: 3, expired: 7, interrupted: 3, removed: 2 }]);
    // As the release before asks, whose leader may go on for a while.
    const asked = await sql`SELECT expire_rollups(${groupId}, 400, 10) AS removed`.execute(leader);
    expect(asked.rows).toEqual([{ removed: 0 }]);
  } finally {
    await db.destroy();
    await leader.destroy();
    await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await server.end();
  }
});
