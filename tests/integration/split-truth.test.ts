import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addToRollups } from '#inference-log/sinks/rollups.ts';
import { createClientPool } from '#store/pool.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { holdLead } from '#tests/support/hold-lead.ts';
import { withDocumentedAnswers } from '#tests/support/openapi-answers.ts';
import { countInferences, plantExperiment } from '#tests/support/planted-experiment.ts';
import { plantInference } from '#tests/support/planted-inferences.ts';
import { beginRecord, endRecord } from '#tests/support/records.ts';

const MINUTE = Date.parse('2026-03-02T10:00:00Z');
const NOW = MINUTE + 10 * 60_000;

let control: TestControlPlane;
let release: () => Promise<void>;
let api: ApiClient;
let rival: ApiClient;
let groupId: string;
let version: number;

beforeAll(async () => {
  control = await startTestControlPlane({ clock: { nowMs: () => NOW } });
  release = await holdLead(control.databaseUrl);
  api = await withDocumentedAnswers(control.url, await control.owner('acme'));
  rival = await control.owner('rival');
  await seedGroup(api, 'demo');
  groupId = (await api('GET', '/groups/demo')).body.id;
  const { rows } = await sql<{ v: number }>`SELECT max(config_version) AS v FROM ringside.weight_versions`.execute(
    control.admin,
  );
  version = rows[0]!.v;
  // In force since long before: 90 % and 10 %.
  await sql`UPDATE ringside.weight_versions SET created_at = '2026-01-01'`.execute(control.admin);
});
afterAll(async () => {
  await release();
  await control.stop();
});

interface Planted {
  readonly atMs: number;
  readonly unit: string;
  readonly assigned: string;
  readonly served?: string | null;
  readonly reason?: 'assigned' | 'pinned' | 'shadow' | 'none';
  readonly error?: string;
  readonly outcome?: 'completed' | 'failed' | 'client_closed' | 'interrupted';
  readonly configVersion?: number;
  readonly gatewayId?: string;
}

const GATEWAY = randomUUID();

/** Rows and their rollups, as the shipper writes them together. */
async function plant(list: readonly Planted[]): Promise<void> {
  const pool = createClientPool({
    ...{ databaseUrl: control.databaseUrl, role: 'shipper', maxConnections: 1, applicationName: 'test' },
  });
  for (const one of list) {
    const { atMs, unit, assigned, reason = 'assigned', outcome = 'completed' } = one;
    const served = one.served === undefined ? assigned : one.served;
    const configVersion = one.configVersion ?? version;
    const gatewayId = one.gatewayId ?? GATEWAY;
    const organizationId = api.organizationId;
    const id = await plantInference(control.admin, {
      ...{ groupId, organizationId, atMs },
      row: {
        ...{ unit, assigned_variant: assigned, served_variant: served, served_reason: reason, outcome },
        ...{ error_code: one.error ?? null, config_version: configVersion, gateway_id: gatewayId },
      },
    });
    const begin = beginRecord({ groupId, organizationId, unit, assignedVariant: assigned, configVersion });
    const end = endRecord({
      servedVariant: served,
      servedReason: reason,
      outcome,
      errorCode: (one.error ?? null) as null,
    });
    await addToRollups(await pool.connect().then(releasing), gatewayId, [
      { id, gatewayId, begin, end, request: null, response: null },
    ]);
  }
  await pool.end();
}

/** One connection that is given back after its statement. */
function releasing(client: import('pg').PoolClient) {
  return {
    query: async (...query: unknown[]) => {
      try {
        return await (client.query as (...of: unknown[]) => Promise<unknown>)(...query);
      } finally {
        client.release();
      }
    },
  } as unknown as import('pg').PoolClient;
}

const at = (minute: number, second = 0) => MINUTE + minute * 60_000 + second * 1_000;
const since = (minute: number) => new Date(at(minute)).toISOString();
async function steps(from: number, to: number, step = 1) {
  const answer = await api('GET', `/groups/demo/split?since=${since(from)}&until=${since(to)}&step=${step}`);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body;
}
const codes = (step: { reasons: { code: string }[] }) => step.reasons.map(({ code }) => code);

test('what was assigned is what was served and what was not, each with its reason and to the last one', async () => {
  const many = (count: number, of: Omit<Planted, 'atMs' | 'unit'>) =>
    Array.from({ length: count }, (_, i) => ({ atMs: at(0, i % 60), unit: `${of.assigned}-${i}-${of.error}`, ...of }));
  await plant([
    ...many(18, { assigned: 'a' }),
    ...many(2, { assigned: 'a', served: null, reason: 'none', outcome: 'failed', error: 'upstream_timeout' }),
    ...many(1, { assigned: 'a', served: null, reason: 'none', outcome: 'client_closed', error: 'client_closed' }),
    ...many(1, { assigned: 'a', served: null, reason: 'none', outcome: 'interrupted', error: 'interrupted' }),
    ...many(3, { assigned: 'b', served: 'a' }),
    ...many(4, { assigned: 'b', reason: 'pinned' }),
    ...many(5, { assigned: 'b', reason: 'shadow' }),
  ]);
  const [step] = (await steps(0, 1)).steps;
  expect(step).toMatchObject({ from: since(0), until: since(1), requests: 29, units: 26 });
  const [a, b] = step.variants;
  expect(a).toMatchObject({
    ...{ model: 'a', configuredBp: 9_000, assigned: 22, served: 21, servedShare: 1 },
    became: {
      ...{ servedAssigned: 18, fallback: {}, errors: { upstream_timeout: 2 } },
      ...{ clientClosed: 1, interrupted: 1, pinned: 0 },
    },
  });
  expect(b).toMatchObject({
    ...{ model: 'b', configuredBp: 1_000, assigned: 7, served: 0 },
    became: { servedAssigned: 0, fallback: { a: 3 }, errors: {}, clientClosed: 0, interrupted: 0, pinned: 4 },
  });
  expect(a.assignedShare + b.assignedShare).toBeCloseTo(1, 12);
  const served = step.reasons.filter(({ difference }: { difference: string }) => difference === 'served');
  expect(served.map(({ code, variant, count }: Record<string, unknown>) => [code, variant, count])).toEqual([
    ['error', 'a', 2],
    ['client_closed', 'a', 1],
    ['interrupted', 'a', 1],
    ['fallback', 'b', 3],
    ['pinned', 'b', 4],
  ]);
  expect(served[0].detail).toContain('upstream_timeout');
});

