import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { WeightVersionVariant } from '#store/database.ts';
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

const back = (body?: object) => api('POST', '/groups/demo/rollback', body);
const weightsOf = (variants: { model: string; weightBp: number }[]) =>
  Object.fromEntries(variants.map(({ model, weightBp }) => [model, weightBp]));

/** The splits that the group has had, oldest first. */
async function splits(): Promise<readonly WeightVersionVariant[][]> {
  const { id } = (await api('GET', '/groups/demo')).body;
  const rows = await control.admin
    .selectFrom('weight_versions')
    .select('variants')
    .where('group_id', '=', id)
    .orderBy('config_version')
    .execute();
  return rows.map(({ variants }) => variants);
}

test('one call gives the exact split before back, bucket by bucket, and a second takes that back', async () => {
  await api('PATCH', '/groups/demo/weights', { a: 4_000, b: 6_000 });
  await api('PATCH', '/groups/demo/weights', { a: 7_000, b: 3_000 });
  await api('PATCH', '/groups/demo/weights', { a: 7_000 }); // changes nothing
  const answer = await back({ reason: 'complaints' });
  expect(answer).toMatchObject({ status: 200, body: { name: 'demo' } });
  expect(weightsOf(answer.body.variants)).toEqual({ a: 4_000, b: 6_000 });
  const before = await splits();
  expect(before.at(-1)).toEqual(before[1]);
  const [entry] = (await api('GET', '/audit')).body.items;
  expect(entry).toMatchObject({ action: 'group.rollback', after: { reason: 'complaints' } });
  expect(weightsOf((await back()).body.variants)).toEqual({ a: 7_000, b: 3_000 });
  const all = await splits();
  expect(all.at(-1)).toEqual(all[2]);
});

test('roles and models come back too', async () => {
  await api('POST', '/models', { name: 'c', provider: 'p', upstreamModel: 'c' });
  await api('PUT', '/groups/demo/variants', [
    { model: 'b', role: 'champion', weightBp: 10_000 },
    { model: 'c', role: 'fallback' },
  ]);
  expect((await back()).body.variants).toEqual([
    { model: 'a', role: 'champion', weightBp: 9_000 },
    { model: 'b', role: 'challenger', weightBp: 1_000 },
  ]);
});

test('there may be nothing to go back to', async () => {
  const refused = await back();
  expect(refused).toMatchObject({ status: 409, body: { type: 'urn:ringside:problem:conflict' } });
  await api('POST', '/models', { name: 'c', provider: 'p', upstreamModel: 'c' });
  await api('PUT', '/groups/demo/variants', [{ model: 'a', role: 'champion', weightBp: 10_000 }]);
  expect((await api('DELETE', '/models/b')).status).toBe(204);
  expect((await back()).body.detail).toContain('"b"');
  expect((await api('POST', '/groups/nobody/rollback')).status).toBe(404);
});

test('it knows versions and repeats like every change', async () => {
  await api('PATCH', '/groups/demo/weights', { a: 4_000, b: 6_000 });
  expect((await api('POST', '/groups/demo/rollback', {}, { 'if-match': '"2"' })).status).toBe(412);
  const headers = { 'idempotency-key': 'once', 'if-match': '"3"' };
  const first = await api('POST', '/groups/demo/rollback', {}, headers);
  expect(first).toMatchObject({ status: 200, body: { version: 4 } });
  expect((await api('POST', '/groups/demo/rollback', {}, headers)).body).toEqual(first.body);
  expect((await api('GET', '/groups/demo')).body.version).toBe(4);
  expect(await api('POST', '/groups/demo/rollback', { why: 'x' })).toMatchObject({
    status: 422,
    body: { field: 'why' },
  });
});
