import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inOrganization } from '#store/pool.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import { stagePairs } from '#store/shadow-sums.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { unitIdOf } from '#tests/support/planted-pairs.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
let control: TestControlPlane;
let api: ApiClient;
let rival: ApiClient;
let groupId: string;

beforeAll(async () => {
  control = await startTestControlPlane({ jobTimes: { shadowPairsMs: DAY_MS, expiryMs: DAY_MS } });
  api = await control.owner('acme');
  rival = await control.owner('rival');
  await seedGroup(api, 'demo');
  await seedGroup(rival, 'demo');
  groupId = (await api('GET', '/groups/demo')).body.id;
});
afterAll(() => control.stop());
beforeEach(async () => {
  await control.admin.deleteFrom('shadow_pairs').execute();
});

interface PlantedMeasures {
  readonly unit?: string;
  readonly measures?: Record<string, number>;
  readonly state?: 'pending' | 'compared' | 'given_up';
  readonly detail?: string;
  readonly variant?: string;
  readonly atMs?: number;
  readonly experimentId?: string;
}

async function plantAll(pairs: readonly PlantedMeasures[]): Promise<void> {
  const rows = pairs.map(({ unit = 'u', measures = {}, state = 'compared', detail = '', ...more }) => ({
    ...{ shadow_id: randomUUID(), inference_id: randomUUID(), organization_id: api.organizationId, group_id: groupId },
    ...{ experiment_id: more.experimentId ?? null, shadow_variant: more.variant ?? 's', unit: unitIdOf(unit) },
    ...{ created_at: new Date(more.atMs ?? Date.now() - HOUR_MS), state, detail, measures: JSON.stringify(measures) },
  }));
  await control.admin.insertInto('shadow_pairs').values(rows).execute();
}

const shadows = async (query: Record<string, string> = {}) => {
  const answer = await api('GET', `/groups/demo/shadows?${new URLSearchParams(query)}`);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body.shadows;
};

