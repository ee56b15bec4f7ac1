import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { auditLog, waitForDrained } from '../support/audit.ts';
import { settleFault } from '../support/fault-results.ts';
import { scaled } from '../support/fault-scale.ts';
import { type Load, medianOf, startLoad } from '../support/load.ts';
import { metricOf } from '../support/metrics.ts';
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** R3, R4 and R10: PostgreSQL frozen, killed in the middle of a batch, and gone together with the control plane. */
const WORKERS = 2;
const FROZEN_MS = scaled(5_000, 60_000);
const KILLS = scaled(2, 10);
let postgres: OwnPostgres;
let stack: Stack;
let key: string;
let load: Load | undefined;

beforeAll(async () => {
  postgres = await startOwnPostgres();
  stack = await startStack({ workers: WORKERS, database: { url: postgres.databaseUrl, drop: async () => undefined } });
  key = await stack.createGroup('steady', { a: 6_000, b: 4_000 });
});
afterEach(() => load?.stop());
afterAll(async () => {
  postgres.thaw();
  await stack.stop();
  await postgres.remove();
});

function startCalls(): Load {
  let turn = 0;
  load = startLoad({
    ...{ gatewayUrl: stack.gatewayUrl, callers: 6 },
    next: () => ({ key, body: { model: 'steady', stream: turn++ % 2 === 0 } }),
  });
  return load;
}
const calls = (running: Load, more: number) => {
  const goal = running.acknowledged.length + more;
  return waitFor(`${more} answers`, () => running.acknowledged.length >= goal, 30_000);
};
const audit = (acknowledged: readonly string[]) =>
  auditLog(stack.databaseUrl, [join(stack.dataFolder, 'spool')], acknowledged);

test(
  'R3: PostgreSQL is frozen under load: every request is served, the spool grows, and is shipped whole afterwards',
  async (context) => {
    const running = startCalls();
    await calls(running, 200);
    await postgres.freeze();
    const before = running.acknowledged.length;
    const frozenAt = performance.now();
    await waitFor('the end of the frost', () => performance.now() - frozenAt > FROZEN_MS, FROZEN_MS + 10_000);
    const served = running.acknowledged.length - before;
    expect(served).toBeGreaterThan(0);
    // Nothing of it can have been stored.
    expect(metricOf(await stack.metrics(), 'ringside_log_spooled')).toBeGreaterThanOrEqual(served);
    postgres.thaw();
    await calls(running, 50);
    await running.stop();
    expect(running.failures).toEqual([]);
    await waitForDrained(stack, WORKERS, scaled(60_000, 180_000));
    const { outcomes: _, gaps, ...counts } = await audit(running.acknowledged);
    const usualMs = medianOf(running.latenciesMs.slice(0, before)).toFixed(1);
    const frozenMs = medianOf(running.latenciesMs.slice(before, before + served)).toFixed(1);
    const scope = `SIGSTOP for ${FROZEN_MS / 1000} s, ${served} served meanwhile, median ${frozenMs} ms (before: ${usualMs} ms)`;
    settleFault(context, { fault: 'R3', scope, ...counts });
    expect(gaps).toEqual([]);
  },
  120_000 + 4 * FROZEN_MS,
);

/** Undefined while the server recovers. */
async function connect(): Promise<pg.Client | undefined> {
  const client = new pg.Client({ connectionString: postgres.databaseUrl });
  client.on('error', () => undefined); // it dies with the server
  return client.connect().then(
    () => client,
    () => undefined,
  );
}

/** Holds up whatever writes the ledger, and resolves with the process id of a shipper's backend in the middle of its transaction. */
async function catchShipper(): Promise<{ readonly pid: number; release(): Promise<void> }> {
  const blocker = await waitFor('the server to let us in', connect);
  await blocker.query('BEGIN; LOCK TABLE ringside.ledger IN ACCESS EXCLUSIVE MODE');
  const pid = await waitFor('a batch to be caught half way', async () => {
    await blocker.query('SELECT pg_stat_clear_snapshot()'); // a transaction sees one state of it
    const { rows } = await blocker.query<{ pid: number }>(`SELECT pid FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'ringside shipper' AND wait_event_type = 'Lock'
        AND backend_xid IS NOT NULL`);
    return rows[0]?.pid;
  });
  return { pid, release: () => blocker.end().catch(() => undefined) };
}

test(
  `R4: PostgreSQL is killed in the middle of a batch, ${KILLS} times one backend and ${KILLS} times all of it: one row per inference`,
  async (context) => {
    const running = startCalls();
    for (let kill = 0; kill < 2 * KILLS; kill++) {
      await calls(running, 100);
      const caught = await catchShipper();
      if (kill % 2 === 0) {
        process.kill(caught.pid, 'SIGKILL'); // the server then ends all others and recovers by itself
      } else {
        await postgres.kill();
        await calls(running, 20);
        await postgres.restart();
      }
      await caught.release();
    }
    await calls(running, 50);
    await running.stop();
    expect(running.failures).toEqual([]);
    await waitForDrained(stack, WORKERS);
    const { outcomes: _, gaps, ...counts } = await audit(running.acknowledged);
    settleFault(context, { fault: 'R4', scope: `${KILLS} backends and ${KILLS} servers killed mid-batch`, ...counts });
    expect(gaps).toEqual([]);
  },
  scaled(120_000, 600_000),
);

test('R10: with PostgreSQL and the control plane gone, a gateway that is killed and started again serves and spools, and ships when they are back', async (context) => {
  const acknowledged: string[] = [];
  const serve = async () => {
    const running = startCalls();
    await calls(running, 100);
    await running.stop();
    expect(running.failures).toEqual([]);
    acknowledged.push(...running.acknowledged);
  };
  await serve();
  await stack.killControlPlane();
  await postgres.kill();
  for (let start = 0; start < 2; start++) {
    await stack.killGateway();
    await stack.startGateway();
    expect((await fetch(`${stack.gatewayUrl}/readyz`)).status).toBe(200);
    await serve();
    // An unknown key may only not have arrived: never a 401.
    const unknown = await stack.chat('rsk_unknown', { model: 'steady' });
    expect(unknown.status).toBe(503);
    await unknown.text();
  }
  expect(stack.log()).toMatch(/serving configuration \d+ from /);
  await postgres.restart();
  await stack.startControlPlane();
  await waitForDrained(stack, WORKERS);
  const { outcomes: _, gaps, ...counts } = await audit(acknowledged);
  settleFault(context, { fault: 'R10', scope: 'gateway killed and started twice without them', ...counts });
  expect(gaps).toEqual([]);
}, 120_000);
