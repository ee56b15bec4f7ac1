import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiClient, startTestControlPlane, type TestControlPlane } from '#tests/support/control-plane.ts';

let control: TestControlPlane;
let api: ApiClient;

beforeAll(async () => {
  control = await startTestControlPlane();
  api = await control.owner('acme');
});
afterAll(() => control.stop());

describe('providers', () => {
  test('live their life', async () => {
    const made = await api('POST', '/providers', {
      name: 'openai',
      kind: 'openai',
      baseUrl: 'https://API.openai.com/v1///',
      apiKey: 'sk-live-0123456789abcd',
      headers: { 'X-Team': 'search' },
      timeouts: { connectMs: 500 },
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      name: 'openai',
      kind: 'openai',
      baseUrl: 'https://api.openai.com/v1',
      apiKeyHint: 'sk-…abcd',
      headerNames: ['x-team'],
      timeouts: { connectMs: 500 },
      version: 1,
    });
    expect(made.body).not.toHaveProperty('apiKey');
    expect(made.headers.get('etag')).toBe('"1"');
    expect(made.headers.get('location')).toBe('/api/v1/providers/openai');
    expect(Number(made.headers.get('x-ringside-config-version'))).toBeGreaterThan(0);

    expect((await api('GET', `/providers/${made.body.id}`)).body).toEqual(made.body);
    const read = await api('GET', '/providers/openai');
    expect(read.body).toEqual(made.body);
    expect(read.headers.get('etag')).toBe('"1"');

    const replaced = await api('PATCH', '/providers/openai', { apiKey: 'sk-other-0123456789wxyz' });
    expect(replaced.body).toMatchObject({ apiKeyHint: 'sk-…wxyz', headerNames: ['x-team'], version: 2 });
    const removed = await api('PATCH', '/providers/openai', { apiKey: null, headers: null, name: 'oai' });
    expect(removed.body).toMatchObject({ name: 'oai', apiKeyHint: null, headerNames: [], version: 3 });

    expect((await api('DELETE', '/providers/oai')).status).toBe(204);
    expect((await api('GET', '/providers/oai')).status).toBe(404);
    expect(
      (await api('POST', '/providers', { name: 'oai', kind: 'openai', baseUrl: 'http://127.0.0.1:9' })).status,
    ).toBe(201);
  });

  test('keep their secrets from another origin than the one they were given for', async () => {
    const secret = { apiKey: 'sk-live-0123456789abcd', headers: { 'x-team': 'a' } };
    await api('POST', '/providers', { name: 'moving', kind: 'openai', baseUrl: 'https://a.example/v1', ...secret });
    expect((await api('PATCH', '/providers/moving', { baseUrl: 'https://a.example/v2' })).status).toBe(200);
    const moved = await api('PATCH', '/providers/moving', { baseUrl: 'https://b.example/v1' });
    expect(moved).toMatchObject({ status: 422, body: { field: 'apiKey' } });
    expect(moved.body.issues.map((issue: { field: string }) => issue.field)).toEqual(['apiKey', 'headers']);
    const again = { baseUrl: 'https://b.example/v1', apiKey: 'sk-other-0123456789wxyz', headers: null };
    expect((await api('PATCH', '/providers/moving', again)).status).toBe(200);
  });

  test.each([
    [{ baseUrl: 'http://10.0.0.1/v1' }, 'baseUrl'],
    [{ baseUrl: 'http://169.254.169.254/' }, 'baseUrl'],
    [{ baseUrl: 'http://[::1]:8000' }, 'baseUrl'],
    [{ baseUrl: 'http://[::ffff:10.0.0.1]' }, 'baseUrl'],
    [{ baseUrl: 'http://167772161/' }, 'baseUrl'],
    [{ baseUrl: 'ftp://example.com' }, 'baseUrl'],
    [{ baseUrl: 'https://user:secret@example.com' }, 'baseUrl'],
    [{ baseUrl: 'https://example.com/?a=1' }, 'baseUrl'],
    [{ baseUrl: 'https://example.com/#x' }, 'baseUrl'],
    [{ baseUrl: 'nonsense' }, 'baseUrl'],
    [{ headers: { host: 'x' } }, 'headers.host'],
    [{ headers: { Authorization: 'x' } }, 'headers.Authorization'],
    [{ headers: { 'Transfer-Encoding': 'chunked' } }, 'headers.Transfer-Encoding'],
    [{ headers: { 'x y': '1' } }, 'headers.x y'],
    [{ headers: { 'x-a': 'one\r\ntwo' } }, 'headers.x-a'],
    [{ headers: { 'x-a': '1', 'X-A': '2' } }, 'headers.X-A'],
    [{ apiKey: 'with space' }, 'apiKey'],
    [{ apiKey: '' }, 'apiKey'],
    [{ kind: 'other' }, 'kind'],
    [{ name: 'a b' }, 'name'],
    [{ timeouts: { connectMs: 0 } }, 'timeouts.connectMs'],
    [{ timeouts: { connctMs: 5 } }, 'timeouts.connctMs'],
    [{ surprise: 1 }, 'surprise'],
  ])('refuses %j', async (wrong, field) => {
    const good = { name: 'bad', kind: 'openai', baseUrl: 'https://example.com' };
    const { status, body } = await api('POST', '/providers', { ...good, ...wrong });
    expect(status).toBe(422);
    expect(body.field).toBe(field);
    expect(body.issues[0].field).toBe(field);
  });
});

