import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditLog, spoolsIn } from '../support/audit.ts';
import { settleFault } from '../support/fault-results.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** R8: SIGTERM with open streams. */
const STREAMS = 50;
let stack: Stack;
let key: string;

beforeAll(async () => {
  stack = await startStack({ workers: 2, env: { RINGSIDE_DRAIN_MS: '20000' } });
  key = await stack.createGroup('drained', { slow: 10_000 });
});
afterAll(() => stack.stop());

const connects = () =>
  new Promise<boolean>((done) => {
    const socket = net.connect(stack.gatewayPort, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.on('error', () => done(false));
  });

/** A connection whose second request has begun, so that a drain finds it busy; `finish` sends the rest of that request. */
async function openHalfWay(half: string) {
  const socket = net.connect(stack.gatewayPort, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString();
  });
  const closed = new Promise<string>((done) => socket.once('close', () => done(received)));
  // Two requests, so that the answer of the first says that the head of the second has begun to arrive.
  socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n${half}`);
  await waitFor('the first answer', () => received.includes('"ok"'));
  return {
    /** What comes behind the first answer until the connection is closed. */
    finish(rest: string): Promise<string> {
      received = '';
      socket.write(rest);
      return closed;
    },
  };
}

const exitOf = (running: Stack) =>
  new Promise<number | null>((done) => running.gateway().once('exit', (code) => done(code)));

test(`SIGTERM with ${STREAMS} open streams: not ready, new connections are refused, every stream ends well, exit 0, all recorded`, async (context) => {
  const behaviour = { tokensPerSecond: 20, answerTokens: 60 };
  await fetch(`${stack.simulatorUrl}/_sim/models/slow`, { method: 'PUT', body: JSON.stringify(behaviour) });
  const replies = await Promise.all(
    Array.from({ length: STREAMS }, () => stack.chat(key, { model: 'drained', stream: true })),
  );
  expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
  const probe = await openHalfWay('GET /readyz HTTP/1.1\r\nhost: x\r\n');
  const exited = exitOf(stack);
  let ended = 0;
  const texts = replies.map(async (reply) => {
    const text = await reply.text();
    ended++;
    return text;
  });
  stack.gateway().kill('SIGTERM');
  await waitFor('new connections to be refused', async () => !(await connects()));
  // Whoever asks while the streams go on is told that this gateway is on its way out.
  expect(await probe.finish('\r\n')).toMatch(/^HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*not ready/i);
  expect(ended).toBe(0);
  expect((await Promise.all(texts)).every((text) => text.endsWith('data: [DONE]\n\n'))).toBe(true);
  expect(await exited).toBe(0);
  expect(await spoolsIn(stack.dataFolder)).toEqual([]);
  const ids = replies.map((reply) => reply.headers.get('x-ringside-inference-id')!);
  const { outcomes, gaps, ...counts } = await auditLog(stack.databaseUrl, [join(stack.dataFolder, 'spool')], ids);
  settleFault(context, { fault: 'R8', scope: `SIGTERM with ${STREAMS} open streams`, ...counts });
  expect(gaps).toEqual([]);
  expect(ids.every((id) => outcomes.get(id) === 'completed')).toBe(true);
  const gateways = await stack.api<{ items: { live: boolean }[] }>('GET', '/gateways');
  expect(gateways.body.items.map(({ live }) => live)).toEqual([false]);
}, 60_000);

test('a refusal while draining has its answer and closes its connection', async () => {
  await stack.startGateway();
  const caller = await openHalfWay('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n');
  const exited = exitOf(stack);
  stack.gateway().kill('SIGTERM');
  await waitFor('new connections to be refused', async () => !(await connects()));
  const answer = await caller.finish('content-length: 0\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1\.1 401 /);
  expect(answer).toMatch(/connection: close/i);
  expect(await exited).toBe(0);
  expect(stack.log()).not.toContain('defect');
});
