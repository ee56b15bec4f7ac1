import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { snapshotSchema } from '#core/snapshot/schema.ts';
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
  control = await startTestControlPlane();
});
beforeEach(async () => {
  api = await control.owner(`acme-${++organizations}`);
  await seedGroup(api);
});
afterAll(() => control.stop());

/** The owner of each bucket, by model name, as gateways see it. */
async function owners(): Promise<string[]> {
  const all = await snapshotsSince(control.gateway, 0);
  const found = all.find((snapshot) => snapshot.organizationId === api.organizationId);
  const { groups, models } = snapshotSchema.parse(found?.document);
  const names = new Map(models.map((model) => [model.id, model.name]));
  const buckets: string[] = [];
  for (const variant of groups[0]?.variants ?? []) {
    for (const [from, to] of variant.ranges) {
      for (let bucket = from; bucket < to; bucket++) buckets[bucket] = names.get(variant.modelId) ?? '';
    }
  }
  return buckets;
}

test('PATCH moves buckets only from the variant that shrinks to the one that grows', async () => {
  const before = await owners();
  expect(before.filter((name) => name === 'a')).toHaveLength(9000);
  const answer = await api('PATCH', '/groups/demo/weights', { a: 8000, b: 2000 });
  expect(answer.body).toMatchObject({
    variants: [
      { model: 'a', role: 'champion', weightBp: 8000 },
      { model: 'b', role: 'challenger', weightBp: 2000 },
    ],
    phase: 3,
    version: 3,
  });
  const after = await owners();
  const moved = before.flatMap((owner, bucket) => (owner === after[bucket] ? [] : [`${owner}→${after[bucket]}`]));
  expect(moved).toHaveLength(1000);
  expect(new Set(moved)).toEqual(new Set(['a→b']));
  await api('PATCH', '/groups/demo/weights', { a: 9000, b: 1000 });
  expect(await owners()).toEqual(before);
});

test('models that PATCH does not name keep their weight, and weight 0 means no traffic', async () => {
  await api('POST', '/models', { name: 'c', provider: 'p', upstreamModel: 'c' });
  const before = await owners();
  await api('PUT', '/groups/demo/variants', [
    { model: 'a', role: 'champion', weightBp: 9000 },
    { model: 'b', role: 'challenger', weightBp: 1000 },
    { model: 'c', role: 'challenger', weightBp: 0 },
  ]);
  expect(await owners()).toEqual(before);
  const answer = await api('PATCH', '/groups/demo/weights', { b: 0, c: 1000 });
  expect(answer.body.variants.map((v: { weightBp: number }) => v.weightBp)).toEqual([9000, 0, 1000]);
  expect(new Set(await owners())).toEqual(new Set(['a', 'c']));
});

test('PUT takes shadows and fallbacks without a weight, and an empty list', async () => {
  await api('POST', '/models', { name: 'c', provider: 'p', upstreamModel: 'c' });
  const answer = await api('PUT', '/groups/demo/variants', [
    { model: 'b', role: 'champion', weightBp: 10_000 },
    { model: 'a', role: 'shadow' },
    { model: 'c', role: 'fallback' },
  ]);
  expect(answer.body.variants).toEqual([
    { model: 'b', role: 'champion', weightBp: 10_000 },
    { model: 'a', role: 'shadow', weightBp: 0 },
    { model: 'c', role: 'fallback', weightBp: 0 },
  ]);
  expect((await api('PUT', '/groups/demo/variants', [])).body.variants).toEqual([]);
  const again = await api('PUT', '/groups/demo/variants', [{ model: 'a', role: 'champion', weightBp: 10_000 }]);
  expect(again.status).toBe(200);
});

test('the phase grows with the split, and not without it', async () => {
  expect((await api('GET', '/groups/demo')).body.phase).toBe(2);
  expect((await api('PATCH', '/groups/demo/weights', { a: 9000 })).body.phase).toBe(2);
  expect((await api('PATCH', '/groups/demo', { description: 'x' })).body.phase).toBe(2);
  expect((await api('PATCH', '/groups/demo/weights', { a: 0, b: 10_000 })).body.phase).toBe(3);
});