describe('models', () => {
  beforeAll(async () => {
    for (const name of ['one', 'two']) {
      await api('POST', '/providers', { name, kind: 'openai', baseUrl: 'https://example.com/v1' });
    }
  });

  test('live their life', async () => {
    const made = await api('POST', '/models', {
      name: 'm',
      provider: 'one',
      upstreamModel: 'up',
      meta: { a: 1, b: { c: 2 } },
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      provider: 'one',
      upstreamModel: 'up',
      deployments: [{ provider: 'one', upstreamModel: 'up', weight: 1, zone: null }],
    });
    const moved = await api('PATCH', '/models/m', { upstreamModel: 'up2', meta: { a: null, b: { d: 3 } } });
    expect(moved.body).toMatchObject({
      provider: 'one',
      upstreamModel: 'up2',
      meta: { b: { c: 2, d: 3 } },
      version: 2,
    });
    expect(moved.body.meta).not.toHaveProperty('a');
    const spread = await api('PATCH', '/models/m', {
      deployments: [
        { provider: 'one', upstreamModel: 'x', weight: 3, zone: 'eu' },
        { provider: 'two', upstreamModel: 'y', weight: 0 },
      ],
    });
    expect(spread.body).not.toHaveProperty('provider');
    expect(spread.body.deployments).toEqual([
      { provider: 'one', upstreamModel: 'x', weight: 3, zone: 'eu' },
      { provider: 'two', upstreamModel: 'y', weight: 0, zone: null },
    ]);
    expect((await api('PATCH', '/models/m', { provider: 'two' })).body.field).toBe('deployments');

    const blocked = await api('DELETE', '/providers/two');
    expect(blocked.status).toBe(409);
    expect(blocked.body).toMatchObject({ field: 'models', issues: [{ field: 'models', message: 'm' }] });
    expect(blocked.body.detail).toContain('"m"');

    expect((await api('DELETE', '/models/m')).status).toBe(204);
    expect((await api('DELETE', '/providers/two')).status).toBe(204);
  });

  test.each([
    [{ name: 'x' }, 'provider'],
    [{ name: 'x', provider: 'one' }, 'upstreamModel'],
    [{ name: 'x', upstreamModel: 'u' }, 'provider'],
    [{ name: 'x', provider: 'nobody', upstreamModel: 'u' }, 'provider'],
    [{ name: 'x', deployments: [] }, 'deployments'],
    [{ name: 'x', deployments: [{ provider: 'nobody', upstreamModel: 'u' }] }, 'deployments[0].provider'],
    [{ name: 'x', deployments: [{ provider: 'one', upstreamModel: 'u', weight: 0 }] }, 'deployments'],
    [{ name: 'x', deployments: [{ provider: 'one', upstreamModel: 'u', weight: 1.5 }] }, 'deployments[0].weight'],
    [{ name: 'x', deployments: [{ provider: 'one', upstreamModel: 'u', wait: 1 }] }, 'deployments[0].wait'],
    [
      { name: 'x', provider: 'one', upstreamModel: 'u', deployments: [{ provider: 'one', upstreamModel: 'u' }] },
      'deployments',
    ],
    [{ name: 'x', provider: 'one', upstreamModel: 'u', meta: [] }, 'meta'],
    [{ name: 'x', provider: 'one', upstreamModel: 'u', meta: { maxOutputTokens: 'lots' } }, 'meta.maxOutputTokens'],
    [{ name: 'x', provider: 'one', upstreamModel: 'u', meta: { maxOutputTokens: 0 } }, 'meta.maxOutputTokens'],
    [{ name: 'x', provider: 'one', upstreamModel: 'u', meta: { prices: 'cheap' } }, 'meta.prices'],
    [{ name: 'x', provider: 'one', upstreamModel: 'u', meta: { prices: { input: 3 } } }, 'meta.prices.output'],
    [
      { name: 'x', provider: 'one', upstreamModel: 'u', meta: { prices: { input: 0.5, output: 1 } } },
      'meta.prices.input',
    ],
    [
      { name: 'x', provider: 'one', upstreamModel: 'u', meta: { prices: { input: 1, output: 1, cached: 1 } } },
      'meta.prices.cached',
    ],
    [{ name: 'x', provider: 'one', upstreamModel: '..' }, 'upstreamModel'],
    [{ name: 'x', provider: 'one', upstreamModel: 'a/../b' }, 'upstreamModel'],
    [{ name: 'x', provider: 'one', upstreamModel: 'u', meta: { a: ['\0'] } }, 'meta.a[0]'],
    [{ name: 'x', provider: 'one', upstreamModel: 'u', meta: { a: 'x'.repeat(70_000) } }, 'meta'],
  ])('refuses %j', async (wrong, field) => {
    const { status, body } = await api('POST', '/models', wrong);
    expect(status).toBe(422);
    expect(body.field).toBe(field);
  });

  test('publish their prices; what a release that did not check them has stored leaves the cost unknown', async () => {
    const prices = { input: 400_000, output: 1_600_000, cachedInput: 100_000 };
    const made = await api('POST', '/models', {
      name: 'priced',
      provider: 'one',
      upstreamModel: 'u',
      meta: { prices },
    });
    expect(made).toMatchObject({ status: 201, body: { meta: { prices } } });
    const published = async () => {
      const { rows } = await sql<{ prices: unknown }>`
        SELECT jsonb_path_query_first(document, '$.models[*] ? (@.name == "priced")')->'prices' AS prices
        FROM snapshots WHERE organization_id = ${api.organizationId} ORDER BY version DESC LIMIT 1`.execute(
        control.admin,
      );
      return rows[0]!.prices;
    };
    expect(await published()).toEqual(prices);
    for (const wrong of ['"cheap"', '{"input":1}', '{"input":0.5,"output":1}', 'null']) {
      await sql`UPDATE models SET meta = jsonb_build_object('prices', ${wrong}::jsonb) WHERE id = ${made.body.id}`.execute(
        control.admin,
      );
      expect((await api('PATCH', '/models/priced', { upstreamModel: `u${wrong.length}` })).status).toBe(200);
      expect(await published()).toBeNull();
    }
    expect((await api('PATCH', '/models/priced', { meta: { prices: null } })).status).toBe(200);
    expect((await api('GET', '/models/priced')).body.meta).toEqual({});
  });

  test('hold half a surrogate pair and a nesting bomb away from the database', async () => {
    const half = await api(
      'POST',
      '/models',
      '{"name":"x","provider":"one","upstreamModel":"u","meta":{"a":"\\ud800"}}',
    );
    expect(half).toMatchObject({ status: 422, body: { field: 'meta.a' } });
    const deep = `{"name":"x","provider":"one","upstreamModel":"u","meta":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`;
    expect((await api('POST', '/models', deep)).status).toBe(422);
  });
});

