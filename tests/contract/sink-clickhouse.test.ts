import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { InferenceRow } from '#inference-log/record.ts';
import { migrateClickHouse } from '#inference-log/sinks/clickhouse/migrate.ts';
import { createClickHouseSink } from '#inference-log/sinks/clickhouse/sink.ts';
import { RefusedBatchError, type Sink, type SinkBatch } from '#inference-log/spool.ts';
import { createPool, type Db } from '#store/pool.ts';
import {
  addressOf,
  type ClickHouseStore,
  createClickHouseStore,
  describeWithClickHouse,
} from '#tests/support/clickhouse-store.ts';
import { createTestDatabase } from '#tests/support/database.ts';
import { rolledFigures } from '#tests/support/figures.ts';
import {
  beginRecord,
  endRecord,
  GROUP_ID,
  IN_TABLES,
  KEY_ID,
  newInferenceId,
  ORGANIZATION_ID,
} from '#tests/support/records.ts';
import { describeSink } from './sink.ts';

/** Rows are in ClickHouse by then, and PostgreSQL forgets the cursor: what a crash between the two leaves. */
const FAIL_COMMITS = `
  CREATE OR REPLACE FUNCTION public.crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a crash'; END $$;
  CREATE CONSTRAINT TRIGGER crash AFTER INSERT OR UPDATE ON ringside.spools DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.crash()`;

