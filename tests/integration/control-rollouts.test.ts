import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openWebhookSecret } from '#control-plane/rollout/webhook-secret.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { withDocumentedAnswers } from '#tests/support/openapi-answers.ts';

let control: TestControlPlane;
let api: ApiClient;
let organizations = 0;

beforeAll(async () => {
  control = await startTestControlPlane();
});
beforeEach(async () => {
  api = await withDocumentedAnswers(control.url, await control.owner(`acme-${++organizations}`));
  await seedGroup(api);
});
afterAll(() => control.stop());

const CANARY = { kind: 'canary', steps: [{ weightBp: 500, durationMs: 600_000 }, { weightBp: 10_000 }] };
const draft = (changes: object = {}) => ({
  ...{ group: 'demo', name: 'b-in-demo', challengers: ['b'], plan: { strategy: CANARY } },
  ...changes,
});
const create = (changes: object = {}, headers?: Record<string, string>) =>
  api('POST', '/rollouts', draft(changes), headers);

test('a draft is made with every default, moves nothing and is found by id and by name', async () => {
  const weights = (await api('GET', '/groups/demo')).body.variants;
  const made = await create();
  expect(made.status).toBe(201);
  expect(made.headers.get('location')).toBe(`/api/v1/rollouts/${made.body.id}`);
  expect(made.headers.get('etag')).toBe('"1"');
  expect(made.body).toMatchObject({
    ...{ name: 'b-in-demo', group: 'demo', state: 'draft', paused: null, champion: 'a', challengers: ['b'] },
    ...{ step: null, weights: { a: 9_000, b: 1_000 }, waitsFor: 'Somebody to start it.', nextLookAt: null },
    ...{ possible: ['start', 'abort'], startedAt: null, endedAt: null, version: 1 },
    experiment: { primary: null, guardrails: [{ metric: 'error_rate', margin: 0.01, severity: 'rollback' }] },
    plan: { strategy: CANARY, autoPromote: true, onInconclusive: 'pause', intervalMs: 30_000 },
  });
  expect(made.body.webhookSecret).toBeUndefined();
  for (const ref of [made.body.id, 'b-in-demo']) {
    const found = await api('GET', `/rollouts/${ref}`);
    expect(found.body).toEqual(made.body);
    expect(found.headers.get('etag')).toBe('"1"');
  }
  expect((await api('GET', '/groups/demo')).body.variants).toEqual(weights);
  const [entry] = (await api('GET', '/audit')).body.items;
  expect(entry).toMatchObject({ action: 'rollout.create', resource: `rollouts/${made.body.id}`, before: null });
});

test('a model that is no variant yet may be a challenger, and several may', async () => {
  await api('POST', '/models', { name: 'c', provider: 'p', upstreamModel: 'c' });
  const made = await create({
    challengers: ['b', 'c'],
    plan: { strategy: { kind: 'ab', weightBp: 2_000 } },
    experiment: { primary: { metric: 'cost' } },
  });
  expect(made).toMatchObject({ status: 201, body: { challengers: ['b', 'c'] } });
});

test('everything that is wrong is named at once', async () => {
  await api('PUT', '/groups/demo/variants', [
    { model: 'a', role: 'champion', weightBp: 9_000 },
    { model: 'b', role: 'challenger', weightBp: 1_000 },
  ]);
  const steps = [{ weightBp: 6_000, durationMs: 1 }, { weightBp: 5_000 }];
  const refused = await create({
    challengers: ['a', 'nobody', 'a'],
    experiment: { primary: { metric: 'stars' }, guardrails: [{ metric: 'error_rate=x', margin: 0.1 }] },
    plan: { strategy: { kind: 'canary', steps }, webhooks: [{ hook: 'on-end', url: 'http://10.0.0.1/x' }] },
  });
  expect(refused).toMatchObject({ status: 422, body: { type: 'urn:ringside:problem:invalid' } });
  expect(refused.body.issues.map(({ field }: { field: string }) => field)).toEqual([
    ...['challengers[0]', 'challengers[1]', 'challengers[2]', 'challengers'],
    ...['experiment.primary.direction', 'experiment.guardrails[0].metric'],
    ...['plan.strategy.steps[1].weightBp', 'plan.strategy.steps[0].weightBp', 'plan.webhooks[0].url'],
  ]);
  expect((await api('GET', '/rollouts')).body.items).toEqual([]);
});

test.each([
  [{ group: 'nobody' }, 'group'],
  [{ name: 'no name' }, 'name'],
  [{ challengers: [] }, 'challengers'],
  [{ plan: {} }, 'plan.strategy'],
  [{ plan: { strategy: { kind: 'canary', steps: [{ weightBp: 0 }] } } }, 'plan.strategy.steps[0].weightBp'],
  [{ plan: { strategy: CANARY, wait: 1 } }, 'plan.wait'],
  [{ experiment: { alpha: 0 } }, 'experiment.alpha'],
  [{ plan: { strategy: CANARY, webhooks: [{ hook: 'on-end', url: 'ftp://example.com' }] } }, 'plan.webhooks[0].url'],
])('POST refuses %j', async (changes, field) => {
  expect(await create(changes)).toMatchObject({ status: 422, body: { field } });
});

