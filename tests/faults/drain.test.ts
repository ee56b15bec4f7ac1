import net from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

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

test('SIGTERM with open streams: new connections are refused, every stream ends well, exit 0, all recorded', async () => {
  const behaviour = { tokensPerSecond: 20, answerTokens: 40 };
  await fetch(`${stack.simulatorUrl}/_sim/models/slow`, { method: 'PUT', body: JSON.stringify(behaviour) });
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => stack.chat(key, { model: 'drained', stream: true })),
  );
  const exited = new Promise<number | null>((done) => stack.gateway().once('exit', done));
  stack.gateway().kill('SIGTERM');
  await waitFor('new connections to be refused', async () => !(await connects()));
  const texts = await Promise.all(replies.map((reply) => reply.text()));
  expect(texts.every((text) => text.endsWith('data: [DONE]\n\n'))).toBe(true);
  expect(await exited).toBe(0);
  const ids = replies.map((reply) => reply.headers.get('x-ringside-inference-id'));
  const { body } = await stack.api<{ items: { id: string; outcome: string }[] }>('GET', '/inferences?group=drained');
  const completed = body.items.filter((item) => item.outcome === 'completed').map((item) => item.id);
  expect(completed.sort()).toEqual(ids.sort());
  const gateways = await stack.api<{ items: { live: boolean }[] }>('GET', '/gateways');
  expect(gateways.body.items.map(({ live }) => live)).toEqual([false]);
}, 60_000);

test('a refusal while draining has its answer and closes its connection', async () => {
  await stack.startGateway();
  const socket = net.connect(stack.gatewayPort, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString();
  });
  const closed = new Promise((done) => socket.once('close', done));
  const exited = new Promise<number | null>((done) => stack.gateway().once('exit', done));
  // Two requests, so that the answer of the first says that the head of the second has begun to arrive.
  const chat = 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n';
  socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n${chat}`);
  await waitFor('the first answer', () => received.includes('"ok"'));
  stack.gateway().kill('SIGTERM');
  await waitFor('new connections to be refused', async () => !(await connects()));
  received = '';
  socket.write('content-length: 0\r\n\r\n');
  await closed;
  expect(received).toMatch(/^HTTP\/1\.1 401 /);
  expect(received).toMatch(/connection: close/i);
  expect(await exited).toBe(0);
  expect(stack.log()).not.toContain('defect');
});