const stopServer = await describeWithClickHouse('the ClickHouse sink', (server) => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let store: ClickHouseStore;
  let sink: Sink;
  let db: Db;
  beforeAll(async () => {
    database = await createTestDatabase();
    store = await createClickHouseStore(server());
    sink = createClickHouseSink({ databaseUrl: database.url, clickhouse: store.address });
    db = createPool({ databaseUrl: database.url, role: 'login', maxConnections: 1, applicationName: 'test' });
  });
  afterAll(async () => {
    await sink.close();
    await db.destroy();
    await store.close();
    await database.drop();
  });

  const onDatabase = async (statement: string) => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(statement);
    await client.end();
  };

  describeSink('clickhouse', {
    rollups: (gatewayId) => rolledFigures(db, gatewayId),
    sink: () => sink,
    storedIds: (gatewayId) => store.storedIds(gatewayId),
    countsKnownRows: true,
  });

  test.each(['none', 'zstd'] as const)('every column arrives as it was sent (compression: %s)', async (compression) => {
    const packed = createClickHouseSink({ databaseUrl: database.url, clickhouse: { ...store.address, compression } });
    const { batch, row, gatewayId } = start();
    const odd = 'ä\0b\ud800c';
    const sha = createHash('sha256').update('whole').digest('hex');
    const attempts = endRecord().attempts.map((attempt) => ({ ...attempt, requestId: odd }));
    const long = 'ü'.repeat(30_000);
    const experiment = { id: randomUUID(), phase: 2, arm: 1 };
    const shadowOf = newInferenceId();
    const full = row({
      begin: beginRecord({
        ...{ unit: odd, streamed: true, configVersion: 2 ** 40, requestSha256: sha, requestFacts: 64 },
        ...{ experiment, shadowOf },
      }),
      end: endRecord({
        responseBytes: 5e9,
        attempts,
        finishReason: long,
        firstTokenNs: 0,
        status: -1,
        responseFacts: 31,
      }),
      ...{ request: Buffer.from([0, 255, 10, 9, 92]), response: Buffer.alloc(70_000, 0xfe) },
    });
    const bare = row({
      end: endRecord({ servedVariant: null, finishReason: null, inputTokens: null, connectNs: null }),
    });
    await packed.write(batch({ rows: [full, bare] }));
    await packed.close();
    const where = `FINAL WHERE gateway_id = '${gatewayId}' ORDER BY unit`;
    const [second, first] = await store.rows(
      `SELECT *, toUnixTimestamp64Milli(created_at) AS ms FROM inferences ${where}`,
    );
    expect(first).toMatchObject({
      ...{ id: full.id, group_id: GROUP_ID, organization_id: ORGANIZATION_ID, key_id: KEY_ID, gateway_id: gatewayId },
      ...{ unit: 'ä\ufffdb\ufffdc', streamed: true, config_version: 2 ** 40, status: -1, bucket: 4321, range_to: 5000 },
      ...{ response_bytes: 5e9, finish_reason: long, first_token_ns: 0, total_ns: 4e9, cost_micro_usd: null },
      capture_facts: 64 + 31 * 128,
      ...{ experiment_id: experiment.id, experiment_phase: 2, arm: 1, shadow_of: shadowOf },
      ms: Number.parseInt(full.id.replace('-', '').slice(0, 12), 16),
    });
    expect(JSON.parse(first!['attempts'] as string)).toMatchObject([{ requestId: 'ä\ufffdb\ufffdc', connectNs: 20 }]);
    expect(second).toMatchObject({ id: bare.id, served_variant: null, finish_reason: null, input_tokens: null });
    expect(second).toMatchObject({
      capture_facts: null,
      connect_ns: null,
      output_tokens: 0,
      error_code: null,
      first_token_ns: null,
      ...{ experiment_id: null, experiment_phase: null, arm: null, shadow_of: null },
    });
    const payloads = await store.rows(`SELECT hex(request) AS request, hex(response) AS response, response_type,
      lower(hex(request_sha256)) AS sha, response_sha256 FROM inference_payloads FINAL WHERE id = '${full.id}'`);
    expect(payloads).toEqual([
      {
        ...{ request: '00FF0A095C', response: 'FE'.repeat(70_000), sha, response_sha256: null },
        response_type: 'application/json',
      },
    ]);
  });

  test('after a crash between rows and cursor each row is read once and counted once, however the batches are cut then', async () => {
    const { batch, row, gatewayId } = start();
    const rows = Array.from({ length: 30 }, () => row({ request: Buffer.from('r') }));
    const raw = async (table: string) => {
      const ids = rows.map(({ id }) => `'${id}'`).join();
      const [found] = await store.rows(`SELECT count() AS rows FROM ${table} WHERE id IN (${ids})`);
      return found!['rows'];
    };
    await onDatabase(FAIL_COMMITS);
    for (let i = 0; i < 3; i++) await expect(sink.write(batch({ rows }))).rejects.toThrow('a crash');
    await onDatabase('DROP TRIGGER crash ON ringside.spools');
    expect(await sink.readCursor(batch({}).spoolId)).toBeUndefined();
    expect(await sink.readLedger(gatewayId)).toEqual([]);
    // Three times the same batch under the same token.
    expect([await raw('inferences'), await raw('inference_payloads')]).toEqual([30, 30]);
    await sink.write(batch({ rows: rows.slice(0, 7), cursor: at(5) }));
    await sink.write(batch({ rows: rows.slice(7), expected: at(5), cursor: at(9) }));
    expect(await store.storedIds(gatewayId)).toEqual(rows.map(({ id }) => id).sort());
    expect(await sink.readLedger(gatewayId)).toEqual([
      { groupId: GROUP_ID, stored: 30, ...IN_TABLES, interrupted: 0, dropped: 0 },
    ]);
    await store.client.query('OPTIMIZE TABLE inferences FINAL');
    await store.client.query('OPTIMIZE TABLE inference_payloads FINAL');
    expect([await raw('inferences'), await raw('inference_payloads')]).toEqual([30, 30]);
  });

  test('a record that joins its batch at the second try is not swallowed with the rest', async () => {
    const { batch, row, gatewayId } = start();
    const rows = [row(), row()];
    await onDatabase(FAIL_COMMITS);
    await expect(sink.write(batch({ rows: rows.slice(1) }))).rejects.toThrow('a crash');
    await onDatabase('DROP TRIGGER crash ON ringside.spools');
    await sink.write(batch({ rows }));
    expect(await store.storedIds(gatewayId)).toEqual(rows.map(({ id }) => id).sort());
  });

  test('a value that only the server refuses is a matter of its record; a table that is not there is not', async () => {
    const { batch, row } = start();
    await store.client.query(`ALTER TABLE inferences ADD CONSTRAINT known CHECK unit != 'secret'`);
    const refused = sink.write(batch({ rows: [row({ begin: beginRecord({ unit: 'secret' }) })] }));
    await expect(refused).rejects.toThrow(RefusedBatchError);
    await expect(refused).rejects.toThrow(/VIOLATED_CONSTRAINT/);
    await expect(refused).rejects.not.toThrow(/secret/);
    await store.client.query('ALTER TABLE inferences DROP CONSTRAINT known');
    await store.client.query('RENAME TABLE inferences TO away');
    const stalled = sink.write(batch({ rows: [row()] }));
    await expect(stalled).rejects.not.toThrow(RefusedBatchError);
    await expect(stalled).rejects.toThrow(/UNKNOWN_TABLE.*run: ringside migrate/);
    await store.client.query('RENAME TABLE away TO inferences');
  });

  test('says in one line what keeps it from ClickHouse, and never the password', async () => {
    const { batch, row } = start();
    const write = async (clickhouse: typeof store.address, insertTimeoutMs = 10_000) => {
      const failing = createClickHouseSink({ databaseUrl: database.url, clickhouse, insertTimeoutMs });
      const error = await failing.write(batch({ rows: [row()] })).catch((thrown: Error) => thrown);
      await failing.close();
      expect(error).toBeInstanceOf(Error);
      expect(error).not.toBeInstanceOf(RefusedBatchError);
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('hunter2');
      return (error as Error).message;
    };
    expect(await write({ ...store.address, password: 'hunter2' })).toMatch(/AUTHENTICATION_FAILED/);
    expect(await write({ ...store.address, password: 'hunter2', port: 1 })).toMatch(/127\.0\.0\.1:1 cannot be reached/);
    expect(await write({ ...store.address, database: 'none_such' })).toMatch(/UNKNOWN_DATABASE.*run: ringside migrate/);
    const silent = net.createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as net.AddressInfo;
    expect(await write({ ...store.address, password: 'hunter2', port }, 200)).toMatch(/did not answer within 200 ms/);
    silent.close();
  });

  test('migrations make what is missing, once, from any number of starters; a retention can be set and changed', async () => {
    const address = addressOf(`${server().url}/m_${randomUUID().replaceAll('-', '')}`);
    const both = await Promise.all([migrateClickHouse({ address }), migrateClickHouse({ address })]);
    expect(both.flat()).toContain('0001_initial');
    expect(await migrateClickHouse({ address, retentionDays: 30 })).toEqual([]);
    expect(await migrateClickHouse({ address, retentionDays: 30 })).toEqual([]);
    await migrateClickHouse({ address, retentionDays: 90 });
    await migrateClickHouse({ address });
    const made = await store.rows(`SELECT name, engine_full AS how FROM system.tables
      WHERE database = '${address.database}' ORDER BY name`);
    expect(made.map(({ name }) => name)).toEqual([
      'expiry_fences',
      'inference_payloads',
      'inferences',
      'ringside_migrations',
    ]);
    for (const { how } of made.slice(1, 3)) expect(how).toMatch(/TTL toDateTime\(created_at\) \+ toIntervalDay\(90\)/);
    await store.client.query(`DROP DATABASE ${address.database}`, { inDatabase: false });
  });
});
afterAll(stopServer);

function at(offset: number) {
  return { scan: { segment: 1, offset }, shipped: { segment: 1, offset } };
}

function start() {
  const [spoolId, gatewayId] = [randomUUID(), randomUUID()];
  return {
    gatewayId,
    row: (changes: Partial<InferenceRow> = {}): InferenceRow => ({
      ...{ id: newInferenceId(), gatewayId, begin: beginRecord(), end: endRecord(), request: null, response: null },
      ...changes,
    }),
    batch: (changes: Partial<SinkBatch>): SinkBatch => ({
      ...{ spoolId, gatewayId, expected: undefined, cursor: at(10), rows: [], dropped: [], finished: false },
      ...changes,
    }),
  };
}