test('every version of the weights is kept with its ranges', async () => {
  const first = await api('PATCH', '/groups/demo/weights', { a: 5000, b: 5000 });
  const second = await api('PATCH', '/groups/demo/weights', { a: 1, b: 9999 });
  const kept = await control.admin
    .selectFrom('weight_versions')
    .selectAll()
    .where('group_id', '=', first.body.id)
    .orderBy('config_version')
    .execute();
  expect(kept).toHaveLength(3);
  expect(kept[1]).toMatchObject({
    config_version: Number(first.headers.get('x-ringside-config-version')),
    phase: 3,
    variants: [
      { model: 'a', role: 'champion', weightBp: 5000, ranges: [[0, 5000]] },
      { model: 'b', role: 'challenger', weightBp: 5000, ranges: [[5000, 10_000]] },
    ],
  });
  expect(kept[2]?.config_version).toBe(Number(second.headers.get('x-ringside-config-version')));
  expect(kept[2]?.salt).toMatch(/^[0-9a-f]{32}$/);
});

test('forty changes at once leave one consistent split', async () => {
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) => api('PATCH', '/groups/demo/weights', { a: 10_000 - i * 10, b: i * 10 })),
  );
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(new Set(answers.map(({ body }) => body.version)).size).toBe(40);
  const { body } = await api('GET', '/groups/demo');
  const buckets = await owners();
  for (const { model, weightBp } of body.variants)
    expect(buckets.filter((name) => name === model)).toHaveLength(weightBp);
});

const champion = (weightBp: unknown) => ({ model: 'a', role: 'champion', weightBp });
const challenger = (weightBp: unknown) => ({ model: 'b', role: 'challenger', weightBp });
test.each([
  [[champion(9000), challenger(900)], 'variants'],
  [[champion(9000), challenger(1001)], 'variants'],
  [[challenger(10_000)], 'variants'],
  [[champion(5000), { ...champion(5000), model: 'b' }], 'variants'],
  [[champion(9000), champion(1000)], 'variants[1].model'],
  [[champion(9000.5), challenger(999.5)], 'variants[0].weightBp'],
  [[champion(10_001), challenger(-1)], 'variants[0].weightBp'],
  [[champion('9000'), challenger(1000)], 'variants[0].weightBp'],
  [[champion(9000), challenger(null)], 'variants[1].weightBp'],
  [[champion(9000), { model: 'b', role: 'challenger' }], 'variants[1].weightBp'],
  [[champion(9000), { model: 'b', role: 'shadow', weightBp: 1000 }], 'variants[1].weightBp'],
  [[champion(10_000), { model: 'nobody', role: 'shadow' }], 'variants[1].model'],
  [[champion(10_000), { model: 'b', role: 'king', weightBp: 0 }], 'variants[1].role'],
  [[champion(10_000), { ...challenger(0), wait: 1 }], 'variants[1].wait'],
  [{ a: 10_000 }, 'variants'],
])('PUT refuses %j', async (body, field) => {
  expect(await api('PUT', '/groups/demo/variants', body)).toMatchObject({ status: 422, body: { field } });
  expect((await api('GET', '/groups/demo')).body.version).toBe(2);
});

test.each([
  [{ a: 8000 }, 'weights'],
  [{}, 'weights'],
  [{ a: 8000, b: 2000, nobody: 0 }, 'weights.nobody'],
  [{ a: 8000, constructor: 2000 }, 'weights.constructor'],
  [{ a: 8000.5, b: 1999.5 }, 'weights.a'],
  [{ a: 10_001, b: -1 }, 'weights.a'],
  [{ a: '8000', b: 2000 }, 'weights.a'],
  [{ a: null, b: 2000 }, 'weights.a'],
  [[8000, 2000], 'weights'],
])('PATCH refuses %j', async (body, field) => {
  expect(await api('PATCH', '/groups/demo/weights', body)).toMatchObject({ status: 422, body: { field } });
  expect((await api('GET', '/groups/demo')).body.version).toBe(2);
});

test('a model that a group uses stays, and the answer names the group', async () => {
  const refused = await api('DELETE', '/models/a');
  expect(refused).toMatchObject({ status: 409, body: { type: 'urn:ringside:problem:in_use', field: 'groups' } });
  expect(refused.body.detail).toContain('"demo"');
  await api('DELETE', '/groups/demo');
  expect((await api('DELETE', '/models/a')).status).toBe(204);
});

test('a model and a variant of it cannot pass each other', async () => {
  for (let round = 0; round < 5; round++) {
    await api('POST', '/models', { name: `m${round}`, provider: 'p', upstreamModel: 'x' });
    const [put, gone] = await Promise.all([
      api('PUT', '/groups/demo/variants', [{ model: `m${round}`, role: 'champion', weightBp: 10_000 }]),
      api('DELETE', `/models/m${round}`),
    ]);
    expect([`200 409`, `422 204`]).toContain(`${put.status} ${gone.status}`);
  }
});
