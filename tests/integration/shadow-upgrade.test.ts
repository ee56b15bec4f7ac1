import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import { migrate } from '#store/migrate.ts';
import { createPool } from '#store/pool.ts';

const THIS = '0014_experiments';

test('groups that had shadows before there were mirrored calls mirror nothing by themselves; others have the defaults', async () => {
  const server = new pg.Client({ connectionString: inject('postgresUrl') });
  await server.connect();
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  await server.query(`CREATE DATABASE ${name} TEMPLATE template0`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  const db = createPool({ databaseUrl: url.href, role: 'login', maxConnections: 1, applicationName: 'test' });
  try {
    await sql`CREATE SCHEMA IF NOT EXISTS ringside`.execute(db);
    const files = (await readdir(new URL('../../migrations/', import.meta.url)))
      .filter((file) => file.endsWith('.ts'))
      .map((file) => file.slice(0, -3))
      .filter((file) => file < THIS);
    const migrations = Object.fromEntries(
      await Promise.all(files.map(async (file) => [file, await import(`../../migrations/${file}.ts`)] as const)),
    );
    const migrator = new Migrator({
      ...{ db, provider: { getMigrations: async () => migrations }, migrationTableSchema: 'ringside' },
    });
    expect((await migrator.migrateToLatest()).error).toBeUndefined();
    const [organization, model] = [randomUUID(), randomUUID()];
    await sql`INSERT INTO ringside.organizations (id, name) VALUES (${organization}, 'acme')`.execute(db);
    await db
      .insertInto('models')
      .values({ id: model, organization_id: organization, name: 'm' } as never)
      .execute();
    for (const role of ['shadow', 'challenger'] as const) {
      const id = randomUUID();
      await sql`INSERT INTO ringside.groups (id, organization_id, name, description, salt, capture, log)
        VALUES (${id}, ${organization}, ${role}, '', ${'00'.repeat(16)}, '{}', '{}')`.execute(db);
      await sql`INSERT INTO ringside.variants (group_id, model_id, organization_id, position, role, weight_bp, ranges)
        VALUES (${id}, ${model}, ${organization}, 0, ${role}, 0, '[]')`.execute(db);
    }
    expect(await migrate(url.href)).toContain(THIS);
    const { rows } = await sql`SELECT name, shadow FROM ringside.groups ORDER BY name`.execute(db);
    expect(rows).toEqual([
      { name: 'challenger', shadow: {} },
      { name: 'shadow', shadow: { sampleBp: 0 } },
    ]);
    const { rows: forced } = await sql`SELECT relname FROM pg_class WHERE relnamespace = 'ringside'::regnamespace
      AND relname IN ('groups', 'variants') AND relrowsecurity AND relforcerowsecurity ORDER BY relname`.execute(db);
    expect(forced).toEqual([{ relname: 'groups' }, { relname: 'variants' }]);
  } finally {
    await db.destroy();
    await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await server.end();
  }
});
