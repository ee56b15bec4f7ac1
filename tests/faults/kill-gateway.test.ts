import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditLog, waitForDrained } from '../support/audit.ts';
import { settleFault } from '../support/fault-results.ts';
import { createMoments, scaled } from '../support/fault-scale.ts';
import { drawWeighted, type LoadRequest, startLoad } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** R1: `kill -9` of the whole gateway under load, again and again, on the same data folder. */
const KILLS = scaled(6, 200);
const WORKERS = 2;
const CALLERS = 24;
let stack: Stack;
let requests: readonly (readonly [weight: number, request: LoadRequest])[];

beforeAll(async () => {
  stack = await startStack({ workers: WORKERS });
  const split = await stack.createGroup('split', { champ: 7_000, chall: 3_000 });
  const long = await stack.createGroup('long', { long: 10_000 });
  const slow = await stack.createGroup('slow', { slow: 10_000 });
  const behave = (model: string, behaviour: object) =>
    fetch(`${stack.simulatorUrl}/_sim/models/${model}`, { method: 'PUT', body: JSON.stringify(behaviour) });
  await behave('long', { answerTokens: 800 });
  // Open for two seconds: there are always some when the kill comes.
  await behave('slow', { answerTokens: 40, tokensPerSecond: 20 });
  const large = { messages: [{ role: 'user', content: 'x'.repeat(150_000) }] };
  requests = [
    [8, { key: split, body: { model: 'split' } }],
    [4, { key: split, body: { model: 'split', stream: true } }],
    [1, { key: split, body: { model: 'split', ...large } }],
    [1, { key: split, body: { model: 'split', stream: true, ...large } }],
    [1, { key: long, body: { model: 'long', stream: true } }], // its answer is longer than 64 KB
    [0.2, { key: slow, body: { model: 'slow', stream: true } }],
  ];
});
afterAll(() => stack.stop());

test(
  `kill -9 under load, ${KILLS} times: what was acknowledged is in the log once, what was open is interrupted`,
  async (context) => {
    const { seed, random } = createMoments();
    const acknowledged: string[] = [];
    const begun: string[] = [];
    for (let round = 0; round < KILLS; round++) {
      const load = startLoad({
        ...{ gatewayUrl: stack.gatewayUrl, callers: CALLERS },
        next: () => drawWeighted(random, requests),
      });
      // Sometimes at once, sometimes in full swing.
      const moment = Math.floor(random() * 200);
      await waitFor(`${moment} answers`, () => load.acknowledged.length >= moment, 30_000);
      await stack.killGateway();
      await load.stop();
      acknowledged.push(...load.acknowledged);
      begun.push(...load.begun);
      await stack.startGateway();
    }
    await waitForDrained(stack, WORKERS);
    const { outcomes, gaps, ...counts } = await auditLog(
      stack.databaseUrl,
      [join(stack.dataFolder, 'spool')],
      acknowledged,
    );
    settleFault(context, { fault: 'R1', scope: `${KILLS} kills, seed ${seed}`, ...counts });
    expect(gaps).toEqual([]);
    // A caller that saw the head of an answer and not its end finds it in the log all the same.
    const open = new Set(begun).difference(new Set(acknowledged));
    const ends = [...open].map((id) => outcomes.get(id));
    expect(ends.filter((outcome) => outcome !== 'interrupted' && outcome !== 'completed')).toEqual([]);
    expect(ends.filter((outcome) => outcome === 'interrupted').length).toBeGreaterThan(0);
    expect(acknowledged.every((id) => outcomes.get(id) === 'completed')).toBe(true);
  },
  scaled(120_000, 3_600_000),
);
