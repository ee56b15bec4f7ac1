import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { migrate } from '#store/migrate.ts';
import { createPool, type Db } from '#store/pool.ts';
import { waitFor } from '#tests/support/wait.ts';

const BEFORE = [
  '0001_initial',
  '0002_copy_into_partitions',
  '0003_log_policy',
  '0004_partitions',
  '0005_rollups_and_ledger',
  '0006_reading',
];
let server: pg.Client;
let url: URL;
let db: Db;

/** A database that lacks the column of 0008. */
beforeAll(async () => {
  server = new pg.Client({ connectionString: inject('postgresUrl') });
  await server.connect();
  url = new URL(inject('postgresUrl'));
  url.pathname = `/t_${randomUUID().replaceAll('-', '')}`;
  await server.query(`CREATE DATABASE ${url.pathname.slice(1)} TEMPLATE template0`);
  db = createPool({ databaseUrl: url.href, role: 'login', maxConnections: 1, applicationName: 'test' });
  const files = BEFORE.map(async (file) => [file, await import(`../../migrations/${file}.ts`)] as const);
  const migrations = Object.fromEntries(await Promise.all(files));
  const provider = { getMigrations: async () => migrations };
  await sql`CREATE SCHEMA ringside`.execute(db);
  const { error } = await new Migrator({ db, provider, migrationTableSchema: 'ringside' }).migrateToLatest();
  expect(error).toBeUndefined();
});
afterAll(async () => {
  await db.destroy();
  await server.query(`DROP DATABASE ${url.pathname.slice(1)} WITH (FORCE)`);
  await server.end();
});

/** Runs `work` while somebody reads the log in a transaction that does not end, as a backup does. */
async function besideBackup<Result>(work: (end: () => Promise<unknown>) => Promise<Result>): Promise<Result> {
  const backup = new pg.Client({ connectionString: url.href });
  await backup.connect();
  try {
    await backup.query('BEGIN');
    await backup.query('SELECT FROM ringside.inferences');
    return await work(() => backup.query('COMMIT'));
  } finally {
    await backup.end();
  }
}

test('a migration that has to wait for the log gives up, changes nothing, and says why', async () => {
  await besideBackup(async () => {
    await expect(migrate(url.href, { lockTimeoutMs: 20 })).rejects.toThrow(
      /^migration 0008_capture_facts failed: .*lock timeout/,
    );
  });
  const { rows } = await sql`SELECT name FROM ringside.kysely_migration ORDER BY name`.execute(db);
  expect(rows).toEqual(BEFORE.map((name) => ({ name })));
});

test('it lets those through that wait behind it, tries again, and gets its turn', async () => {
  await besideBackup(async (endBackup) => {
    const migrating = migrate(url.href, { lockTimeoutMs: 500 });
    await waitFor('the migration to wait', async () => {
      const { rows } = await sql`SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'`.execute(db);
      return rows.length > 0;
    });
    await sql`SELECT FROM ringside.inferences`.execute(db); // waits behind the migration's lock
    await endBackup();
    expect(await migrating).toContain('0008_capture_facts');
  });
});
