import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { Relay, type RelayOptions, type SessionEnd } from '#gateway/realtime/relay.ts';
import { waitFor } from '../support/wait.ts';

/** Two real connections with a relay between them: client ↔ caller ↔ upstream ↔ server. */
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Both ends of one connection. */
async function connect(options: { autoPong?: boolean; maxPayload?: number } = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: options.maxPayload ?? 1 << 24 });
  await new Promise((listening) => server.once('listening', listening));
  const accepted = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const far = new WebSocket(url, { autoPong: options.autoPong ?? true });
  far.on('error', () => undefined);
  await new Promise((open) => far.once('open', open));
  const near = await accepted;
  cleanups.push(() => {
    far.terminate();
    near.terminate();
    server.close();
  });
  return { near, far };
}

async function relay(options: Partial<RelayOptions> = {}, callerSide = {}, upstreamSide = {}) {
  const [caller, upstream] = [await connect(callerSide), await connect(upstreamSide)];
  const ends: SessionEnd[] = [];
  const made = new Relay(caller.near, upstream.near, {
    ...{ pingMs: 60_000, idleMs: 60_000_000, maxMs: 60_000_000, inspect: (data) => data },
    ...options,
    onEnd: (end) => ends.push(end),
  });
  cleanups.push(() => made.stop());
  return { relay: made, client: caller.far, caller: caller.near, upstream: upstream.near, server: upstream.far, ends };
}
const end = (ends: SessionEnd[]) => waitFor('the end', () => ends[0]);

test('messages pass both ways as they are, text as text and bytes as bytes', async () => {
  const { client, server, relay: made } = await relay();
  const seen: [string, Buffer, boolean][] = [];
  client.on('message', (data: Buffer, isBinary) => seen.push(['client', data, isBinary]));
  server.on('message', (data: Buffer, isBinary) => seen.push(['server', data, isBinary]));
  client.send('ä text');
  client.send(Buffer.from([0xff, 0]));
  server.send('back');
  await waitFor('all three', () => seen.length === 3);
  expect(seen.filter(([at]) => at === 'server')).toEqual([
    ['server', Buffer.from('ä text'), false],
    ['server', Buffer.from([0xff, 0]), true],
  ]);
  expect(seen.filter(([at]) => at === 'client')).toEqual([['client', Buffer.from('back'), false]]);
  expect(made.callerBytes).toBe(Buffer.byteLength('ä text') + 2);
});

test('what the inspection says is passed on in place of what the upstream said', async () => {
  const { client, server } = await relay({ inspect: (data) => Buffer.from(data.toString().toUpperCase()) });
  const heard = new Promise<string>((done) => client.once('message', (data: Buffer) => done(data.toString())));
  server.send('loud');
  expect(await heard).toBe('LOUD');
});

test('a caller that does not read stops the upstream: two messages wait at most, and none is lost', async () => {
  const { client, caller, upstream, server } = await relay();
  const count = 200;
  const message = Buffer.alloc(256 * 1024, 1);
  let received = 0;
  client.on('message', (data: Buffer) => {
    received += data.length;
  });
  client.pause();
  for (let i = 0; i < count; i++) server.send(message);
  await waitFor('the upstream to be paused', () => upstream.isPaused);
  const waiting = caller.bufferedAmount;
  expect(waiting).toBeGreaterThan(1_048_576);
  expect(waiting).toBeLessThan(1_048_576 + 2 * message.length);
  client.resume();
  await waitFor('all of it', () => received === count * message.length);
  expect(upstream.isPaused).toBe(false);
});

test.each([
  ['caller', { by: 'caller', code: 4_000 }],
  ['upstream', { by: 'upstream', code: 4_000 }],
] as const)('a close of the %s', async (side, expected) => {
  const { client, server, ends } = await relay();
  (side === 'caller' ? client : server).close(4_000, 'why');
  expect(await end(ends)).toEqual({ kind: 'closed', reason: 'why', ...expected });
});

test('a lost connection', async () => {
  const { server, ends } = await relay();
  server.terminate();
  expect(await end(ends)).toMatchObject({ kind: 'closed', by: 'upstream', code: 1006 });
});

test('a message that is too large', async () => {
  const { client, ends } = await relay({}, { maxPayload: 1_000 });
  const closed = new Promise((done) => client.once('close', done));
  client.send('x'.repeat(1_001));
  expect(await end(ends)).toEqual({ kind: 'broken', by: 'caller', code: 1009 });
  expect(await closed).toBe(1009);
});

test('who answers no ping is given up', async () => {
  const { ends } = await relay({ pingMs: 20 }, { autoPong: false });
  expect(await end(ends)).toEqual({ kind: 'silent', by: 'caller' });
});

test('who does not read is given up, too, and it is not the paused side that is blamed', async () => {
  const { client, server, upstream, ends } = await relay({ pingMs: 50 });
  client.pause();
  const message = Buffer.alloc(1_048_576);
  for (let i = 0; i < 40; i++) server.send(message);
  await waitFor('the upstream to be paused', () => upstream.isPaused);
  expect(await end(ends)).toEqual({ kind: 'silent', by: 'caller' });
});

test('a slow reader that reads on is not given up', async () => {
  const { client, server, ends } = await relay({ pingMs: 400 });
  let received = 0;
  client.on('message', () => {
    received++;
    client.pause();
    setTimeout(() => client.resume(), 30);
  });
  // What the two connections hold themselves passes in less than three pings.
  const message = Buffer.alloc(1_048_576);
  for (let i = 0; i < 100; i++) server.send(message);
  await waitFor('all of it', () => received === 100);
  expect(ends).toEqual([]);
});

test('two that answer pings and say nothing are idle', async () => {
  const { ends } = await relay({ pingMs: 20, idleMs: 300 });
  expect(await end(ends)).toEqual({ kind: 'idle' });
});

test('a session that is never silent ends at its longest duration', async () => {
  const { client, ends } = await relay({ pingMs: 20, idleMs: 100, maxMs: 500 });
  const talk = setInterval(() => client.send('again'), 10);
  cleanups.push(() => clearInterval(talk));
  expect(await end(ends)).toEqual({ kind: 'overlong' });
});

test('it ends once, and passes nothing on after that', async () => {
  const { relay: made, client, server, ends } = await relay();
  const heard: string[] = [];
  server.on('message', (data: Buffer) => heard.push(data.toString()));
  client.send('before');
  await waitFor('the message', () => heard.length === 1);
  made.stop();
  client.send('after');
  const closed = new Promise((done) => server.once('close', done));
  client.close();
  server.close();
  await closed;
  expect(ends).toEqual([{ kind: 'stopped' }]);
  expect(heard).toEqual(['before']);
});