test('roles of the group that are not for a rollout are refused, and a group without a champion', async () => {
  for (const name of ['c', 'd']) await api('POST', '/models', { name, provider: 'p', upstreamModel: name });
  await api('PUT', '/groups/demo/variants', [
    { model: 'a', role: 'champion', weightBp: 10_000 },
    { model: 'b', role: 'shadow' },
    { model: 'c', role: 'fallback' },
  ]);
  expect((await create({ challengers: ['b'] })).body.detail).toContain('"b" is a shadow');
  expect((await create({ challengers: ['c'] })).body.detail).toContain('"c" is a fallback');
  expect((await create({ challengers: ['d'] })).status).toBe(201);
  await api('POST', '/groups', { name: 'empty' });
  expect(await create({ group: 'empty' })).toMatchObject({ status: 422, body: { field: 'group' } });
});

test('a secret is made with the first webhook, shown once and kept sealed', async () => {
  const plan = { strategy: CANARY, webhooks: [{ hook: 'on-end', url: `${control.url}/x` }] };
  const key = { 'idempotency-key': randomUUID() };
  const made = await create({ plan }, key);
  expect(made.body.webhookSecret).toMatch(/^rsw_[\w-]{43}$/);
  expect((await create({ plan }, key)).body).toEqual(made.body);
  expect((await api('GET', `/rollouts/${made.body.id}`)).body).not.toHaveProperty('webhookSecret');
  const row = await control.admin
    .selectFrom('rollouts')
    .select('secrets')
    .where('id', '=', made.body.id)
    .executeTakeFirstOrThrow();
  expect(openWebhookSecret(control.keyring, api.organizationId, made.body.id, row.secrets!)).toBe(
    made.body.webhookSecret,
  );
  expect(JSON.stringify((await api('GET', '/audit')).body)).not.toContain(made.body.webhookSecret);
  const plain = await create();
  const patched = await api('PATCH', `/rollouts/${plain.body.id}`, { plan });
  expect(patched.body.webhookSecret).toMatch(/^rsw_/);
  expect((await api('PATCH', `/rollouts/${plain.body.id}`, { plan })).body).not.toHaveProperty('webhookSecret');
});

test('a draft is changed field by field, by whoever knows its version, and deleted', async () => {
  const { id } = (await create()).body;
  const path = `/rollouts/${id}`;
  const changed = await api('PATCH', path, { name: 'other', experiment: { alpha: 0.01 } }, { 'if-match': '"1"' });
  expect(changed).toMatchObject({ status: 200, body: { name: 'other', version: 2, experiment: { alpha: 0.01 } } });
  expect(changed.body.plan.strategy).toMatchObject(CANARY);
  expect((await api('PATCH', path, { name: 'x' }, { 'if-match': '"1"' })).status).toBe(412);
  expect(await api('PATCH', path, { plan: { strategy: { kind: 'ab' } } })).toMatchObject({
    status: 422,
    body: { field: 'experiment.primary' },
  });
  expect((await api('DELETE', path, undefined, { 'if-match': '"1"' })).status).toBe(412);
  expect((await api('DELETE', path, undefined, { 'if-match': '"2"' })).status).toBe(204);
  expect((await api('GET', path)).status).toBe(404);
  const actions = (await api('GET', '/audit')).body.items.map(({ action }: { action: string }) => action);
  expect(actions.slice(0, 3)).toEqual(['rollout.delete', 'rollout.update', 'rollout.create']);
});

test('lists are newest first, in pages, of one group or in one state', async () => {
  await api('POST', '/groups', { name: 'second' });
  await api('PUT', '/groups/second/variants', [{ model: 'a', role: 'champion', weightBp: 10_000 }]);
  for (let i = 0; i < 5; i++) await create({ name: `r${i}`, group: i === 3 ? 'second' : 'demo' });
  const names = async (query: string) => {
    const { body } = await api('GET', `/rollouts${query}`);
    return { names: body.items.map(({ name }: { name: string }) => name), next: body.nextCursor };
  };
  expect((await names('')).names).toEqual(['r4', 'r3', 'r2', 'r1', 'r0']);
  const first = await names('?limit=2');
  expect(first.names).toEqual(['r4', 'r3']);
  const second = await names(`?limit=2&cursor=${first.next}`);
  expect(second.names).toEqual(['r2', 'r1']);
  expect(await names(`?limit=2&cursor=${second.next}`)).toEqual({ names: ['r0'], next: null });
  expect((await names('?group=second')).names).toEqual(['r3']);
  expect((await names('?state=active&group=demo')).names).toEqual(['r4', 'r2', 'r1', 'r0']);
  expect((await names('?state=promoted')).names).toEqual([]);
  expect((await api('GET', '/rollouts?group=nobody')).status).toBe(404);
  expect(await api('GET', '/rollouts?state=x')).toMatchObject({ status: 422, body: { field: 'state' } });
});

test('nobody sees the rollouts of others', async () => {
  const { id } = (await create()).body;
  const stranger = await control.owner(`stranger-${organizations}`);
  expect((await stranger('GET', '/rollouts')).body.items).toEqual([]);
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '/transitions'],
    ['GET', '/webhooks'],
    ['DELETE', ''],
    ['POST', '/start'],
    ['POST', '/abort'],
    ['POST', '/promote'],
  ] as const) {
    expect((await stranger(method, `/rollouts/${id}${path}`)).status, `${method} ${path}`).toBe(404);
  }
  expect((await stranger('PATCH', `/rollouts/${id}`, { name: 'x' })).status).toBe(404);
});

test('two start at once: one wins', async () => {
  const drafts = [(await create({ name: 'r1' })).body.id, (await create({ name: 'r2' })).body.id];
  const answers = await Promise.all(drafts.map((id) => api('POST', `/rollouts/${id}/start`)));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
});
