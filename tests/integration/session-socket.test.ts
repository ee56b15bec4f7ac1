import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import net, { type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { transportFailure } from '#gateway/upstream/failures.ts';
import { bindEndpoint } from '#gateway/upstream/request-head.ts';
import { createSessionOpener, type SessionCall } from '#gateway/upstream/session-socket.ts';
import { waitFor } from '../support/wait.ts';

/** Handshakes with upstreams of every kind. */
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

type Outcome =
  | { readonly kind: 'opened'; readonly protocol: string; readonly requestId: unknown }
  | { readonly kind: 'refused'; readonly status: number; readonly body: string }
  | { readonly kind: 'failed'; readonly code: string };

const LOCAL = '127.0.0.0/8';

function open(origin: string, changed: Partial<SessionCall> = {}, privateUpstreams = LOCAL) {
  const outcomes: Outcome[] = [];
  const call: SessionCall = {
    endpoint: bindEndpoint(origin, 5_000),
    ...{ path: '/v1/realtime?model=m', headers: { authorization: 'Bearer k' }, protocols: [], timeoutMs: 10_000 },
    ...changed,
  };
  const giveUp = createSessionOpener(parseAddressPolicy(privateUpstreams))(call, {
    opened(socket, headers) {
      cleanups.push(() => socket.terminate());
      outcomes.push({ kind: 'opened', protocol: socket.protocol, requestId: headers['x-request-id'] });
    },
    refused: (status, _headers, body) => outcomes.push({ kind: 'refused', status, body: body.toString() }),
    failed: (error) => outcomes.push({ kind: 'failed', code: transportFailure(error, 'acme').code }),
  });
  return { giveUp, outcomes, outcome: () => waitFor('the outcome', () => outcomes[0]) };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A server that answers whatever comes with these bytes. */
async function answering(text: string | null): Promise<{ origin: string; connections: Set<net.Socket> }> {
  const connections = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    socket.on('error', () => undefined);
    socket.once('data', () => text !== null && socket.write(text));
  });
  const origin = `http://127.0.0.1:${await listen(server)}`;
  cleanups.push(() => {
    for (const socket of connections) socket.destroy();
  });
  return { origin, connections };
}

test('it opens, over the address that it checked', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  cleanups.push(() => server.close());
  server.on('headers', (headers) => headers.push('x-request-id: req_1'));
  await new Promise((listening) => server.once('listening', listening));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { outcome } = open(origin, { protocols: ['realtime'] });
  expect(await outcome()).toEqual({ kind: 'opened', protocol: 'realtime', requestId: 'req_1' });
});

test('private addresses that are not listed are not connected to: literal ones at once, names when they resolve', async () => {
  const { origin, connections } = await answering(null);
  expect(() => open(origin, {}, '')).toThrow(expect.objectContaining({ code: 'RINGSIDE_FORBIDDEN_ADDRESS' }));
  const { outcome } = open(origin.replace('127.0.0.1', 'localhost'), {}, '');
  expect(await outcome()).toEqual({ kind: 'failed', code: 'upstream_unreachable' });
  expect(connections.size).toBe(0);
});

test.each([
  ['a refusal', 'HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nbusy', { kind: 'refused', status: 403, body: 'busy' }],
  [
    'a refusal that never ends',
    `HTTP/1.1 500 No\r\n\r\n${'x'.repeat(70_000)}`,
    { kind: 'refused', status: 500, body: 'x'.repeat(65_536) },
  ],
  [
    'a redirect',
    'HTTP/1.1 302 No\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n',
    { kind: 'refused', status: 302, body: '' },
  ],
  [
    'a wrong accept key',
    'HTTP/1.1 101 Yes\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n',
    { kind: 'failed', code: 'upstream_protocol' },
  ],
  ['no HTTP', 'SSH-2.0-nothing\r\n', { kind: 'failed', code: 'upstream_protocol' }],
] as const)('%s', async (_name, text, expected) => {
  const { origin, connections } = await answering(text);
  const { outcome, outcomes } = open(origin);
  expect(await outcome()).toEqual(expected);
  await waitFor('the connection to be given up', () => connections.size === 0);
  expect(outcomes).toHaveLength(1);
});

test('no answer in time', async () => {
  const { origin, connections } = await answering(null);
  const { outcome } = open(origin, { timeoutMs: 50 });
  expect(await outcome()).toEqual({ kind: 'failed', code: 'upstream_timeout' });
  await waitFor('the connection to be given up', () => connections.size === 0);
});

test('nobody listens', async () => {
  const server = net.createServer();
  const port = await listen(server);
  server.close();
  expect(await open(`http://127.0.0.1:${port}`).outcome()).toEqual({ kind: 'failed', code: 'upstream_unreachable' });
});

test('one that is given up tells nothing and leaves no connection', async () => {
  const { origin, connections } = await answering(null);
  const { giveUp, outcomes } = open(origin);
  await waitFor('the connection', () => connections.size === 1);
  giveUp();
  await waitFor('its end', () => connections.size === 0);
  expect(outcomes).toEqual([]);
});

test('TLS: a certificate is checked, for its name', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-tls-'));
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', [...request, ...names, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
  const [key, cert] = [readFileSync(keyFile), readFileSync(certFile, 'utf8')];
  rmSync(folder, { recursive: true });
  const secure = createHttpsServer({ key, cert });
  const server = new WebSocketServer({ server: secure });
  cleanups.push(() => server.close());
  const port = await listen(secure);
  expect(await open(`https://localhost:${port}`).outcome()).toEqual({ kind: 'failed', code: 'upstream_unreachable' });
  const before = tls.getCACertificates('default');
  tls.setDefaultCACertificates([...before, cert]);
  cleanups.push(() => tls.setDefaultCACertificates(before));
  expect(await open(`https://localhost:${port}`).outcome()).toMatchObject({ kind: 'opened' });
  expect(await open(`https://127.0.0.1:${port}`).outcome()).toEqual({ kind: 'failed', code: 'upstream_unreachable' });
});
