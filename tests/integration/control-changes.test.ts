import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { open } from '#core/envelope.ts';
import { type GatewayReport, reportGateway, stopGateway } from '#store/gateways.ts';
import { keysSince } from '#store/keys.ts';
import { snapshotsSince } from '#store/snapshots.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';

let control: TestControlPlane;
let api: ApiClient;
let organizations = 0;

beforeAll(async () => {
  control = await startTestControlPlane({ servedWaitMs: 1_500 });
});
beforeEach(async () => {
  api = await control.owner(`acme-${++organizations}`);
});
afterAll(() => control.stop());

const document = async (organizationId: string) => {
  const all = await snapshotsSince(control.gateway, 0);
  // biome-ignore lint/suspicious/noExplicitAny: the test looks into the raw document
  return all.find((snapshot) => snapshot.organizationId === organizationId)?.document as any;
};

describe('a change', () => {
  test('is published as a snapshot with the rows, the audit entry and the credentials sealed', async () => {
    const made = await api('POST', '/providers', {
      name: 'p',
      kind: 'openai',
      baseUrl: 'https://example.com/v1',
      apiKey: 'sk-secret',
      headers: { 'X-A': '1' },
    });
    const version = Number(made.headers.get('x-ringside-config-version'));
    const all = await snapshotsSince(control.gateway, version - 1);
    expect(all).toMatchObject([{ version, organizationId: api.organizationId }]);
    const [provider] = (await document(api.organizationId)).providers;
    const context = `${api.organizationId}/providers/${made.body.id}`;
    expect(JSON.parse(open(control.keyring, context, provider.credentials))).toEqual({
      apiKey: 'sk-secret',
      headers: { 'X-A': '1' },
    });
    const { body } = await api('GET', '/audit');
    expect(body.items[0]).toMatchObject({
      action: 'provider.create',
      resource: `providers/${made.body.id}`,
      before: null,
      after: { name: 'p', apiKeyHint: '…' },
      configVersion: version,
      requestId: made.headers.get('x-request-id'),
    });
    expect(body.items[0].actor).toMatch(/^admin-token:.*:first-owner$/);
    expect(body.items.at(-1)).toMatchObject({ action: 'admin-token.create', actor: 'bootstrap' });
  });

  test('that is refused leaves nothing behind', async () => {
    await seedGroup(api);
    const before = await document(api.organizationId);
    const entries = (await api('GET', '/audit')).body.items.length;
    expect((await api('PATCH', '/groups/demo/weights', { a: 1 })).status).toBe(422);
    expect((await api('POST', '/groups', { name: 'demo' })).status).toBe(409);
    expect(await document(api.organizationId)).toEqual(before);
    expect((await api('GET', '/audit')).body.items.length).toBe(entries);
  });

  test('of a key reaches gateways as a delta', async () => {
    const made = await api('POST', '/keys', { name: 'k', defaultUnit: 'u' });
    const version = Number(made.headers.get('x-ringside-key-version'));
    expect(await keysSince(control.gateway, version - 1)).toMatchObject([
      { id: made.body.id, organizationId: api.organizationId, groupIds: null, defaultUnit: 'u', deleted: false },
    ]);
    await seedGroup(api);
    const scoped = await api('PATCH', '/keys/k', { groups: ['demo'] });
    const [delta] = await keysSince(control.gateway, Number(scoped.headers.get('x-ringside-key-version')) - 1);
    expect(delta?.groupIds).toHaveLength(1);
    expect(delta?.digest).toHaveLength(32);
    const gone = await api('DELETE', '/keys/k');
    expect(await keysSince(control.gateway, Number(gone.headers.get('x-ringside-key-version')) - 1)).toMatchObject([
      { id: made.body.id, deleted: true },
    ]);
  });
});

describe('If-Match', () => {
  const resources = [
    ['/providers/p', 'PATCH', { timeouts: {} }],
    ['/models/a', 'PATCH', { meta: { x: 1 } }],
    ['/groups/demo', 'PATCH', { description: 'x' }],
    ['/groups/demo/weights', 'PATCH', { a: 8000, b: 2000 }],
    ['/groups/demo/variants', 'PUT', [{ model: 'a', role: 'champion', weightBp: 10_000 }]],
    ['/keys/k', 'PATCH', { defaultUnit: 'x' }],
  ] as const;

  test.each(resources)('%s', async (path, method, body) => {
    await seedGroup(api);
    await api('POST', '/keys', { name: 'k' });
    const resource = path.replace(/\/(weights|variants)$/, '');
    const etag = (await api('GET', resource)).headers.get('etag') ?? '';
    const stale = await api(method, path, body, { 'if-match': '"99"' });
    expect(stale).toMatchObject({ status: 412, body: { type: 'urn:ringside:problem:version_mismatch' } });
    expect(stale.body.detail).toContain(`version ${etag.replaceAll('"', '')} `);
    expect((await api(method, path, body, { 'if-match': `W/${etag}` })).status).toBe(412);
    expect((await api('DELETE', resource, undefined, { 'if-match': '"99"' })).status).toBe(412);
    const changed = await api(method, path, body, { 'if-match': `"99", ${etag}` });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(etag);
    expect((await api(method, path, body, { 'if-match': etag })).status).toBe(412);
    expect((await api(method, path, body, { 'if-match': '*' })).status).toBe(200);
  });

  test('lets exactly one of many writers win', async () => {
    await seedGroup(api);
    const etag = (await api('GET', '/groups/demo')).headers.get('etag') ?? '';
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        api('PATCH', '/groups/demo/weights', { a: 8000 - i, b: 2000 + i }, { 'if-match': etag }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(412)]);
  });
});

