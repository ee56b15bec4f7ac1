import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiClient, startTestControlPlane, type TestControlPlane } from '#tests/support/control-plane.ts';
import { plantInference } from '#tests/support/planted-inferences.ts';
import { waitFor } from '#tests/support/wait.ts';

const DAY_MS = 86_400_000;

let control: TestControlPlane;
let api: ApiClient;

beforeAll(async () => {
  control = await startTestControlPlane({ jobTimes: { closedIndexesMs: 50 } });
  api = await control.owner('acme');
});
afterAll(() => control.stop());

test('who leads gives partitions their indexes when they have ended, and no others', async () => {
  const groupId = (await api('POST', '/groups', { name: 'demo' })).body.id;
  for (const days of [0, 40]) {
    await plantInference(control.admin, {
      ...{ groupId, organizationId: api.organizationId, atMs: Date.now() - days * DAY_MS },
      request: JSON.stringify({ messages: [{ role: 'user', content: `a question of ${days} days ago` }] }),
    });
  }
  const indexed = async (prefix: string) => {
    const { rows } = await sql<{ relname: string }>`SELECT relname FROM pg_class
      WHERE relkind = 'i' AND starts_with(relname, ${prefix})`.execute(control.admin);
    return rows;
  };
  await waitFor('both indexes', async () => {
    const counts = [(await indexed('latency_g_')).length, (await indexed('search_g_')).length];
    return counts.every((count) => count > 0);
  });
  // Of the partition of 40 days ago alone.
  expect([(await indexed('latency_g_')).length, (await indexed('search_g_')).length]).toEqual([1, 1]);
  expect((await api('GET', '/inferences?q=question')).body.items).toHaveLength(2);
});
