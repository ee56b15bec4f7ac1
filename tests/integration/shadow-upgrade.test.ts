import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { migrate } from '#store/migrate.ts';
import { createDatabaseBefore } from '#tests/support/old-database.ts';

const THIS = '0014_experiments';

test('groups that had shadows before there were mirrored calls mirror nothing by themselves; others have the defaults', async () => {
  const database = await createDatabaseBefore(THIS);
  const { db } = database;
  try {
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
    expect(await migrate(database.url)).toContain(THIS);
    const { rows } = await sql`SELECT name, shadow FROM ringside.groups ORDER BY name`.execute(db);
    expect(rows).toEqual([
      { name: 'challenger', shadow: {} },
      { name: 'shadow', shadow: { sampleBp: 0 } },
    ]);
    const { rows: forced } = await sql`SELECT relname FROM pg_class WHERE relnamespace = 'ringside'::regnamespace
      AND relname IN ('groups', 'variants') AND relrowsecurity AND relforcerowsecurity ORDER BY relname`.execute(db);
    expect(forced).toEqual([{ relname: 'groups' }, { relname: 'variants' }]);
  } finally {
    await database.drop();
  }
});
