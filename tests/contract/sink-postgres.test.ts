import { afterAll, beforeAll } from 'vitest';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import type { Sink } from '#inference-log/spool.ts';
import { createPool, type Db } from '#store/pool.ts';
import { createTestDatabase } from '#tests/support/database.ts';
import { createMemorySink } from '#tests/support/memory-sink.ts';
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
});

// The one that properties of the shipper run on must behave as the real ones do.
const memory = createMemorySink();
describeSink('memory', {
  sink: () => memory,
  storedIds: async (gatewayId) =>
    [...memory.rows.values()].filter((row) => row.gatewayId === gatewayId).map(({ id }) => id),
});
