import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditLog, waitForDrained } from '../support/audit.ts';
import { settleFault } from '../support/fault-results.ts';
import { scaled } from '../support/fault-scale.ts';
import { startLoad } from '../support/load.ts';
import { metricOf } from '../support/metrics.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** R25: a serving thread ends by itself or runs out of memory. */
const WORKERS = 2;
const CALLERS = 16;
const ROUNDS = scaled(1, 10);
const MAX_HELD_BODY_BYTES = 4_000_000;
let stack: Stack;
let key: string;

beforeAll(async () => {
  const preload = pathToFileURL(join(import.meta.dirname, '../support/mortal-worker.mjs')).href;
  stack = await startStack({
    workers: WORKERS,
    env: {
      // A small heap is soon full; each thread has its own.
      NODE_OPTIONS: `--import ${preload} --max-old-space-size=128`,
      RINGSIDE_MAX_HELD_BODY_BYTES: String(MAX_HELD_BODY_BYTES),
    },
  });
  key = await stack.createGroup('mortal', { m: 10_000 });
});
afterAll(() => stack.stop());

const metric = async (name: string) => metricOf(await stack.metrics(), name);

/** Ends a worker and waits until another one has its place. */
async function endWorker(how: 'end' | 'exhaust', slot: number): Promise<void> {
  const restarts = await metric('ringside_worker_restarts_total');
  await writeFile(join(stack.dataFolder, `${how}-worker-${slot}`), '');
  await waitFor('the death', async () => (await metric('ringside_worker_restarts_total')) > restarts, 30_000);
}

test(
  'serving threads die under load: the others serve on, they are replaced, counters stay, their spools are adopted',
  async (context) => {
    const load = startLoad({
      ...{ gatewayUrl: stack.gatewayUrl, callers: CALLERS },
      next: () => ({ key, body: { model: 'mortal' } }),
    });
    const served = (more: number) => {
      const goal = load.acknowledged.length + more;
      return waitFor(`${more} answers`, () => load.acknowledged.length >= goal, 30_000);
    };
    const deaths = Array.from(
      { length: ROUNDS },
      () =>
        [
          ['end', 0],
          ['exhaust', 1],
          ['end', 0],
          ['exhaust', 0],
        ] as const,
    );
    for (const [how, slot] of deaths.flat()) {
      await served(300);
      await endWorker(how, slot);
      await served(300);
    }
    await load.stop();
    // Each death cuts at most what was in flight on the dead thread, and nobody is answered with a failure.
    expect(load.failures.length).toBeLessThanOrEqual(deaths.flat().length * CALLERS);
    expect(load.failures.filter((failure) => /^\d{3} /.test(failure))).toEqual([]);
    expect(stack.log()).toMatch(/worker 0 died; a new one starts/);
    expect(stack.log()).toMatch(/worker 1 failed: .*ERR_WORKER_OUT_OF_MEMORY/);
    await waitFor('nothing to be in flight', async () => (await metric('ringside_in_flight')) === 0);
    await waitForDrained(stack, WORKERS);
    const spoolRoot = join(stack.dataFolder, 'spool');
    const { outcomes, gaps, ...counts } = await auditLog(stack.databaseUrl, [spoolRoot], load.acknowledged);
    settleFault(context, {
      fault: 'R25',
      scope: `${deaths.flat().length} threads ended, half out of memory`,
      ...counts,
    });
    expect(gaps).toEqual([]);
    expect(load.acknowledged.every((id) => outcomes.get(id) === 'completed')).toBe(true);
  },
  scaled(90_000, 600_000),
);

test('the memory that a dead thread held for bodies is there again', async () => {
  const announced = 1_500_000;
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-length: ${announced}\r\n\r\n`;
  const sockets: net.Socket[] = [];
  const refusals: string[] = [];
  // Callers that never send the rest, until one is refused: the budget is spent.
  await waitFor('the budget to be spent', () => {
    if (refusals.length > 0) return true;
    const socket = net.connect(stack.gatewayPort, '127.0.0.1');
    socket.on('data', (chunk) => refusals.push(chunk.toString()));
    socket.on('error', () => undefined); // its thread dies
    socket.write(head + 'x'.repeat(announced - 1));
    sockets.push(socket);
    return false;
  });
  expect(refusals[0]).toMatch(/^HTTP\/1\.1 503 [\s\S]*overloaded/);
  for (let slot = 0; slot < WORKERS; slot++) await endWorker('end', slot);
  const content = 'x'.repeat(announced);
  await waitFor('a large request to be served', async () => {
    const answer = await stack.chat(key, { model: 'mortal', messages: [{ role: 'user', content }] }).catch(() => null);
    await answer?.arrayBuffer();
    return answer?.status === 200;
  });
  for (const socket of sockets) socket.destroy();
}, 60_000);
