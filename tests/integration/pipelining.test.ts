import type { ServerResponse } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGatewayServer } from '#gateway/server.ts';
import { waitFor } from '../support/wait.ts';

/** The server's entry on real sockets; a request is under way until the test answers it. */
let underWay: { body: string; outgoing: ServerResponse }[];
let seen: number;
let server: ReturnType<typeof createGatewayServer>;
let socket: Socket;
let received: string;

const unused = () => expect.unreachable();

beforeEach(async () => {
  underWay = [];
  seen = 0;
  received = '';
  server = createGatewayServer({
    upgrades: { handle: (_incoming, socket) => void socket.destroy() },
    handleFeedback: unused,
    handleRequest: (_operation, incoming, outgoing) => {
      seen++;
      const exchange = { body: '', outgoing };
      underWay.push(exchange);
      incoming.on('data', (chunk: Buffer) => {
        exchange.body += chunk.toString();
      });
    },
    authenticator: { authenticate: unused },
    organizations: unused,
    isReady: () => true,
    onDefect: unused,
    release: '0',
    maxConnections: 1,
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
  });
});
afterEach(async () => {
  socket.destroy();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

const ask = (body: string) =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const bodyIs = (body: string) =>
  waitFor('the whole request', () => underWay.length === 1 && underWay[0]!.body === body);
const answerWith = (text: string) => underWay.shift()!.outgoing.end(text);

test('requests on one connection are taken up one after another, whole and in order', async () => {
  const large = 'c'.repeat(300_000);
  socket.write(ask('a') + ask('b') + ask(large) + ask('d'));
  for (const body of ['a', 'b', large, 'd']) {
    await bodyIs(body);
    answerWith(`answer to ${body[0]}.`);
  }
  await waitFor('the answers', () => received.includes('answer to d'));
  expect(received.match(/answer to \w/g)).toEqual(['a', 'b', 'c', 'd'].map((name) => `answer to ${name}`));
  socket.write(ask('e'));
  await bodyIs('e');
});

test('hundreds at once: one is under way, some wait, the others are refused with the end of the connection', async () => {
  const closed = new Promise((done) => socket.once('close', done));
  socket.write(ask('{}').repeat(400));
  for (let i = 0; i < 17; i++) {
    await bodyIs('{}');
    answerWith('ok');
  }
  await closed;
  expect(seen).toBe(17);
  expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual([...Array(17).fill('HTTP/1.1 200'), 'HTTP/1.1 503']);
  expect(received).toMatch(/"code":"overloaded"/);
});

test('a caller who leaves: what waited is never begun', async () => {
  socket.write(ask('a') + ask('b'));
  await bodyIs('a');
  const { outgoing } = underWay[0]!;
  const gone = new Promise((done) => outgoing.once('close', done));
  socket.resetAndDestroy();
  // Nothing is read from a connection on which a request waits: what is written to it tells.
  outgoing.write('x');
  await waitFor('the connection to be found closed', () => outgoing.destroyed || !outgoing.write('x'.repeat(65_536)));
  await gone;
  expect(seen).toBe(1);
});

test('who is refused reads it in the dialect of its own request', async () => {
  const closed = new Promise((done) => socket.once('close', done));
  const head = 'POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}';
  socket.write(head.repeat(40));
  for (let i = 0; i < 17; i++) {
    await bodyIs('{}');
    answerWith('ok');
  }
  await closed;
  expect(received.slice(received.indexOf('HTTP/1.1 503'))).toMatch(/"type":"overloaded_error"/);
});