describe('groups', () => {
  test('live their life', async () => {
    const made = await api('POST', '/groups', { name: 'chat', description: 'd', capture: { mode: 'none' } });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      name: 'chat',
      description: 'd',
      capture: { mode: 'none', maxBytes: 65_536 },
      variants: [],
      phase: 1,
      hashVersion: 1,
      version: 1,
    });
    expect(made.body).not.toHaveProperty('salt');
    const patched = await api('PATCH', '/groups/chat', { capture: { maxBytes: 100 }, description: '' });
    expect(patched.body).toMatchObject({
      capture: { mode: 'none', maxBytes: 100 },
      description: '',
      version: 2,
      phase: 1,
    });
    const redacted = await api('PATCH', '/groups/chat', {
      capture: { redaction: { detectors: ['email'] } },
      log: { durability: 'disk', retentionDays: 30 },
    });
    expect(redacted.body).toMatchObject({
      capture: { mode: 'none', maxBytes: 100, redaction: { detectors: ['email'], paths: [], patterns: [] } },
      log: { durability: 'disk', whenSpoolFull: 'shed', partitionBy: 'week', retentionDays: 30, archive: 'none' },
    });
    expect((await api('PATCH', '/groups/chat', { log: { retentionDays: null } })).body.log).toMatchObject({
      durability: 'disk',
      retentionDays: null,
    });
    expect((await api('DELETE', '/groups/chat')).status).toBe(204);
    expect((await api('GET', '/groups/chat')).status).toBe(404);
    const again = await api('POST', '/groups', { name: 'chat' });
    expect(again.body.id).not.toBe(made.body.id);
  });

  test('have their tables in the inference log, for this week and the next', async () => {
    const { body } = await api('POST', '/groups', { name: 'logged' });
    const prefix = `inferences_g_${body.id.replaceAll('-', '')}`;
    const tables = await control.admin
      .withSchema('pg_catalog')
      // biome-ignore lint/suspicious/noExplicitAny: a catalogue that the schema types do not know
      .selectFrom('pg_tables' as any)
      .select('tablename')
      .where('tablename', 'like', `${prefix}%`)
      .execute();
    expect(tables.length).toBe(3);
  });

  test.each([
    [{ name: '' }, 'name'],
    [{ name: 'g', capture: { mode: 'some' } }, 'capture.mode'],
    [{ name: 'g', capture: { maxBytes: -1 } }, 'capture.maxBytes'],
    [{ name: 'g', capture: { redaction: { paths: ['a..b'] } } }, 'capture.redaction.paths[0]'],
    [{ name: 'g', log: { durability: 'tape' } }, 'log.durability'],
    [{ name: 'g', log: { retentionDays: 0 } }, 'log.retentionDays'],
    [{ name: 'g', variants: [] }, 'variants'],
    [{}, 'name'],
  ])('refuses %j', async (wrong, field) => {
    expect(await api('POST', '/groups', wrong)).toMatchObject({ status: 422, body: { field } });
  });
});

