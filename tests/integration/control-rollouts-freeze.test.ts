import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
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

const DAY_MS = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString();
const freeze = (changes: object = {}) =>
  api('POST', '/freeze-windows', { endsAt: inDays(1), reason: 'holidays', ...changes });

test('a window is made, listed by its beginning, and deleted', async () => {
  const later = await freeze({ group: 'demo', startsAt: inDays(3), endsAt: inDays(4) });
  const now = await freeze();
  expect(now).toMatchObject({ status: 201, body: { group: null, active: true, reason: 'holidays' } });
  expect(later).toMatchObject({ status: 201, body: { group: 'demo', active: false } });
  await control.admin
    .updateTable('freeze_windows')
    .set({ starts_at: new Date(inDays(-9)), ends_at: new Date(inDays(-8)) })
    .where('id', '=', (await freeze({ reason: 'over' })).body.id)
    .execute();
  const { body } = await api('GET', '/freeze-windows');
  expect(body.items).toEqual([now.body, later.body]);
  expect((await api('GET', '/freeze-windows?all=true')).body.items).toHaveLength(3);
  const first = await api('GET', '/freeze-windows?limit=1');
  const second = await api('GET', `/freeze-windows?limit=1&cursor=${first.body.nextCursor}`);
  expect([...first.body.items, ...second.body.items]).toEqual(body.items);
  expect(second.body.nextCursor).toBeNull();
  expect((await api('DELETE', `/freeze-windows/${now.body.id}`)).status).toBe(204);
  expect((await api('DELETE', `/freeze-windows/${now.body.id}`)).status).toBe(404);
  expect((await api('DELETE', '/freeze-windows/holidays')).status).toBe(404);
  const actions = (await api('GET', '/audit')).body.items.map(({ action }: { action: string }) => action);
  expect(actions.slice(0, 2)).toEqual(['freeze-window.delete', 'freeze-window.create']);
});

test.each([
  [{ group: 'nobody' }, 'group'],
  [{ endsAt: undefined }, 'endsAt'],
  [{ startsAt: inDays(2), endsAt: inDays(1) }, 'endsAt'],
  [{ startsAt: inDays(-2), endsAt: inDays(-1) }, 'endsAt'],
  [{ reason: ' ' }, 'reason'],
  [{ startsAt: 'tomorrow' }, 'startsAt'],
])('POST refuses %j', async (changes, field) => {
  expect(await freeze(changes)).toMatchObject({ status: 422, body: { field } });
});

test('others have their own windows', async () => {
  const { id } = (await freeze()).body;
  const stranger = await control.owner(`stranger-${organizations}`);
  expect((await stranger('GET', '/freeze-windows')).body.items).toEqual([]);
  expect((await stranger('DELETE', `/freeze-windows/${id}`)).status).toBe(404);
});
