import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import { migrate } from '#store/migrate.ts';
import { createPool } from '#store/pool.ts';

test('partitions with rows of before the migration get the column, empty', async () => {
  const server = new pg.Client({ connectionString: inject('postgresUrl') });
  await server.connect();
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  await server.query(`CREATE DATABASE ${name} TEMPLATE template0`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  const db = createPool({ databaseUrl: url.href, role: 'login', maxConnections: 1, applicationName: 'test' });
  try {
    await sql`CREATE SCHEMA IF NOT EXISTS ringside`.execute(db);
    const before = [
      '0001_initial',
      '0002_copy_into_partitions',
      '0003_log_policy',
      '0004_partitions',
      '0005_rollups_and_ledger',
      '0006_reading',
    ];
    const migrations = Object.fromEntries(
      await Promise.all(before.map(async (file) => [file, await import(`../../migrations/${file}.ts`)] as const)),
    );
    const migrator = new Migrator({
      db,
      provider: { getMigrations: async () => migrations },
      migrationTableSchema: 'ringside',
    });
    const { error } = await migrator.migrateToLatest();
    expect(error).toBeUndefined();
    const groupId = randomUUID();
    await sql`SELECT ringside.provision_partition(${groupId}, now())`.execute(db);
    await sql`INSERT INTO ringside.inferences (id, group_id, created_at, organization_id, schema_version, gateway_id, config_version, key_id,
        operation, dialect, streamed, assigned_variant, served_reason, unit, unit_source, hash_version, bucket, range_from, range_to,
        phase, status, outcome, end_reason, attempts, total_ns, trace_id, request_bytes, response_bytes)
      SELECT gen_random_uuid(), ${groupId}, now(), gen_random_uuid(), 1, gen_random_uuid(), 1, gen_random_uuid(),
        'chat', 'd', false, 'v', 'assigned', 'u', 'key', 1, 1, 0, 1, 1, 200, 'completed', 'body', '[]', 1, 't', 1, 1`.execute(
      db,
    );
    expect(await migrate(url.href)).toContain('0008_capture_facts');
    const { rows } = await sql`SELECT capture_facts FROM ringside.inferences`.execute(db);
    expect(rows).toEqual([{ capture_facts: null }]);
    await sql`SELECT ringside.provision_partition(${groupId}, now() + interval '30 days')`.execute(db);
  } finally {
    await db.destroy();
    await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await server.end();
  }
});