describe('GET /groups/{name}/shadows', () => {
  test('means by unit with an interval that holds at every look', async () => {
    // 200 units with 1 to 3 pairs; a unit's differences are near its own.
    const pairs = Array.from({ length: 200 }, (_, unit) =>
      Array.from({ length: 1 + (unit % 3) }, (_, at) => ({
        unit: `u${unit}`,
        measures: {
          latency_us: -1_000 + ((unit * 37) % 200) + at,
          text_similarity: 0.5 + (unit % 10) / 100 + (unit % 3) / 10,
        },
      })),
    );
    await plantAll(pairs.flat());
    const [found] = await shadows();
    const values = pairs.map((unit) => unit.map(({ measures }) => measures.latency_us));
    const n = values.flat().length;
    const average = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0) / of.length;
    const means = values.map(average);
    const mean = average(means);
    const standardError = Math.sqrt(means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 199 / 200);
    const latency = found.measures.find(({ measure }: { measure: string }) => measure === 'latency_us');
    expect(latency).toMatchObject({ kind: 'difference', pairs: n, units: 200, why: null });
    expect(latency.mean).toBeCloseTo(mean, 6);
    expect(latency.standardError).toBeCloseTo(standardError, 6);
    expect((latency.upper - latency.mean) / standardError).toBeGreaterThan(3);
    expect(latency.upper).toBeLessThan(0);
    expect(latency.pValue).toBeLessThan(0.001);
    const similarity = found.measures.find(({ measure }: { measure: string }) => measure === 'text_similarity');
    expect(similarity).toMatchObject({
      kind: 'level',
      pValue: null,
      mean: expect.closeTo(0.545 + 0.1 * (199 / 200), 6),
    });
  });

  test('below a hundred units there is a mean and no interval', async () => {
    await plantAll([{ measures: { cost_micro_usd: 4 } }, { unit: 'v', measures: { cost_micro_usd: 6 } }]);
    const [{ measures }] = await shadows();
    expect(measures).toEqual([
      {
        ...{ measure: 'cost_micro_usd', kind: 'difference', about: 'cost, where both are known', pairs: 2, units: 2 },
        ...{ mean: 5, standardError: null, lower: null, upper: null, pValue: null },
        why: 'the shadow has fewer than 100 units',
      },
    ]);
  });

  test('counts, failures and reasons, by shadow; since and experiment choose', async () => {
    const experimentId = randomUUID();
    const failed = (failure: number, both: number) => ({ measures: { failure, both_failed: both } });
    await plantAll([
      ...[failed(0, 0), failed(1, 0), failed(1, 0), failed(-1, 0), failed(0, 1)],
      { measures: { output_tokens: 1 } },
      { state: 'pending' },
      { state: 'given_up', detail: 'gone' },
      { state: 'given_up', detail: 'gone' },
      { variant: 't', experimentId, ...failed(0, 0) },
      { variant: 'old', atMs: Date.now() - 8 * DAY_MS },
    ]);
    const found = await shadows();
    expect(found.map(({ model }: { model: string }) => model)).toEqual(['s', 't']);
    expect(found[0]).toMatchObject({
      pairs: { pending: 1, compared: 6, givenUp: 2 },
      givenUp: [{ reason: 'gone', pairs: 2 }],
      failures: { pairs: 5, original: 2, shadow: 3, both: 1 },
    });
    expect(await shadows({ experiment: experimentId })).toHaveLength(1);
    const longAgo = new Date(Date.now() - 9 * DAY_MS).toISOString();
    expect(await shadows({ since: longAgo })).toHaveLength(3);
    expect((await rival('GET', '/groups/demo/shadows')).body.shadows).toEqual([]);
    const future = new Date(Date.now() + DAY_MS).toISOString();
    expect((await api('GET', `/groups/demo/shadows?since=${future}`)).status).toBe(422);
    expect((await api('GET', '/groups/demo/shadows?alpha=2')).status).toBe(422);
    expect((await api('GET', '/groups/none/shadows')).status).toBe(404);
  });

  test('numeric outputs are ranked over pairs', async () => {
    await plantAll(
      Array.from({ length: 20 }, (_, at) => ({
        unit: `u${at}`,
        measures: { 'tensor.a.b.original_mean': at, 'tensor.a.b.shadow_mean': 2 * at + 100 },
      })),
    );
    const [{ outputs }] = await shadows();
    expect(outputs).toEqual([
      { output: 'a.b', pairs: 20, rankCorrelation: expect.closeTo(1, 12), stabilityIndex: expect.any(Number) },
    ]);
    expect(outputs[0].stabilityIndex).toBeGreaterThan(0.25);
  });
});

test('what the shadow stage of a rollout judges by', async () => {
  const id = randomUUID();
  const atMs = Date.now() - HOUR_MS;
  const failed = (unit: string, failure: number, afterMs = 0) => ({
    ...{ experimentId: id, variant: 'b', unit, atMs: atMs + afterMs, measures: { failure, both_failed: 0 } },
  });
  await plantAll([
    // Of three units: a half, whose first pair is no failure; nothing; and the champion's failure.
    ...[failed('u', 1, 2), failed('u', 0, 1), failed('u', 1, 3), failed('u', 0, 4)],
    ...[failed('v', 0), failed('w', -1), failed('w', -1, 1)],
    { experimentId: id, variant: 'c', measures: {} },
    { variant: 'b', measures: { failure: 1, both_failed: 0 } },
  ]);
  const rollout = {
    ...{ id, organization_id: api.organizationId },
    arms: ['a', 'b', 'c', 'd'].map((model) => ({ model })),
  } as unknown as RolloutRow;
  const pairs = await inOrganization(control.application, api.organizationId, (tx) => stagePairs(tx, rollout));
  expect(pairs).toEqual([null, { pairs: 7, units: 3, excess: -0.5, firstExcess: -1 }, null, null]);
});
