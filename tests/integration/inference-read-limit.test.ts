import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { boundedRead } from '#control-plane/inferences/reading.ts';
import { NEWEST_FIRST } from '#store/inference-order.ts';
import { listInferences } from '#store/inferences.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import { inOrganization } from '#store/pool.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';

let control: TestControlPlane;
let api: ApiClient;

beforeAll(async () => {
  control = await startTestControlPlane();
  api = await control.owner('acme');
  await seedGroup(api, 'demo');
});
afterAll(() => control.stop());

const LIMIT_MS = 600;

/** As many keys as are asked for, of rows that are not there, each time after a while that is well below the limit. */
const ENDLESS_SEARCH = `
  CREATE OR REPLACE FUNCTION find_inferences(wanted_groups uuid[], sought jsonb, since timestamptz, until timestamptz,
    before_at timestamptz, before_id uuid, max_keys integer)
  RETURNS SETOF inference_key LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM pg_sleep(0.05);
    RETURN QUERY SELECT wanted_groups[1], now(), gen_random_uuid() FROM generate_series(1, max_keys);
  END $$`;

test('a search that goes on and on ends when the time of the whole read is up', async () => {
  await sql.raw(`SET search_path = ringside; ${ENDLESS_SEARCH}`).execute(control.admin);
  const groupId = (await api('GET', '/groups/demo')).body.id as string;
  const began = performance.now();
  const read = inOrganization(control.application, api.organizationId, (tx) =>
    boundedRead(
      tx,
      (reading) =>
        listInferences(
          reading,
          api.organizationId,
          { groupIds: [groupId], metadata: { tenant: 'acme' }, until: new Date(), since: new Date(0) },
          { order: NEWEST_FIRST, after: undefined, limit: 51 },
        ),
      { limitMs: LIMIT_MS },
    ),
  );
  await expect(read).rejects.toMatchObject({ code: 'invalid', issues: [{ field: 'since' }] });
  expect(performance.now() - began).toBeGreaterThan(LIMIT_MS);
});

test('many short statements are as much as one long one', async () => {
  let ran = 0;
  const read = inOrganization(control.application, api.organizationId, (tx) =>
    boundedRead(
      tx,
      async (reading) => {
        for (; ran < 1_000; ran++)
          await reading.run((inner) => sql`SELECT pg_sleep(0.05), ${randomUUID()}`.execute(inner));
      },
      { limitMs: LIMIT_MS },
    ),
  );
  await expect(read).rejects.toMatchObject({ code: 'invalid' });
  expect(ran).toBeLessThanOrEqual(LIMIT_MS / 50);
});

test('where the store of the rows is away, what is read in its place has its own time', async () => {
  const timeout = await inOrganization(control.application, api.organizationId, async (tx) => {
    const away = new LogUnavailableError('away', { why: 'is away', isRefusal: false, cause: undefined });
    const read = boundedRead(tx, ({ ask }) => ask(() => Promise.reject(away)), { limitMs: LIMIT_MS });
    await expect(read).rejects.toBe(away);
    const { rows } = await sql<{ statement_timeout: string }>`SHOW statement_timeout`.execute(tx);
    return rows[0]!.statement_timeout;
  });
  expect(timeout).toBe('0');
});
