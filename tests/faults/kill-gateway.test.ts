import { afterAll, beforeAll, expect, test } from 'vitest';
import { allInferences, type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

let stack: Stack;
let key: string;

beforeAll(async () => {
  stack = await startStack();
  key = await stack.createGroup('killed', { champ: 5_000, chall: 5_000 });
});
afterAll(() => stack.stop());

const KILLS = 5;

test(`kill -9 under load, ${KILLS} times: every acknowledged inference is in the log after the restart, exactly once`, async () => {
  const acknowledged: string[] = [];
  for (let round = 0; round < KILLS; round++) {
    let running = true;
    const goal = acknowledged.length + 200 + round * 137;
    const load = Array.from({ length: 32 }, async (_, index) => {
      while (running) {
        const streamed = index % 2 === 0;
        try {
          const answer = await stack.chat(key, { model: 'killed', stream: streamed });
          const text = await answer.text();
          if (answer.status === 200 && (!streamed || text.endsWith('data: [DONE]\n\n'))) {
            acknowledged.push(answer.headers.get('x-ringside-inference-id')!);
          }
        } catch {
          if (running) await new Promise((wake) => setImmediate(wake)); // cut by the kill, as intended
        }
      }
    });
    await waitFor('enough load', () => acknowledged.length >= goal);
    await stack.killGateway();
    running = false;
    await Promise.all(load);
    await stack.startGateway();
  }
  const wanted = new Set(acknowledged);
  const rows = await waitFor(
    'all acknowledged inferences',
    async () => {
      const found = await allInferences(stack, 'killed');
      const ids = new Set(found.map((row) => row['id']));
      return [...wanted].every((id) => ids.has(id)) ? found : undefined;
    },
    30_000,
  );
  const completed = rows.filter((row) => row['outcome'] === 'completed');
  expect(new Set(rows.map((row) => row['id'])).size).toBe(rows.length);
  expect(wanted.size).toBe(acknowledged.length);
  expect(completed.length).toBeGreaterThanOrEqual(acknowledged.length);
  expect(rows.every((row) => ['completed', 'interrupted', 'client_closed'].includes(row['outcome'] as string))).toBe(
    true,
  );
}, 120_000);

test('the gateway starts and serves with the database gone, from its last good configuration', async () => {
  await stack.chat(key, { model: 'killed' });
  await stack.killGateway();
  const away = await startStackWithoutDatabase();
  try {
    const answer = await stack.chat(key, { model: 'killed' });
    expect(answer.status).toBe(200);
    // An unknown key may only not have arrived: never a 401.
    expect((await stack.chat('rsk_unknown', { model: 'killed' })).status).toBe(503);
  } finally {
    await away();
  }
}, 60_000);

/** Starts the gateway with a database URL that nobody answers. Returns what puts things right again. */
async function startStackWithoutDatabase(): Promise<() => Promise<void>> {
  await stack.startGateway({ DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' });
  return async () => {
    await stack.killGateway();
    await stack.startGateway();
  };
}