describe('keys', () => {
  test('live their life', async () => {
    await api('POST', '/groups', { name: 'g1' });
    await api('POST', '/groups', { name: 'g2' });
    const made = await api('POST', '/keys', {
      name: 'k',
      groups: ['g2', 'g1'],
      defaultUnit: 'u',
      expiresAt: '2090-01-01T01:00:00+01:00',
    });
    expect(made.status).toBe(201);
    expect(made.body.key).toMatch(/^rsk_[\w-]{43}$/);
    expect(made.body).toMatchObject({ groups: ['g1', 'g2'], defaultUnit: 'u', expiresAt: '2090-01-01T00:00:00.000Z' });
    expect(made.body.hint).toBe(`${made.body.key.slice(0, 8)}…${made.body.key.slice(-4)}`);
    const { key, ...shown } = made.body;
    expect(key).toBeDefined();
    expect((await api('GET', `/keys/${made.body.id}`)).body).toEqual(shown);
    expect((await api('GET', '/keys/k')).body).toEqual(shown);

    await api('DELETE', '/groups/g1');
    expect((await api('GET', '/keys/k')).body.groups).toEqual(['g2']);
    const open = await api('PATCH', '/keys/k', { groups: null, expiresAt: null, defaultUnit: null });
    expect(open.body).toMatchObject({ groups: null, expiresAt: null, defaultUnit: null, version: 2 });
    expect(Number(open.headers.get('x-ringside-key-version'))).toBeGreaterThan(0);
    expect((await api('DELETE', `/keys/${made.body.id}`)).status).toBe(204);
    expect((await api('GET', '/keys/k')).status).toBe(404);
  });

  test.each([
    [{ name: 'x', groups: ['nobody'] }, 'groups[0]'],
    [{ name: 'x', groups: [] }, 'groups'],
    [{ name: 'x', expiresAt: '2001-01-01T00:00:00Z' }, 'expiresAt'],
    [{ name: 'x', expiresAt: 'tomorrow' }, 'expiresAt'],
    [{ name: 'x', defaultUnit: '' }, 'defaultUnit'],
    [{ name: 'x', key: 'mine' }, 'key'],
  ])('refuses %j', async (wrong, field) => {
    expect(await api('POST', '/keys', wrong)).toMatchObject({ status: 422, body: { field } });
  });
});