describe('Idempotency-Key', () => {
  test('gives the first answer again, secret included', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const first = await api('POST', '/keys', { name: 'k' }, key);
    const second = await api('POST', '/keys', { name: 'k' }, key);
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    for (const name of ['etag', 'location', 'x-ringside-key-version']) {
      expect(second.headers.get(name)).toBe(first.headers.get(name));
    }
    expect((await api('GET', '/keys')).body.items).toHaveLength(1);
    expect(
      (await api('GET', '/audit')).body.items.filter((e: { action: string }) => e.action === 'key.create'),
    ).toHaveLength(1);
  });

  test('covers a deletion', async () => {
    await api('POST', '/groups', { name: 'g' });
    const key = { 'idempotency-key': 'delete-g' };
    expect((await api('DELETE', '/groups/g', undefined, key)).status).toBe(204);
    const again = await api('DELETE', '/groups/g', undefined, key);
    expect(again.status).toBe(204);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  test('is refused for another request', async () => {
    const key = { 'idempotency-key': 'same' };
    await api('POST', '/groups', { name: 'g' }, key);
    for (const [method, path, body] of [
      ['POST', '/groups', { name: 'h' }],
      ['POST', '/keys', { name: 'g' }],
      ['DELETE', '/groups/g', undefined],
    ] as const) {
      const refused = await api(method, path, body, key);
      expect(refused).toMatchObject({ status: 422, body: { field: 'Idempotency-Key' } });
    }
    const other = await control.owner(`other-${++organizations}`);
    expect((await other('POST', '/groups', { name: 'h' }, key)).status).toBe(201);
    expect(await api('POST', '/groups', { name: 'i' }, { 'idempotency-key': 'has space' })).toMatchObject({
      status: 422,
      body: { field: 'Idempotency-Key' },
    });
  });

  test('used by many at once executes once', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const answers = await Promise.all(Array.from({ length: 6 }, () => api('POST', '/keys', { name: 'k' }, key)));
    expect(new Set(answers.map(({ body }) => body.key)).size).toBe(1);
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(201));
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1);
  });

  test('is free again after a refusal, and after a day', async () => {
    const key = { 'idempotency-key': 'k1' };
    expect((await api('PATCH', '/groups/g', { description: 'x' }, key)).status).toBe(404);
    await api('POST', '/groups', { name: 'g' });
    expect((await api('PATCH', '/groups/g', { description: 'x' }, key)).status).toBe(200);
    await sql`UPDATE ringside.idempotency_keys SET created_at = now() - interval '25 hours'`.execute(control.admin);
    expect((await api('PATCH', '/groups/g', { description: 'y' }, key)).status).toBe(200);
    await sql`UPDATE ringside.idempotency_keys SET created_at = now() - interval '25 hours'`.execute(control.admin);
    await api('PATCH', '/groups/g', { description: 'z' }, { 'idempotency-key': 'k2' });
    const left = await control.admin
      .selectFrom('idempotency_keys')
      .select('key')
      .where('organization_id', '=', api.organizationId)
      .execute();
    expect(left).toEqual([{ key: 'k2' }]);
  });
});

describe('waiting for gateways', () => {
  const report = (changes: Partial<GatewayReport> = {}): GatewayReport => ({
    id: randomUUID(),
    host: 'h',
    pid: 1,
    release: '0.1.0',
    workers: 2,
    snapshotVersion: 0,
    keyVersion: 0,
    startedAt: new Date(),
    ...changes,
  });

  test('ends when all live ones serve the change, or after its time', async () => {
    await api('POST', '/groups', { name: 'g' });
    const quick = await api('PATCH', '/groups/g', { description: 'nobody serves' });
    expect(quick.headers.get('x-ringside-served')).toBe('0/0');

    const [one, two] = [report(), report()];
    await reportGateway(control.gateway, one);
    await reportGateway(control.gateway, two);
    let answered = false;
    const pending = api('PATCH', '/groups/g', { description: 'both serve' }).finally(() => {
      answered = true;
    });
    const before = Number(quick.headers.get('x-ringside-config-version'));
    await reportGateway(control.gateway, { ...one, snapshotVersion: before + 1 });
    expect(answered).toBe(false);
    await reportGateway(control.gateway, { ...two, snapshotVersion: before + 1 });
    expect((await pending).headers.get('x-ringside-served')).toBe('2/2');

    const late = await api('PATCH', '/groups/g', { description: 'nobody takes it up' });
    expect(late.status).toBe(200);
    expect(late.headers.get('x-ringside-served')).toBe('0/2');

    await stopGateway(control.gateway, two.id);
    await sql`UPDATE ringside.gateways SET seen_at = now() - interval '6 seconds' WHERE id = ${one.id}`.execute(
      control.admin,
    );
    const alone = await api('PATCH', '/groups/g', { description: 'stopped or silent: not waited for' });
    expect(alone.headers.get('x-ringside-served')).toBe('0/0');

    const key = api('POST', '/keys', { name: 'k' });
    await reportGateway(control.gateway, { ...one, snapshotVersion: before, keyVersion: 1_000_000 });
    expect((await key).headers.get('x-ringside-served')).toMatch(/^(1\/1|0\/0)$/);

    const { body } = await api('GET', '/gateways');
    expect(body.latestVersion).toBe(Number(alone.headers.get('x-ringside-config-version')));
    const shown = (id: string) => body.items.find((item: { id: string }) => item.id === id);
    expect(shown(one.id)).toMatchObject({ host: 'h', workers: 2, keyVersion: 1_000_000, live: true });
    expect(shown(two.id)).toMatchObject({ live: false });
    await stopGateway(control.gateway, one.id);
  });
});
