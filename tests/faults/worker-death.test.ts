import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { allInferences, type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

let stack: Stack;
let key: string;

beforeAll(async () => {
  const preload = pathToFileURL(join(import.meta.dirname, '../support/mortal-worker.mjs')).href;
  stack = await startStack({ workers: 2, env: { NODE_OPTIONS: `--import ${preload}` } });
  key = await stack.createGroup('mortal', { m: 10_000 });
});
afterAll(() => stack.stop());

const metric = async (name: string) => {
  const lines = (await stack.metrics()).split('\n').filter((line) => line.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
};

test('a serving thread dies under load: the others serve on, it is replaced, counters stay, its spool is adopted', async () => {
  const acknowledged: string[] = [];
  let running = true;
  let cut = 0;
  const load = Array.from({ length: 16 }, async () => {
    while (running) {
      try {
        const answer = await stack.chat(key, { model: 'mortal' });
        await answer.arrayBuffer();
        if (answer.status === 200) acknowledged.push(answer.headers.get('x-ringside-inference-id')!);
      } catch {
        cut++;
      }
    }
  });
  for (const slot of [0, 1, 0]) {
    const restarts = await metric('ringside_worker_restarts_total');
    const goal = acknowledged.length + 300;
    await waitFor('load', () => acknowledged.length >= goal);
    await writeFile(join(stack.dataFolder, `end-worker-${slot}`), '');
    await waitFor('the replacement', async () => (await metric('ringside_worker_restarts_total')) > restarts);
    const after = acknowledged.length + 300;
    await waitFor('serving to go on', () => acknowledged.length >= after);
  }
  running = false;
  await Promise.all(load);
  // Each death cuts at most what was in flight on the dead thread.
  expect(cut).toBeLessThanOrEqual(3 * 16);
  expect(stack.log()).toMatch(/worker 0 died; a new one starts/);
  await waitFor('nothing to be in flight', async () => (await metric('ringside_in_flight')) === 0);
  const rows = await waitFor(
    'every acknowledged inference',
    async () => {
      const found = await allInferences(stack, 'mortal');
      const ids = new Set(found.map((row) => row['id']));
      return acknowledged.every((id) => ids.has(id)) ? found : undefined;
    },
    30_000,
  );
  expect(new Set(rows.map((row) => row['id'])).size).toBe(rows.length);
  const completed = rows.filter((row) => row['outcome'] === 'completed').length;
  expect(completed).toBeGreaterThanOrEqual(acknowledged.length);
  await waitFor('the ledger to balance', async () => {
    const [accepted, recorded, interrupted] = await Promise.all(
      ['accepted_total', 'recorded_total', 'interrupted_total'].map((name) => metric(`ringside_log_${name}`)),
    );
    const [stored, spooled] = await Promise.all(
      ['stored_total', 'spooled'].map((name) => metric(`ringside_log_${name}`)),
    );
    return accepted === recorded! + interrupted! && recorded === stored && spooled === 0;
  });
}, 90_000);