test.each([
  ['/providers', { name: 'same', kind: 'openai', baseUrl: 'https://example.com' }],
  ['/models', { name: 'same', provider: 'one', upstreamModel: 'u' }],
  ['/groups', { name: 'same' }],
  ['/keys', { name: 'same' }],
])('%s: a name is given once', async (path, body) => {
  expect((await api('POST', path, body)).status).toBe(201);
  const second = await api('POST', path, body);
  expect(second).toMatchObject({ status: 409, body: { field: 'name', type: 'urn:ringside:problem:name_taken' } });
  await api('POST', path, { ...body, name: 'other' });
  expect(await api('PATCH', `${path}/other`, { name: 'same' })).toMatchObject({ status: 409, body: { field: 'name' } });
});

test.each(['/providers', '/models', '/groups', '/keys'])('%s: lists page by name', async (path) => {
  const lister = await control.owner(`lists${path.slice(1)}`);
  const extra = {
    '/providers': { kind: 'openai', baseUrl: 'https://example.com' },
    '/models': { provider: 'p', upstreamModel: 'u' },
  };
  await lister('POST', '/providers', { name: 'p', kind: 'openai', baseUrl: 'https://example.com' });
  if (path === '/providers') await lister('DELETE', '/providers/p');
  for (const name of ['d', 'a', 'c', 'b', 'e']) {
    await lister('POST', path, { name, ...(extra as Record<string, object>)[path] });
  }
  const seen: string[] = [];
  let cursor: string | null = '';
  let pages = 0;
  while (cursor !== null) {
    const { body, status } = await lister('GET', `${path}?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
    expect(status).toBe(200);
    seen.push(...body.items.map((item: { name: string }) => item.name));
    cursor = body.nextCursor;
    pages++;
  }
  expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(pages).toBe(3);
  expect(await lister('GET', `${path}?limit=5`)).toMatchObject({ body: { nextCursor: null } });
  for (const [query, field] of [
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=x', 'limit'],
    ['cursor=!!', 'cursor'],
    ['cursor=WzFd', 'cursor'],
    ['lmit=1', 'lmit'],
  ]) {
    expect(await lister('GET', `${path}?${query}`)).toMatchObject({ status: 422, body: { field } });
  }
});
