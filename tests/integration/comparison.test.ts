import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { measure } from '#core/experiments/metric-result.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { holdLead } from '#tests/support/hold-lead.ts';
import { deviationsOf } from '#tests/support/looks.ts';
import { withDocumentedAnswers } from '#tests/support/openapi-answers.ts';
import { type CountedInference, countInferences, plantExperiment } from '#tests/support/planted-experiment.ts';
import { plantInference } from '#tests/support/planted-inferences.ts';

const NOW = Date.parse('2026-03-02T10:00:00Z');
let control: TestControlPlane;
let release: () => Promise<void>;
let api: ApiClient;
let rival: ApiClient;
const groups: Record<string, { id: string; phase: number }> = {};

beforeAll(async () => {
  control = await startTestControlPlane({ clock: { nowMs: () => NOW } });
  release = await holdLead(control.databaseUrl);
  api = await withDocumentedAnswers(control.url, await control.owner('acme'));
  rival = await control.owner('rival');
  await seedGroup(api, 'demo');
  for (const name of ['bare', 'many', 'tried']) {
    await api('POST', '/groups', { name });
    await api('PUT', `/groups/${name}/variants`, [
      { model: 'a', role: 'champion', weightBp: 5000 },
      { model: 'b', role: 'challenger', weightBp: 5000 },
    ]);
  }
  for (const name of ['demo', 'bare', 'many', 'tried']) groups[name] = (await api('GET', `/groups/${name}`)).body;
});
afterAll(async () => {
  await release();
  await control.stop();
});

interface Planted {
  readonly unit: string;
  readonly variant: string;
  readonly latencyMs: number;
  readonly failed: boolean;
  readonly tokens: number;
}

function attemptOf({ variant, latencyMs, failed }: Planted) {
  return JSON.stringify([
    {
      ...{ provider: 'p', model: variant, upstreamModel: `up-${variant}`, status: failed ? 500 : 200 },
      ...{ errorCode: failed ? 'upstream_error' : null, startNs: 0, endNs: latencyMs * 1_000_000 },
    },
  ]);
}

async function plant(group: string, list: readonly Planted[], row: Record<string, unknown> = {}): Promise<void> {
  for (const one of list) {
    await plantInference(control.admin, {
      ...{ groupId: groups[group]!.id, organizationId: api.organizationId, atMs: NOW - 3_600_000 },
      row: {
        ...{ phase: groups[group]!.phase, unit: one.unit, assigned_variant: one.variant, served_variant: one.variant },
        ...{ attempts: attemptOf(one), output_tokens: one.tokens, cost_micro_usd: one.tokens * 2 },
        ...row,
      },
    });
  }
}

/** 300 users of one to three inferences; the challenger is 20 ms slower and fails with every tenth user. */
const LIST: Planted[] = Array.from({ length: 300 }, (_, user) => {
  const isB = user % 2 === 1;
  return Array.from({ length: 1 + (user % 3) }, (_, i) => ({
    ...{ unit: `user-${user}`, variant: isB ? 'b' : 'a', tokens: 10 + ((user * 7 + i) % 13) },
    ...{ latencyMs: 100 + ((user * 31 + i * 17) % 40) + (isB ? 20 : 0), failed: isB && user % 20 === 1 && i === 0 },
  }));
}).flat();

/** S, n and their squares over units, in plain loops. */
function sumsOf(variant: string, term: (one: Planted) => number | null) {
  const units = [
    ...Map.groupBy(
      LIST.filter((one) => one.variant === variant),
      ({ unit }) => unit,
    ).values(),
  ]
    .map((list) => list.map(term).filter((value) => value !== null))
    .filter((values) => values.length > 0)
    .map((values) => ({ s: values.reduce((a, b) => a + b, 0), n: values.length }));
  const add = (of: (unit: { s: number; n: number }) => number) => units.reduce((sum, unit) => sum + of(unit), 0);
  return {
    ...{ units: units.length, n: add(({ n }) => n), nSquares: add(({ n }) => n * n), sum: add(({ s }) => s) },
    ...{ sumSquares: add(({ s }) => s * s), products: add(({ s, n }) => s * n) },
    deviations: deviationsOf(units.map(({ s, n }) => ({ s: BigInt(s), n: BigInt(n) }))),
  };
}

