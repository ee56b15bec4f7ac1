import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFAULT_SHADOW_POLICY } from '#core/snapshot/shadow-policy.ts';
import { snapshotsSince } from '#store/snapshots.ts';
import { type ApiClient, startTestControlPlane, type TestControlPlane } from '#tests/support/control-plane.ts';
import { withDocumentedAnswers } from '#tests/support/openapi-answers.ts';

let control: TestControlPlane;
let api: ApiClient;

beforeAll(async () => {
  control = await startTestControlPlane();
  api = await withDocumentedAnswers(control.url, await control.owner('acme'));
});
afterAll(() => control.stop());

const published = async () => {
  const all = await snapshotsSince(control.gateway, 0);
  const newest = all.filter((snapshot) => snapshot.organizationId === api.organizationId).at(-1)!;
  return (newest.document as { groups: { shadow: unknown }[] }).groups[0]!.shadow;
};

test.each([
  ['a share beyond all', { sampleBp: 10_001 }, 'shadow.sampleBp'],
  ['no place at all', { maxConcurrency: 0 }, 'shadow.maxConcurrency'],
  ['no tokens at all', { maxTokensPerDay: 0 }, 'shadow.maxTokensPerDay'],
  ['half a millisecond', { timeoutMs: 100.5 }, 'shadow.timeoutMs'],
])('%s is refused, and its field named', async (_, shadow, field) => {
  expect(await api('POST', '/groups', { name: 'g', shadow })).toMatchObject({ status: 422, body: { field } });
});

test('a field that there is not is refused', async () => {
  expect((await api('POST', '/groups', { name: 'g', shadow: { rate: 1 } })).status).toBe(422);
});

test('a group has the default policy, which is changed in part, shown, audited and published', async () => {
  const made = await api('POST', '/groups', { name: 'g' });
  expect(made.body.shadow).toEqual(DEFAULT_SHADOW_POLICY);
  const patched = await api('PATCH', '/groups/g', { shadow: { sampleBp: 500, maxTokensPerDay: 1_000_000 } });
  const expected = { ...DEFAULT_SHADOW_POLICY, sampleBp: 500, maxTokensPerDay: 1_000_000 };
  expect(patched.body.shadow).toEqual(expected);
  expect((await api('GET', '/groups/g')).body.shadow).toEqual(expected);
  expect(await published()).toEqual(expected);
  const { body } = await api('GET', '/audit');
  expect(body.items[0]).toMatchObject({
    ...{ action: 'group.update', before: { shadow: DEFAULT_SHADOW_POLICY }, after: { shadow: expected } },
  });
  const unbounded = await api('PATCH', '/groups/g', { shadow: { maxTokensPerDay: null } });
  expect(unbounded.body.shadow).toEqual({ ...expected, maxTokensPerDay: null });
});
