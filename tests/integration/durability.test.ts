import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack, waitForInferences } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

const MODES = ['memory', 'process', 'disk'] as const;

let stack: Stack;
const keys = new Map<string, string>();
beforeAll(async () => {
  stack = await startStack({ workers: 1 });
  for (const mode of MODES) {
    keys.set(mode, await stack.createGroup(mode, { [`model-${mode}`]: 10_000 }));
    const changed = await stack.api('PATCH', `/groups/${mode}`, { log: { durability: mode } });
    expect(changed.status).toBe(200);
    // The change is served when this has been answered: it waits for the gateways.
    await waitFor('the group', async () => (await stack.chat(keys.get(mode)!, { model: mode })).status === 200);
  }
});
afterAll(() => stack.stop());

/** Threads of the gateway that sync spools. */
const syncThreads = () =>
  readdirSync(`/proc/${stack.gateway().pid}/task`).filter(
    (thread) => readFileSync(`/proc/${stack.gateway().pid}/task/${thread}/comm`, 'utf8').trim() === 'spool-sync',
  ).length;

test.each(MODES)('%s: plain answers and streams come whole, with their rows', async (mode) => {
  const key = keys.get(mode)!;
  const plain = await Promise.all(Array.from({ length: 20 }, () => stack.chat(key, { model: mode })));
  for (const answer of plain) expect((await answer.json()) as object).toHaveProperty('choices');
  const streams = await Promise.all(Array.from({ length: 20 }, () => stack.chat(key, { model: mode, stream: true })));
  for (const answer of streams) expect(await answer.text()).toMatch(/data: \[DONE\]\n\n$/);
  const rows = await waitForInferences(stack, mode, 41);
  expect(rows.every((row) => row['outcome'] === 'completed')).toBe(true);
});

test.runIf(process.platform === 'linux')(
  'a gateway without `disk` groups has no thread that syncs, one with them has',
  async () => {
    expect(syncThreads()).toBe(1);
    await stack.killGateway();
    await stack.startGateway();
    for (const mode of ['memory', 'process']) {
      const answer = await waitFor('an answer', async () => {
        const got = await stack.chat(keys.get(mode)!, { model: mode });
        return got.status === 200 && got;
      });
      await answer.arrayBuffer();
    }
    expect(syncThreads()).toBe(0);
    expect((await stack.chat(keys.get('disk')!, { model: 'disk' })).status).toBe(200);
    expect(syncThreads()).toBe(1);
  },
);
