import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { MIRROR_OUTCOMES } from '#gateway/telemetry/layout.ts';
import { auditLog, waitForDrained } from '../support/audit.ts';
import { settleFault } from '../support/fault-results.ts';
import { scaled } from '../support/fault-scale.ts';
import { type Load, startLoad } from '../support/load.ts';
import { metricOf } from '../support/metrics.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** R18: a shadow that takes every call and never answers, with everything mirrored to it, under load. */
const WORKERS = 2;
const CALLERS = 8;
const ANSWERS = scaled(600, 20_000);
const MAX_CONCURRENCY = 4;
/** Longer than any test: what a shadow was sent stays under way. */
const NEVER_MS = 600_000;
const MAX_HELD_BYTES = 8 * 1024 * 1024;
const PROMPT_BYTES = 100_000;
let stack: Stack;
let key: string;
let load: Load | undefined;

beforeAll(async () => {
  stack = await startStack({
    workers: WORKERS,
    env: {
      RINGSIDE_MAX_HELD_BODY_BYTES: String(MAX_HELD_BYTES),
      RINGSIDE_UPSTREAM_FIRST_BYTE_TIMEOUT_MS: String(NEVER_MS),
    },
  });
  key = await stack.createGroup('caller', { main: 10_000 });
  await must('POST', '/models', { name: 'hole', provider: 'sim', upstreamModel: 'hole' });
  await fetch(`${stack.simulatorUrl}/_sim/models/hole`, { method: 'PUT', body: JSON.stringify({ blackHoleRate: 1 }) });
});
afterEach(() => load?.stop());
afterAll(() => stack.stop());

async function must(method: string, path: string, body: unknown): Promise<void> {
  const answer = await stack.api(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

async function mirrorTo(shadow: object): Promise<void> {
  await must('PATCH', '/groups/caller', { shadow });
  await must('PUT', '/groups/caller/variants', [
    { model: 'main', role: 'champion', weightBp: 10_000 },
    { model: 'hole', role: 'shadow' },
  ]);
}

function startCalls(callers: number, content: string): Load {
  let turn = 0;
  load = startLoad({
    ...{ gatewayUrl: stack.gatewayUrl, callers },
    next: () => ({
      key,
      body: { model: 'caller', stream: turn++ % 2 === 0, messages: [{ role: 'user', content }] },
    }),
  });
  return load;
}

const audit = (acknowledged: readonly string[]) =>
  auditLog(stack.databaseUrl, [join(stack.dataFolder, 'spool')], acknowledged);

const mirrored = async () => {
  const text = await stack.metrics();
  return (outcome = '') => metricOf(text, 'ringside_mirrored_total', outcome === '' ? '' : `outcome="${outcome}"`);
};

/** Rows of mirrored calls, by how they ended. */
async function shadowRows(): Promise<Record<string, number>> {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ code: string | null; count: string }>(
    'SELECT error_code AS code, count(*) AS count FROM ringside.inferences WHERE shadow_of IS NOT NULL GROUP BY 1',
  );
  await client.end();
  return Object.fromEntries(rows.map(({ code, count }) => [String(code), Number(count)]));
}

test('R18: every caller is served and stored; mirrored calls are dropped beyond their bound, and counted one by one', async (context) => {
  await mirrorTo({ maxConcurrency: MAX_CONCURRENCY, timeoutMs: NEVER_MS });
  const running = startCalls(CALLERS, 'Hello');
  await waitFor(`${ANSWERS} answers`, () => running.acknowledged.length >= ANSWERS, 60_000);
  await running.stop();
  expect(running.failures).toEqual([]);
  const count = await mirrored();
  expect(count()).toBe(MIRROR_OUTCOMES.reduce((sum, outcome) => sum + count(outcome), 0));
  // What has not ended is under way: never more than the bound of each thread.
  const underWay = running.acknowledged.length - count();
  expect(underWay).toBeGreaterThan(0);
  expect(underWay).toBeLessThanOrEqual(WORKERS * MAX_CONCURRENCY);
  expect(count('dropped_concurrency') + count('dropped_busy')).toBe(count());
  const journal = (await (await fetch(`${stack.simulatorUrl}/_sim/requests?limit=0`)).json()) as {
    byModel: Record<string, number>;
  };
  expect(journal.byModel['hole']).toBe(underWay);
  // The bound lets them end: nothing of them is left behind.
  await must('PATCH', '/groups/caller', { shadow: { sampleBp: 0 } });
  const {
    outcomes: _,
    gaps,
    ...counts
  } = await waitFor('everybody’s row', async () => {
    const found = await audit(running.acknowledged);
    return found.lost === 0 ? found : undefined;
  });
  expect(gaps).toEqual([]);
  settleFault(context, { fault: 'R18', scope: 'a black-holed shadow, everything mirrored', ...counts });
}, 120_000);

test('R18: what mirrored calls hold never keeps a caller’s prompt out', async () => {
  await mirrorTo({ sampleBp: 10_000, maxConcurrency: 1_000, maxPerMinute: 1_000_000 });
  const running = startCalls(2, 'x'.repeat(PROMPT_BYTES));
  await waitFor('mirrored calls without room', async () => (await mirrored())('dropped_memory') > 20, 60_000);
  await running.stop();
  expect(running.failures).toEqual([]);
  expect(running.acknowledged.length).toBeGreaterThan(20);
});

test('R18: stopping waits for no shadow; what was under way is recorded as cut off, and the ledger balances', async () => {
  const before = await mirrored();
  const exited = new Promise<number | null>((done) => stack.gateway().once('exit', (code) => done(code)));
  stack.gateway().kill('SIGTERM');
  expect(await exited).toBe(0);
  await stack.startGateway();
  await waitForDrained(stack, WORKERS);
  expect(before('completed')).toBe(0);
  const rows = await shadowRows();
  expect(Object.keys(rows)).toEqual(['interrupted']);
  expect(rows['interrupted']).toBeGreaterThan(MAX_CONCURRENCY);
  expect(await audit([])).toMatchObject({ balanced: true, duplicates: 0, gaps: [] });
});
