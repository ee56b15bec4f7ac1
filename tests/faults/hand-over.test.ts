import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditLog, waitForDrained } from '../support/audit.ts';
import { exchange, startConnections } from '../support/connections.ts';
import { settleFault } from '../support/fault-results.ts';
import { scaled } from '../support/fault-scale.ts';
import { childrenOf } from '../support/processes.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** R9: a gateway that is replaced under a constant rate of new connections. */
const WORKERS = 2;
const REPLACEMENTS = scaled(3, 20);
const PER_SECOND = scaled(100, 500);
let stack: Stack;
let key: string;

beforeAll(async () => {
  stack = await startStack({
    workers: WORKERS,
    gatewayCommand: 'gateway-keeper',
    env: { RINGSIDE_DRAIN_MS: '20000' },
  });
  key = await stack.createGroup('kept', { quick: 5_000, slow: 5_000 });
  // Half of the streams are open for half a second: some are whenever the gateway is replaced.
  const behaviour = { answerTokens: 20, tokensPerSecond: 40 };
  await fetch(`${stack.simulatorUrl}/_sim/models/slow`, { method: 'PUT', body: JSON.stringify(behaviour) });
});
afterAll(() => stack.stop());

const bodyOf = (count: number) => ({
  model: 'kept',
  stream: count % 2 === 0,
  messages: [{ role: 'user', content: 'Hello' }],
});
const replacements = () => stack.log().split('replaced: the successor serves').length - 1;

test(
  `replaced ${REPLACEMENTS} times at ${PER_SECOND} new connections/s: none is refused or reset, no answer is cut`,
  async (context) => {
    const load = startConnections({ ...{ port: stack.gatewayPort, key, perSecond: PER_SECOND }, next: bodyOf });
    const served = (more: number) => {
      const goal = load.acknowledged.length + more;
      return waitFor(`${more} answers`, () => load.acknowledged.length >= goal, 30_000);
    };
    for (let turn = 1; turn <= REPLACEMENTS; turn++) {
      await served(PER_SECOND / 2);
      stack.gateway().kill('SIGUSR2');
      await waitFor(`replacement ${turn}`, () => replacements() === turn, 60_000);
    }
    await served(PER_SECOND / 2);
    const perSecond = Math.round(load.perSecond);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.acknowledged.length).toBe(load.begun);
    await waitForDrained(stack, WORKERS);
    const spoolRoot = join(stack.dataFolder, 'spool');
    const { outcomes, gaps, ...counts } = await auditLog(stack.databaseUrl, [spoolRoot], load.acknowledged);
    const scope = `replaced ${REPLACEMENTS} times at ${perSecond} new connections/s, 0 of ${load.begun} refused, reset or cut`;
    settleFault(context, { fault: 'R9', scope, ...counts });
    expect(gaps).toEqual([]);
    // Nothing else was served either: every row is one that a caller saw.
    expect(outcomes.size).toBe(load.acknowledged.length);
  },
  scaled(90_000, 900_000),
);

test('a successor that does not start: the gateway before it serves on', async () => {
  const [before] = await childrenOf(stack.gateway().pid!);
  const done = replacements();
  stack.gateway().kill('SIGUSR2');
  // It is there and does not serve yet.
  const successor = await waitFor('the successor', async () =>
    (await childrenOf(stack.gateway().pid!)).find((pid) => pid !== before),
  );
  process.kill(successor, 'SIGKILL');
  await waitFor('the word of it', () => stack.log().includes('the successor did not start'));
  expect(replacements()).toBe(done);
  expect((await exchange(stack.gatewayPort, key, bodyOf(1))).status).toBe(200);
  expect(await childrenOf(stack.gateway().pid!)).toEqual([before]);
});

test('a gateway that is killed below its keeper: connections wait for the next one', async () => {
  const [pid] = await childrenOf(stack.gateway().pid!);
  process.kill(pid!, 'SIGKILL');
  await waitFor('its death', () => stack.log().includes('gateway ended (SIGKILL)'));
  expect((await exchange(stack.gatewayPort, key, bodyOf(1))).status).toBe(200);
});

test('SIGTERM to the keeper ends the gateway below it, and exits with 0', async () => {
  const exited = new Promise((done) => stack.gateway().once('exit', done));
  stack.gateway().kill('SIGTERM');
  expect(await exited).toBe(0);
  await expect(fetch(`${stack.gatewayUrl}/healthz`)).rejects.toThrow();
});
