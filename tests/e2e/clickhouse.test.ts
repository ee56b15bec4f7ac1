import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, expect, test } from 'vitest';
import { createClickHouseClient } from '#inference-log/sinks/clickhouse/client.ts';
import { addressOf, createClickHouseStore, describeWithClickHouse } from '#tests/support/clickhouse-store.ts';
import { createTestDatabase } from '#tests/support/database.ts';
import { type Stack, startStack } from '#tests/support/stack.ts';
import { waitFor } from '#tests/support/wait.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');
const PASSWORD = 'planted-hunter2';

const stopServer = await describeWithClickHouse('ringside with RINGSIDE_CLICKHOUSE_URL', (server) => {
  let stack: Stack | undefined;
  afterEach(async () => {
    await stack?.stop();
    stack = undefined;
  });

  test('ringside migrate makes the tables once, and says in one line why it cannot', async () => {
    const database = await createTestDatabase();
    const url = `${server().url}/c_${randomUUID().replaceAll('-', '')}`;
    const migrate = (clickhouseUrl: string) =>
      ringside('migrate', { DATABASE_URL: database.url, RINGSIDE_CLICKHOUSE_URL: clickhouseUrl });
    expect(await migrate(url)).toEqual({
      code: 0,
      out: 'applied clickhouse/0001_initial, clickhouse/0002_capture_facts, clickhouse/0003_expiry_fences, clickhouse/0004_experiments',
      err: '',
    });
    expect(await migrate(url)).toEqual({ code: 0, out: 'the schema is up to date', err: '' });
    for (const [bad, reason] of [
      [url.replace(/:[^:@]+@/, `:${PASSWORD}@`), /AUTHENTICATION_FAILED.*check RINGSIDE_CLICKHOUSE_URL$/],
      [`http://u:${PASSWORD}@127.0.0.1:1/x`, /cannot be reached: ECONNREFUSED; check RINGSIDE_CLICKHOUSE_URL$/],
      [`http://u:${PASSWORD}@127.0.0.1:1/`, /RINGSIDE_CLICKHOUSE_URL: must name a database/],
    ] as const) {
      const { code, err } = await migrate(bad);
      expect(code).toBe(1);
      expect(err).toMatch(reason);
      expect(err).not.toContain('\n');
      expect(err).not.toContain(PASSWORD);
    }
    const { database: name, ...rest } = addressOf(url);
    const client = createClickHouseClient({ address: { ...rest, database: 'default' } });
    await client.query(`DROP DATABASE ${name}`);
    client.close();
    await database.drop();
  });

  test('what is served is stored in ClickHouse and counted in the ledger; PostgreSQL holds no row of it', async () => {
    const store = await createClickHouseStore(server());
    stack = await startStack({ env: { RINGSIDE_CLICKHOUSE_URL: `${server().url}/${store.address.database}` } });
    const key = await stack.createGroup('columnar', { champ: 9_000, chall: 1_000 });
    const served: string[] = [];
    for (let i = 0; i < 25; i++) {
      const answer = await stack.chat(key, { model: 'columnar' });
      await answer.arrayBuffer();
      expect(answer.status).toBe(200);
      served.push(answer.headers.get('x-ringside-inference-id')!);
    }
    const rows = await waitFor('the rows', async () => {
      const found = await store.rows('SELECT id, outcome FROM inferences FINAL');
      return found.length >= served.length && found;
    });
    expect(rows.map(({ id }) => id).sort()).toEqual(served.sort());
    expect(rows.every(({ outcome }) => outcome === 'completed')).toBe(true);
    const [bodies] = await store.rows(
      `SELECT count() AS rows FROM inference_payloads FINAL WHERE request LIKE '%Hello%'`,
    );
    expect(bodies).toEqual({ rows: 25 });
    const metric = /^ringside_log_stored_total\{[^}]*\} 25$/m;
    await waitFor('the ledger', async () => metric.test(await stack!.metrics()));
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    // The leader reads rows and bodies there: a mirrored call is compared. A thread that has other work drops some.
    await stack.api('PUT', '/groups/columnar/variants', [
      { model: 'champ', role: 'champion', weightBp: 10_000 },
      { model: 'chall', role: 'shadow' },
    ]);
    const measures = await waitFor(
      'a pair to be compared',
      async () => {
        await (await stack!.chat(key, { model: 'columnar' })).arrayBuffer();
        const { rows: pairs } = await client.query(
          `SELECT measures FROM ringside.shadow_pairs WHERE state = 'compared'`,
        );
        return pairs[0]?.measures as Record<string, number> | undefined;
      },
      40_000,
    );
    expect(measures).toMatchObject({ failure: 0, latency_us: expect.any(Number), text_similarity: expect.any(Number) });
    const { rows: elsewhere } = await client.query('SELECT id FROM ringside.inferences');
    await client.end();
    expect(elsewhere).toEqual([]);
    expect(stack.log()).not.toContain(`${store.address.password}@`);
    await store.close();
  }, 150_000);
});
afterAll(stopServer);

function ringside(
  command: string,
  settings: Record<string, string>,
): Promise<{ code: number; out: string; err: string }> {
  const env = { PATH: process.env['PATH'], ...settings };
  return new Promise((done) => {
    execFile(process.execPath, [LAUNCHER, command], { env }, (error, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : 0, out: stdout.trim(), err: stderr.trim() });
    });
  });
}
