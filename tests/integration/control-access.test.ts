import { randomBytes, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestSecret, formatSecret } from '#core/credentials.ts';
import type { AdminRole } from '#store/database.ts';
import {
  type ApiClient,
  createApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';

let control: TestControlPlane;
let api: ApiClient;

beforeAll(async () => {
  control = await startTestControlPlane();
  api = await control.owner('acme');
  await seedGroup(api);
  await api('POST', '/keys', { name: 'k' });
});
afterAll(() => control.stop());

async function clientWithRole(role: AdminRole, expiresAt: Date | null = null): Promise<ApiClient> {
  const token = formatSecret('rsa_', randomBytes(32));
  await control.admin
    .insertInto('admin_tokens')
    .values({
      id: randomUUID(),
      organization_id: api.organizationId,
      name: role,
      role,
      digest: digestSecret(control.pepper, token),
      hint: 'x',
      expires_at: expiresAt,
    })
    .execute();
  return createApiClient(control.url, token, api.organizationId);
}

const READS = [
  '/providers',
  '/providers/p',
  '/models',
  '/models/a',
  '/groups',
  '/groups/demo',
  '/keys',
  '/keys/k',
  '/inferences',
  '/ledger',
  '/gateways',
  '/audit',
];
const CHANGES = [
  ['POST', '/providers', { name: 'p2', kind: 'openai', baseUrl: 'https://example.com' }],
  ['PATCH', '/providers/p', { timeouts: {} }],
  ['DELETE', '/providers/p', undefined],
  ['POST', '/models', { name: 'c', provider: 'p', upstreamModel: 'x' }],
  ['PATCH', '/models/a', { meta: {} }],
  ['DELETE', '/models/a', undefined],
  ['POST', '/groups', { name: 'g2' }],
  ['PATCH', '/groups/demo', { description: 'x' }],
  ['DELETE', '/groups/demo', undefined],
  ['PUT', '/groups/demo/variants', []],
  ['POST', '/keys', { name: 'k2' }],
  ['PATCH', '/keys/k', { defaultUnit: 'x' }],
  ['DELETE', '/keys/k', undefined],
] as const;
const WEIGHTS = ['PATCH', '/groups/demo/weights', { a: 9000, b: 1000 }] as const;

describe('who may do what', () => {
  test('nobody without a token', async () => {
    const expired = await clientWithRole('owner', new Date(0));
    for (const authorization of [
      '',
      'Basic abc',
      'Bearer',
      'Bearer rsa_wrong',
      `Bearer ${expired.token}`,
      `Bearer ${api.token}x`,
    ]) {
      for (const [method, path] of [
        ['GET', '/providers'],
        ['POST', '/groups'],
        ['DELETE', '/groups/demo'],
      ] as const) {
        const answer = await api(method, path, undefined, { authorization });
        expect(answer).toMatchObject({ status: 401, body: { type: 'urn:ringside:problem:unauthorized' } });
        expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
      }
    }
  });

  test('viewers read, operators move weights too', async () => {
    const viewer = await clientWithRole('viewer');
    const operator = await clientWithRole('operator');
    for (const path of READS) {
      expect((await viewer('GET', path)).status, path).toBe(200);
      expect((await operator('GET', path)).status, path).toBe(200);
    }
    for (const [method, path, body] of CHANGES) {
      for (const client of [viewer, operator]) {
        expect((await client(method, path, body)).status, `${method} ${path}`).toBe(403);
      }
    }
    expect((await viewer(...WEIGHTS)).status).toBe(403);
    expect((await operator(...WEIGHTS)).status).toBe(200);
  });

  test('admins change everything', async () => {
    const admin = await clientWithRole('admin');
    expect((await admin('POST', '/groups', { name: 'by-admin' })).status).toBe(201);
    expect((await admin('DELETE', '/groups/by-admin')).status).toBe(204);
  });

  test('a second owner of the same organization finds the same organization', async () => {
    const second = await control.owner('acme');
    expect(second.organizationId).toBe(api.organizationId);
    expect((await second('GET', '/groups/demo')).status).toBe(200);
    const both = await Promise.all([control.owner('brand-new'), control.owner('brand-new')]);
    expect(both[0].organizationId).toBe(both[1].organizationId);
  });
});

describe('two organizations', () => {
  test('see and change nothing of each other, on every route', async () => {
    const rival = await control.owner('rival');
    const ids: string[] = [];
    for (const path of ['/providers/p', '/models/a', '/groups/demo', '/keys/k']) {
      ids.push(`${path.slice(0, path.lastIndexOf('/'))}/${(await api('GET', path)).body.id}`);
    }
    for (const path of [...READS.filter((each) => each.split('/').length > 2), ...ids]) {
      expect((await rival('GET', path)).status, path).toBe(404);
    }
    for (const path of ['/providers', '/models', '/groups', '/keys', '/inferences']) {
      expect((await rival('GET', path)).body.items, path).toEqual([]);
    }
    expect((await rival('GET', '/audit')).body.items).toHaveLength(1);
    expect((await rival('GET', '/gateways')).body.latestVersion).toBe(0);
    for (const [method, path, body] of [...CHANGES.filter(([method]) => method !== 'POST'), WEIGHTS]) {
      expect((await rival(method, path, body)).status, `${method} ${path}`).toBe(404);
    }
    for (const path of ids) expect((await rival('DELETE', path)).status, path).toBe(404);
    const { body: demo } = await api('GET', '/groups/demo');
    expect(await rival('POST', '/models', { name: 'm', provider: 'p', upstreamModel: 'x' })).toMatchObject({
      status: 422,
      body: { field: 'provider' },
    });
    expect(await rival('POST', '/keys', { name: 'm', groups: [demo.id] })).toMatchObject({
      status: 422,
      body: { field: 'groups[0]' },
    });
    await rival('POST', '/groups', { name: 'demo' });
    const { body: model } = await api('GET', '/models/a');
    expect(
      await rival('PUT', '/groups/demo/variants', [{ model: model.id, role: 'champion', weightBp: 10_000 }]),
    ).toMatchObject({ status: 422, body: { field: 'variants[0].model' } });
    expect((await api('GET', '/groups/demo')).body).toEqual(demo);
  });

  test('are kept apart by the database too, when the application forgets', async () => {
    const tables = [
      'providers',
      'models',
      'deployments',
      'groups',
      'variants',
      'weight_versions',
      'api_keys',
      'snapshots',
      'admin_tokens',
      'audit_entries',
      'idempotency_keys',
      'inferences',
      'inference_payloads',
      'organizations',
    ];
    await api('POST', '/groups', { name: 'idem' }, { 'idempotency-key': 'x' });
    for (const table of tables) {
      const count = async (pool: typeof control.admin, organization: string) => {
        const { rows } = await pool.transaction().execute(async (tx) => {
          await sql`SELECT set_config('ringside.organization_id', ${organization}, true)`.execute(tx);
          return sql<{ n: number }>`SELECT count(*) AS n FROM ${sql.ref(table)}`.execute(tx);
        });
        return rows[0]!.n;
      };
      expect(await count(control.application, ''), table).toBe(0);
      expect(await count(control.application, randomUUID()), table).toBe(0);
      if (!table.startsWith('inference')) expect(await count(control.admin, ''), table).toBeGreaterThan(0);
    }
    const foreign = sql`INSERT INTO audit_entries (organization_id, actor, action, resource, request_id)
      VALUES (${api.organizationId}, 'x', 'x', 'x', 'x')`;
    await expect(foreign.execute(control.application)).rejects.toThrow(/row-level security/);
  });
});

test('no secret is found in any table', async () => {
  const canary = `canary-${randomUUID()}`;
  await api(
    'POST',
    '/providers',
    {
      name: 'canary',
      kind: 'openai',
      baseUrl: 'https://example.com',
      apiKey: `sk-${canary}`,
      headers: { 'x-secret': `header-${canary}` },
    },
    { 'idempotency-key': 'canary-1' },
  );
  await api('PATCH', '/providers/canary', { apiKey: `sk-again-${canary}` });
  const { body } = await api('POST', '/keys', { name: 'canary' }, { 'idempotency-key': 'canary-2' });
  await api('DELETE', '/providers/canary');
  const { rows: tables } = await sql<{ name: string }>`
    SELECT tablename AS name FROM pg_tables WHERE schemaname = 'ringside'`.execute(control.admin);
  expect(tables.length).toBeGreaterThan(15);
  let dumped = '';
  for (const { name } of tables) {
    const { rows } = await sql<{ row: string }>`SELECT t::text AS row FROM ringside.${sql.ref(name)} AS t`.execute(
      control.admin,
    );
    dumped += rows.map(({ row }) => row).join('\n');
  }
  for (const secret of [canary, body.key, api.token]) {
    expect(secret.length).toBeGreaterThan(20);
    expect(dumped.includes(secret)).toBe(false);
    expect(dumped.includes(Buffer.from(secret).toString('hex'))).toBe(false);
    expect(dumped.includes(Buffer.from(secret).toString('base64url'))).toBe(false);
  }
  const { body: audit } = await api('GET', '/audit?limit=200');
  expect(JSON.stringify(audit)).not.toContain(canary);
  expect(JSON.stringify(audit)).toContain('credentialsReplaced');
  expect(control.logged.join('\n')).not.toContain(canary);
});

describe('requests that are wrong as such', () => {
  const problem = { title: expect.any(String), detail: expect.any(String), requestId: expect.any(String) };

  test('are answered as problem+json', async () => {
    const answer = await api('GET', '/groups/nobody');
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body).toEqual({ ...problem, type: 'urn:ringside:problem:not_found', status: 404 });
    expect(answer.headers.get('x-request-id')).toBe(answer.body.requestId);
    for (const [method, path] of [
      ['GET', '/nothing'],
      ['PUT', '/groups'],
      ['GET', '/groups/a%2Fb'],
      ['GET', '/groups/%00'],
      ['GET', '/groups/%ff'],
    ] as const) {
      expect(await api(method, path), path).toMatchObject({ status: 404, body: problem });
    }
  });

  test.each([
    ['{"name":', {}],
    ['', {}],
    ['{"name":"x"}', { 'content-type': 'text/plain' }],
    ['name=x', { 'content-type': 'application/x-www-form-urlencoded' }],
  ])('%j with %j is a 400', async (body, headers) => {
    const answer = await api('POST', '/groups', body, headers as Record<string, string>);
    expect(answer).toMatchObject({ status: 400, body: { ...problem, type: 'urn:ringside:problem:bad_request' } });
  });

  test.each([
    ['[]', 'body'],
    ['null', 'body'],
    ['"x"', 'body'],
    ['{"name":"x","nmae":"y","other":1}', 'nmae'],
    ['{"name":"x","__proto__":{"a":1}}', '__proto__'],
  ])('%s is a 422', async (body, field) => {
    expect(await api('POST', '/groups', body)).toMatchObject({ status: 422, body: { field } });
  });

  test('name every field at fault', async () => {
    const { body } = await api('POST', '/providers', { name: '', kind: 'x', baseUrl: 1, extra: 2 });
    expect(body.issues.map((issue: { field: string }) => issue.field).sort()).toEqual([
      'baseUrl',
      'extra',
      'kind',
      'name',
    ]);
    const missing = await api('POST', '/providers', {});
    expect(missing.body.issues[0]).toEqual({ field: 'name', message: 'is required' });
  });

  test('are cut off at 1 MB, announced or not', async () => {
    const big = JSON.stringify({ name: 'x', description: 'x'.repeat(1_100_000) });
    expect(await api('POST', '/groups', big)).toMatchObject({ status: 413, body: problem });
    const chunked = await rawRequest(control.url, api.token, big);
    expect(chunked).toContain('413');
    expect((await api('GET', '/groups')).status).toBe(200);
  });
});

/** Sends a body in chunks of unannounced total length; gives the first bytes of the answer. */
function rawRequest(url: string, token: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', reject);
    socket.once('data', (chunk) => {
      socket.destroy();
      resolve(chunk.toString('utf8'));
    });
    socket.write(
      `POST /api/v1/groups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    for (let i = 0; i < body.length; i += 65_536) {
      const part = body.slice(i, i + 65_536);
      socket.write(`${part.length.toString(16)}\r\n${part}\r\n`);
    }
  });
}
