import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls, { type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { transportFailure } from '#gateway/upstream/failures.ts';
import { createClient, listen } from '../support/upstream-client.ts';

/** TLS with a certificate for "localhost" that signs itself. */
let client: ReturnType<typeof createClient>;
let server: Server;
let origin: string;
let certificate: string;
const seen: { servername: string | false; alpn: string | false | null; isReused: boolean }[] = [];

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-tls-'));
  const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', [...request, ...names, '-keyout', keyFile, '-out', certificateFile], { stdio: 'ignore' });
  certificate = readFileSync(certificateFile, 'utf8');
  server = createServer(
    { key: readFileSync(keyFile), cert: certificate, ALPNProtocols: ['h2', 'http/1.1'] },
    (request, response) => {
      const socket = request.socket as TLSSocket;
      seen.push({
        servername: socket.servername ?? false,
        alpn: socket.alpnProtocol,
        isReused: socket.isSessionReused(),
      });
      request.resume().on('end', () => response.setHeader('connection', 'close').end('ok'));
    },
  );
  origin = (await listen(server, 'https')).replace('127.0.0.1', 'localhost');
  rmSync(folder, { recursive: true });
});
afterAll(() => {
  client.pools.close();
  server.closeAllConnections();
  server.close();
});

test('a certificate that nobody vouches for is not accepted', async () => {
  client = createClient();
  const log = await client.send(origin).over;
  expect(log.events).toEqual(['error']);
  expect(transportFailure(log.error, 'acme')).toMatchObject({
    code: 'upstream_unreachable',
    message: 'The TLS certificate of the provider "acme" is not accepted.',
  });
  expect(seen).toEqual([]);
});

test('one that is trusted is, for its name only; sessions are resumed', async () => {
  const before = tls.getCACertificates('default');
  tls.setDefaultCACertificates([...before, certificate]);
  try {
    for (let i = 0; i < 3; i++) expect(await client.send(origin).over).toMatchObject({ status: 200, body: 'ok' });
    expect(seen.map(({ servername, alpn }) => [servername, alpn])).toEqual(Array(3).fill(['localhost', 'http/1.1']));
    expect(seen.at(-1)!.isReused).toBe(true);
    const other = await client.send(origin.replace('localhost', '127.0.0.1')).over;
    expect(transportFailure(other.error, 'acme').message).toBe(
      'The TLS certificate of the provider "acme" is not accepted.',
    );
  } finally {
    tls.setDefaultCACertificates(before);
  }
});
