import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createOutbound, type OutboundError, type Resolve } from '#control-plane/http/outbound.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { startWebhookReceiver, type WebhookReceiver } from '#tests/support/webhook-receiver.ts';

const LIMITS = { timeoutMs: 5_000, maxAnswerBytes: 100 };
let receiver: WebhookReceiver;
beforeAll(async () => {
  receiver = await startWebhookReceiver();
});
beforeEach(() => {
  receiver.calls.length = 0;
  receiver.reply = (response) => void response.writeHead(200).end('ok');
});
afterAll(() => receiver.stop());

const port = () => new URL(receiver.url).port;
const outbound = (allowed: string, resolve?: Resolve) =>
  createOutbound({ policy: parseAddressPolicy(allowed), ...(resolve === undefined ? {} : { resolve }) });
const faultOf = (call: Promise<unknown>) =>
  call.then(
    () => 'none',
    (error: OutboundError) => error.fault,
  );

test('sends headers and body, and gives status and text', async () => {
  receiver.reply = (response) => void response.writeHead(418).end('tea');
  const answer = await outbound('127.0.0.1').post(`${receiver.url}/x?y=1`, { 'x-a': 'b' }, 'häl', LIMITS);
  expect(answer).toEqual({ status: 418, body: 'tea' });
  expect(receiver.calls).toMatchObject([
    { path: '/x?y=1', body: 'häl', headers: { 'x-a': 'b', 'content-length': '4' } },
  ]);
});

test.each([
  '127.0.0.1',
  '2130706433',
  '0x7f.1',
  '[::1]',
  '[::ffff:127.0.0.1]',
  'localhost',
  '169.254.169.254',
  '10.0.0.1',
])('never connects to %s unless it is listed', async (host) => {
  expect(await faultOf(outbound('').post(`http://${host}:${port()}/`, {}, '', LIMITS))).toBe('forbidden_address');
  expect(receiver.calls).toHaveLength(0);
});

test('checks the addresses that it connects to, at each call', async () => {
  const answers = [['8.8.8.8'], ['8.8.8.8', '127.0.0.1'], ['127.0.0.1']];
  const asked: string[] = [];
  const resolve: Resolve = (hostname, _options, callback) => {
    asked.push(hostname);
    callback(
      null,
      answers[asked.length % answers.length]!.map((address) => ({ address, family: 4 })),
    );
  };
  const calls = outbound('', resolve);
  for (let round = 0; round < 2; round++) {
    expect(await faultOf(calls.post(`http://rebinds.test:${port()}/`, {}, '', LIMITS))).toBe('forbidden_address');
    asked.length = round + 1;
  }
  expect(receiver.calls).toHaveLength(0);
});

test('a host that is listed by name may be anywhere', async () => {
  const resolve: Resolve = (_hostname, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]);
  const answer = await outbound('hooks.test', resolve).post(`http://hooks.test:${port()}/`, {}, '', LIMITS);
  expect(answer.status).toBe(200);
});

test('cuts a long answer, and waits no longer than it may', async () => {
  receiver.reply = (response) => {
    response.writeHead(200);
    const fill = () => {
      while (!response.destroyed && response.write('x'.repeat(64_000)));
    };
    response.on('drain', fill);
    fill();
  };
  const call = outbound('127.0.0.1');
  expect(await call.post(receiver.url, {}, '', LIMITS)).toEqual({ status: 200, body: 'x'.repeat(100) });
  receiver.reply = () => {};
  expect(await faultOf(call.post(receiver.url, {}, '', { ...LIMITS, timeoutMs: 50 }))).toBe('timeout');
  receiver.reply = (response) => void response.writeHead(200).write('half');
  expect(await faultOf(call.post(receiver.url, {}, '', { ...LIMITS, timeoutMs: 200 }))).toBe('timeout');
});

test('an answer that breaks off, a refused connection and an abort are told apart', async () => {
  const call = outbound('127.0.0.1');
  receiver.reply = (response) => {
    response.writeHead(200, { 'content-length': '50' });
    response.write('half', () => response.destroy());
  };
  expect(await faultOf(call.post(receiver.url, {}, '', LIMITS))).toBe('connection');
  expect(await faultOf(call.post('http://127.0.0.1:1/', {}, '', LIMITS))).toBe('connection');
  const given = AbortSignal.abort();
  expect(await faultOf(call.post(receiver.url, {}, '', { ...LIMITS, signal: given }))).toBe('aborted');
});