test('few units explain a share by chance; a split that nothing explains is said to be one', async () => {
  await plant([
    ...Array.from({ length: 8 }, (_, i) => ({ atMs: at(1, i), unit: `few-${i}`, assigned: i < 6 ? 'a' : 'b' })),
    // A broken client: every unit to b.
    ...Array.from({ length: 60 }, (_, i) => ({ atMs: at(2, i), unit: `many-${i}`, assigned: 'b' })),
  ]);
  const { steps: found } = await steps(1, 3);
  expect(found.map(codes)).toEqual([
    ['few_units', 'few_units'],
    ['unexplained', 'unexplained'],
  ]);
  // √(0.9 · 0.1 / 8)
  expect(found[0].variants[0].deviation).toBeCloseTo(Math.sqrt((0.9 * 0.1) / 8), 10);
});

test('one heavy unit is named, with the variant that all its requests go to', async () => {
  await plant([
    ...Array.from({ length: 30 }, (_, i) => ({ atMs: at(3, i), unit: 'robot', assigned: 'b' })),
    ...Array.from({ length: 20 }, (_, i) => ({ atMs: at(3, i), unit: `user-${i}`, assigned: 'a' })),
  ]);
  const [step] = (await steps(3, 4)).steps;
  expect(step.reasons[0]).toMatchObject({ code: 'heavy_unit', variant: 'b', count: 30 });
  const deviation = Math.sqrt(0.9 * 0.1 * (30 * 30 + 20)) / 50;
  expect(step.variants[0].deviation).toBeCloseTo(deviation, 10);
});

test('a change of the split within a step is weighted by time, and gateways that came late are counted', async () => {
  const late = randomUUID();
  const changed = version + 1_000;
  await sql`INSERT INTO ringside.weight_versions
      (group_id, config_version, organization_id, salt, hash_version, phase, variants, created_at)
    SELECT group_id, ${changed}::bigint, organization_id, salt, hash_version, phase + 1, jsonb_build_array(
      variants -> 0 || '{"weightBp": 5000}', variants -> 1 || '{"weightBp": 5000}'), ${new Date(at(5, 15))}
    FROM ringside.weight_versions WHERE config_version = ${version} AND group_id = ${groupId}`.execute(control.admin);
  const [old, young] = [{ configVersion: version }, { configVersion: changed }];
  await plant([
    { atMs: at(5, 5), unit: 'w-1', assigned: 'a', ...old },
    { atMs: at(5, 20), unit: 'w-2', assigned: 'b', ...young },
    { atMs: at(5, 21), unit: 'w-3', assigned: 'b', ...young },
    { atMs: at(5, 22), unit: 'w-4', assigned: 'b', ...old, gatewayId: late },
    { atMs: at(5, 23), unit: 'w-5', assigned: 'b', ...old, gatewayId: late },
  ]);
  const [step] = (await steps(5, 6)).steps;
  // 15 s at 10 %, 45 s at 50 %.
  expect(step.variants.map(({ configuredBp }: { configuredBp: number }) => configuredBp)).toEqual([6_000, 4_000]);
  expect(step.reasons[0]).toMatchObject({ code: 'weights_changed', count: 1 });
  expect(step.reasons[1]).toMatchObject({ code: 'older_snapshot', count: 2 });
  expect(step.reasons[1].detail).toContain('one gateway');
  const whole = (await steps(0, 6, 6)).steps;
  expect(whole).toHaveLength(1);
  expect(whole[0].requests).toBe(29 + 8 + 60 + 50 + 5);
});

test('the experiment that runs brings the check of its units', async () => {
  const place = { organizationId: api.organizationId, groupId };
  const experimentId = await plantExperiment(control.admin, { ...place, name: 'check' });
  const list = Array.from({ length: 2_000 }, (_, i) => ({
    ...{
      phase: 1,
      arm: i < 1_400 ? 0 : 1,
      unit: `u-${i}`,
      failed: false,
      latencyUs: 5,
      outputTokens: 1,
      costMicroUsd: 1,
    },
  }));
  await countInferences(control.admin, { ...place, experimentId }, list);
  const { experiment } = await steps(0, 1);
  expect(experiment).toMatchObject({ id: experimentId, name: 'check', srm: { fired: true, observed: [1_400, 600] } });
});

test('bad questions are refused with a word on how to ask', async () => {
  for (const [query, field] of [
    ['since=yesterday', 'since'],
    [`since=${since(0)}&until=${since(0)}`, 'since'],
    [`since=2020-01-01T00:00:00Z`, 'step'],
    ['step=0', 'step'],
    ['step=x', 'step'],
    ['nothing=1', 'nothing'],
  ]) {
    expect(await api('GET', `/groups/demo/split?${query}`), query).toMatchObject({ status: 422, body: { field } });
  }
  expect((await api('GET', '/groups/nobody/split')).status).toBe(404);
  expect((await rival('GET', '/groups/demo/split')).status).toBe(404);
  expect((await rival('GET', `/groups/${groupId}/split`)).status).toBe(404);
});
