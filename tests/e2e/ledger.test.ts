import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LogReport } from '#inference-log/verify/report.ts';
import { createPool } from '#store/pool.ts';
import { figuresOfTable, rolledFigures } from '#tests/support/figures.ts';
import { type Stack, startStack } from '#tests/support/stack.ts';
import { waitFor } from '#tests/support/wait.ts';

let stack: Stack;
let key: string;
beforeAll(async () => {
  stack = await startStack();
  key = await stack.createGroup('books', { fast: 7_000, other: 3_000 });
});
afterAll(() => stack.stop());

interface Entry {
  readonly accepted: number;
  readonly stored: number;
  readonly balance: string;
  readonly gateway: { readonly state: string };
}

const ledger = async (): Promise<readonly Entry[]> =>
  (await stack.api<{ items: Entry[] }>('GET', '/ledger?group=books')).body.items;

/** Runs `ringside verify-log` as an operator does. */
async function verifyLog(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const launcher = join(import.meta.dirname, '../../bin/ringside.mjs');
  const env = { ...process.env, DATABASE_URL: stack.databaseUrl, RINGSIDE_DATA_DIR: stack.dataFolder };
  const child = spawn(process.execPath, [launcher, 'verify-log', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.err += chunk.toString()));
  const code = await new Promise<number | null>((done) => child.once('close', done));
  return { code, ...output };
}

async function chats(count: number): Promise<void> {
  const answers = Array.from({ length: count }, async (_, i) => {
    const answer = await stack.chat(key, { model: 'books', stream: i % 2 === 0, user: `u${i}` });
    expect(answer.status).toBe(200);
    await answer.text();
  });
  await Promise.all(answers);
}

test('the ledger of a serving gateway balances once all is stored, and after a kill and a restart both do', async () => {
  await chats(40);
  await waitFor('a balanced ledger', async () => {
    const [entry] = await ledger();
    return entry?.balance === 'balanced' && entry.stored === 40;
  });
  expect(await ledger()).toMatchObject([{ accepted: 40, stored: 40, gateway: { state: 'live' } }]);
  const checked = await verifyLog('--json', '--group', 'books');
  expect(checked.code, checked.err).toBe(0);
  const report = JSON.parse(checked.out) as LogReport;
  expect(report.entries).toMatchObject([{ group: 'books', rows: 40, rolled: 40 }]);

  const cut = stack.chat(key, { model: 'books', stream: true }).catch(() => undefined);
  await chats(10);
  await stack.killGateway();
  await cut;
  expect((await verifyLog()).code).toBe(0);
  await stack.startGateway();
  await chats(5);
  await waitFor('the rows', async () => (await ledger()).reduce((sum, { stored }) => sum + stored, 0) >= 55);
  const after = await verifyLog();
  expect(after.code, after.out).toBe(0);
  expect(after.out).toMatch(/^gateway +group +accepted/);
  expect(after.out).toMatch(/no gap\n$/);
});

test('the rollups are what the rows say', async () => {
  const db = createPool({ databaseUrl: stack.databaseUrl, role: 'login', maxConnections: 1, applicationName: 'test' });
  try {
    await waitFor('all rows', async () => (await ledger()).every(({ balance }) => balance !== 'open'));
    expect(await rolledFigures(db)).toEqual(await figuresOfTable(db));
  } finally {
    await db.destroy();
  }
});

test('a gap ends it with 1, as a group that is not there; a wrong argument with 2, each with one line', async () => {
  const db = createPool({ databaseUrl: stack.databaseUrl, role: 'login', maxConnections: 1, applicationName: 'test' });
  await db.updateTable('ledger').set({ stored: 1_000 }).execute();
  await db.destroy();
  const found = await verifyLog('--group', 'books');
  expect(found.code).toBe(1);
  expect(found.out).toMatch(/rows_missing \(\d+\): \d+ rows, the ledger says 1000/);
  expect(await verifyLog('--group', 'nobody')).toEqual({
    code: 1,
    out: '',
    err: 'ringside: there is no group "nobody"\n',
  });
  expect(await verifyLog('--colour')).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringMatching(/^ringside: verify-log: .*colour/),
  });
});