test('without an experiment the rows of the present split are compared, by unit', async () => {
  await plant('bare', LIST);
  const strays: Planted[] = [{ unit: 'stray', variant: 'b', latencyMs: 9_999, failed: false, tokens: 9_999 }];
  await plant('bare', strays, { phase: groups['bare']!.phase - 1 });
  await plant('bare', strays, { served_reason: 'pinned' });
  await plant('bare', strays, { served_reason: 'shadow', shadow_of: randomUUID() });
  await plant('bare', strays, { hash_version: 7 });
  const { status, body } = await api('GET', '/groups/bare/comparison?since=2026-03-02T00:00:00Z');
  expect(status, JSON.stringify(body)).toBe(200);
  expect(body).toMatchObject({
    source: 'rows',
    experiment: null,
    look: null,
    phase: groups['bare']!.phase,
    shadows: [],
  });
  expect(body).toMatchObject({ since: '2026-03-02T00:00:00.000Z', until: new Date(NOW).toISOString() });
  expect(body.notice).toContain('2026-03-02T00:00:00.000Z');
  for (const [index, variant] of ['a', 'b'].entries()) {
    const own = LIST.filter((one) => one.variant === variant);
    const ok = own.filter(({ failed }) => !failed).map(({ latencyMs }) => latencyMs);
    const rank = (q: number) => ok.toSorted((x, y) => x - y)[Math.ceil(q * ok.length) - 1];
    const tokens = own.reduce((sum, one) => sum + one.tokens, 0);
    expect(body.arms[index]).toEqual({
      ...{ model: variant, role: index === 0 ? 'champion' : 'challenger', weightBp: 5_000, units: 150 },
      ...{ requests: own.length, failures: own.length - ok.length, errorRate: (own.length - ok.length) / own.length },
      latencyMs: { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) },
      ...{ inputTokens: 3 * own.length, outputTokens: tokens, costMicroUsd: 2 * tokens, withCost: own.length },
    });
  }
  const latency = body.metrics.find(({ metric }: { metric: string }) => metric === 'latency').challengers[0];
  const term = ({ failed, latencyMs }: Planted) => (failed ? null : latencyMs * 1_000);
  const spec = { metric: 'latency', kind: 'mean', unit: 'us', direction: 'decrease', relative: true } as const;
  const arms = [sumsOf('a', term), sumsOf('b', term)];
  const options = { arm: 1, alpha: 0.05, plannedUnits: 5_000, minUnits: 100 };
  expect(latency.result).toEqual(measure(spec, [{ phase: 1, arms }], options));
  expect(latency.result.lower).toBeGreaterThan(0);
  expect(latency).toMatchObject({ challenger: 'b', verdict: 'champion_better' });
  expect(body.srm).toMatchObject({ fired: false, observed: [150, 150] });
});

test('with an experiment its sums are compared, and its look is shown', async () => {
  const place = { organizationId: api.organizationId, groupId: groups['tried']!.id };
  const startedAt = new Date(NOW - 7_200_000);
  const definition = { primary: { metric: 'latency' } };
  const experimentId = await plantExperiment(control.admin, { ...place, name: 'trial', startedAt, definition });
  const counted = LIST.map((one): CountedInference => {
    const { unit, variant, failed, latencyMs, tokens } = one;
    const arm = variant === 'a' ? 0 : 1;
    return {
      phase: 1,
      arm,
      unit,
      failed,
      latencyUs: latencyMs * 1_000,
      outputTokens: tokens,
      costMicroUsd: 2 * tokens,
    };
  });
  await countInferences(control.admin, { ...place, experimentId }, counted);
  const { status, body } = await api('GET', '/groups/tried/comparison');
  expect(status, JSON.stringify(body)).toBe(200);
  expect(body).toMatchObject({
    ...{ source: 'experiment', experiment: { id: experimentId, name: 'trial', state: 'deciding' } },
    ...{ since: startedAt.toISOString(), look: { units: [150, 150], comparisons: [{ challenger: 'b' }] } },
  });
  const own = LIST.filter(({ variant }) => variant === 'b');
  const tokens = own.reduce((sum, one) => sum + one.tokens, 0);
  expect(body.arms[1]).toMatchObject({
    ...{ model: 'b', role: 'challenger', units: 150, requests: own.length, outputTokens: tokens },
    ...{ failures: own.filter(({ failed }) => failed).length, costMicroUsd: 2 * tokens, withCost: own.length },
  });
  expect(body.metrics.map(({ metric }: { metric: string }) => metric)).toEqual([
    ...['error_rate', 'latency', 'output_tokens', 'cost'],
  ]);
  const latency = body.metrics[1].challengers[0];
  expect(latency.result).toEqual(body.look.comparisons[0].primary);
});

