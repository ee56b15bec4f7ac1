import { connect, createServer, type Socket } from 'node:net';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startControlPlane } from '#control-plane/main.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import {
  type ApiClient,
  createApiClient,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { waitFor } from '#tests/support/wait.ts';

let control: TestControlPlane;
let api: ApiClient;
const logged: string[] = [];

beforeAll(async () => {
  control = await startTestControlPlane();
  api = await control.owner('acme');
});
afterAll(() => control.stop());

/** Another control plane of the same installation. */
async function startAnother(databaseUrl: string, port = 0) {
  const started = await startControlPlane({
    databaseUrl,
    host: '127.0.0.1',
    port,
    keyring: control.keyring,
    pepper: control.pepper,
    privateUpstreams: parseAddressPolicy(''),
    log: (line) => logged.push(line),
  });
  return { url: `http://127.0.0.1:${started.port}`, stop: started.stop };
}

test('a database outage is a 503, never a 401, and passes', async () => {
  const proxy = await createProxy(control.databaseUrl);
  const behind = await startAnother(proxy.url);
  const client = createApiClient(behind.url, api.token, api.organizationId);
  expect((await client('GET', '/groups')).status).toBe(200);
  expect((await fetch(`${behind.url}/readyz`)).status).toBe(200);
  await proxy.cut();
  for (const [method, path, body] of [
    ['GET', '/groups', undefined],
    ['POST', '/groups', { name: 'never' }],
  ] as const) {
    const answer = await client(method, path, body);
    expect(answer).toMatchObject({ status: 503, body: { type: 'urn:ringside:problem:unavailable' } });
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(JSON.stringify(answer.body)).not.toMatch(/ECONN|postgres|sql|127\.0\.0\.1/i);
  }
  expect((await fetch(`${behind.url}/readyz`)).status).toBe(503);
  expect((await fetch(`${behind.url}/healthz`)).status).toBe(200);
  await proxy.restore();
  await waitFor('the database to be back', async () => (await client('GET', '/groups')).status === 200);
  expect((await api('GET', '/groups/never')).status).toBe(404);
  await behind.stop();
  await proxy.cut();
});

test('a database connection that breaks under a transaction fails that request and nothing else', async () => {
  const proxy = await createProxy(control.databaseUrl);
  const behind = await startAnother(proxy.url);
  const client = createApiClient(behind.url, api.token, api.organizationId);
  await control.admin.transaction().execute(async (tx) => {
    await sql`LOCK TABLE ringside.groups`.execute(tx);
    const stuck = client('POST', '/groups', { name: 'stuck' });
    await waitFor('the request to wait for the lock', async () => {
      const { rows } = await sql<{
        n: number;
      }>`SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND relation = 'ringside.groups'::regclass`.execute(
        control.admin,
      );
      return rows[0]!.n > 0;
    });
    await proxy.cut();
    expect((await stuck).status, logged.join('\n')).toBe(503);
  });
  await proxy.restore();
  await waitFor('the database to be back', async () => (await client('GET', '/groups')).status === 200);
  await behind.stop();
  await proxy.cut();
});

test('a taken port rejects the start', async () => {
  const port = Number(new URL(control.url).port);
  await expect(startAnother(control.databaseUrl, port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

/** A TCP proxy before the database that can be cut and restored on the same port. */
async function createProxy(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  const listen = (port: number) => new Promise<void>((ready) => server.listen(port, '127.0.0.1', ready));
  await listen(0);
  const { port } = server.address() as { port: number };
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    restore: () => listen(port),
    cut: () =>
      new Promise<void>((closed) => {
        server.close(() => closed());
        for (const socket of open) socket.destroy();
      }),
  };
}
