import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import type { Sink } from '#inference-log/spool.ts';
import { createPool, type Db } from '#store/pool.ts';
import { createTestDatabase } from '#tests/support/database.ts';
import { figuresOfRollups, rolledFigures } from '#tests/support/figures.ts';
import { createMemorySink } from '#tests/support/memory-sink.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';
import { describeSink } from './sink.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let sink: Sink;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
  sink = createPostgresSink({ databaseUrl: database.url });
  db = createPool({ databaseUrl: database.url, role: 'login', maxConnections: 1, applicationName: 'test' });
});
afterAll(async () => {
  await sink.close();
  await db.destroy();
  await database.drop();
});

describeSink('postgres', {
  sink: () => sink,
  storedIds: async (gatewayId) => {
    const rows = await db.selectFrom('inferences').select('id').where('gateway_id', '=', gatewayId).execute();
    return rows.map(({ id }) => id);
  },
  rollups: (gatewayId) => rolledFigures(db, gatewayId),
});

test('stores nothing in a partition that is not part of the log any more, and makes a dropped one again', async () => {
  const groupId = randomUUID();
  const [gatewayId, spoolId] = [randomUUID(), randomUUID()];
  const at = (offset: number) => ({ scan: { segment: 1, offset }, shipped: { segment: 1, offset } });
  const rows = () =>
    Array.from({ length: 30 }, () => ({
      ...{ id: newInferenceId(Date.now(), groupId), gatewayId, begin: beginRecord({ groupId }), end: endRecord() },
      ...{ request: Buffer.from('a'), response: null },
    }));
  const given = { spoolId, gatewayId, dropped: [], finished: false };
  await sink.write({ ...given, expected: undefined, cursor: at(1), rows: rows() });
  const { rows: names } = await sql<{ suffix: string }>`
    SELECT ringside.provision_partition(${groupId}, now()) AS suffix`.execute(db);
  const [parent, leaf] = [`inferences_g_${groupId.replaceAll('-', '')}`, `inferences_${names[0]!.suffix}`];
  await sql.raw(`ALTER TABLE ringside.${parent} DETACH PARTITION ringside.${leaf}`).execute(db);
  const late = { ...given, expected: at(1), cursor: at(2), rows: rows() };
  await expect(sink.write(late)).rejects.toThrow(/is detached/);
  const { rows: kept } = await sql<{ count: number }>`
    SELECT count(*) AS count FROM ${sql.raw(`ringside.${leaf}`)}`.execute(db);
  expect(kept[0]!.count).toBe(30);
  await sql.raw(`DROP TABLE ringside.${leaf}`).execute(db);
  await sink.write(late);
  const stored = await db.selectFrom('inferences').select('id').where('gateway_id', '=', gatewayId).execute();
  expect(stored.map(({ id }) => id).sort()).toEqual(late.rows.map(({ id }) => id).sort());
});

test('metadata is stored by either way in, and null where there is none', async () => {
  const metadata = { team: 'blå', n: 0.5, ok: false, note: 'a "quote" \\ {,}' };
  const given = { dropped: [], finished: false, expected: undefined };
  for (const count of [3, 40]) {
    const [gatewayId, spoolId] = [randomUUID(), randomUUID()];
    const rows = Array.from({ length: count }, (_, index) => ({
      ...{ id: newInferenceId(), gatewayId, end: endRecord(), request: null, response: null },
      begin: index === 0 ? beginRecord() : beginRecord({ metadata: { ...metadata, index } }),
    }));
    const cursor = { scan: { segment: 1, offset: 1 }, shipped: { segment: 1, offset: 1 } };
    await sink.write({ ...given, spoolId, gatewayId, cursor, rows });
    const stored = await db
      .selectFrom('inferences')
      .select(['id', 'metadata'])
      .where('gateway_id', '=', gatewayId)
      .execute();
    const byId = new Map(stored.map((row) => [row.id, row.metadata]));
    expect(rows.map(({ id }) => byId.get(id))).toEqual(rows.map(({ begin }) => begin.metadata ?? null));
  }
});

// The one that properties of the shipper run on must behave as the real ones do.
const memory = createMemorySink();
describeSink('memory', {
  sink: () => memory,
  storedIds: async (gatewayId) =>
    [...memory.rows.values()].filter((row) => row.gatewayId === gatewayId).map(({ id }) => id),
  rollups: async (gatewayId) => figuresOfRollups(memory.rollups(gatewayId)),
});