test('with too many rows, figures come from rollups and are marked as for display', async () => {
  await sql`INSERT INTO ringside.rollups (group_id, minute, assigned_variant, served_variant, error_code, gateway_id, organization_id,
      count, interrupted, shadows, input_tokens, output_tokens, cached_tokens, reasoning_tokens, with_usage, cost_micro_usd, with_cost,
      total_ns, first_token_ns, latency, first_token)
    SELECT ${groups['many']!.id}::uuid, ${new Date(NOW - 3_600_000)}::timestamptz, v, served, code, ${randomUUID()}::uuid,
      ${api.organizationId}::uuid, n, 2, 5, 100, 200, 0, 0, n, 300, n, 0, 0, '{"40": 3}', '{}'
    FROM (VALUES ('a', 'a', NULL, 900005), ('a', NULL, 'upstream_error', 105), ('b', 'b', NULL, 500005)) AS r (v, served, code, n)`.execute(
    control.admin,
  );
  const { status, body } = await api('GET', '/groups/many/comparison');
  expect(status, JSON.stringify(body)).toBe(200);
  expect(body).toMatchObject({ source: 'rollups', metrics: [], look: null, srm: null });
  expect(body.notice).toContain('For display only');
  expect(body.arms[0]).toMatchObject({
    ...{ model: 'a', units: null, requests: 900_000 + 100 + 4, failures: 100 },
    ...{ inputTokens: 200, outputTokens: 400, costMicroUsd: 600 },
  });
  expect(body.arms[0].latencyMs.p50).toBeGreaterThan(0);
});

test('shadows are counted by variant, empty groups answer too, and bad questions are refused', async () => {
  const row = (state: 'pending' | 'compared' | 'given_up') => ({
    ...{ shadow_id: randomUUID(), inference_id: randomUUID(), organization_id: api.organizationId, state },
    ...{ group_id: groups['demo']!.id, shadow_variant: 's', unit: randomUUID(), created_at: new Date(NOW - 1_000) },
  });
  await control.admin
    .insertInto('shadow_pairs')
    .values([row('pending'), row('compared'), row('compared'), row('given_up')])
    .execute();
  const { body } = await api('GET', '/groups/demo/comparison');
  expect(body.shadows).toEqual([{ model: 's', pending: 1, compared: 2, givenUp: 1 }]);
  expect(body.arms[0]).toMatchObject({
    model: 'a',
    units: 0,
    requests: 0,
    errorRate: null,
    latencyMs: null,
    costMicroUsd: null,
  });
  await api('POST', '/groups', { name: 'empty' });
  expect((await api('GET', '/groups/empty/comparison')).body).toMatchObject({ source: 'rows', arms: [] });
  for (const since of ['yesterday', '2027-01-01T00:00:00Z']) {
    const answer = await api('GET', `/groups/demo/comparison?since=${since}`);
    expect(answer).toMatchObject({ status: 422, body: { field: 'since' } });
  }
  for (const ref of ['demo', groups['demo']!.id])
    expect((await rival('GET', `/groups/${ref}/comparison`)).status).toBe(404);
});
