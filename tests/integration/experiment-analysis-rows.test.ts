import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { boundedRead } from '#control-plane/inferences/reading.ts';
import { ingestSchema } from '#core/experiments/definition.ts';
import { BUILTIN_METRICS, type BuiltinMetricName } from '#core/experiments/metrics.ts';
import type { InferenceRow } from '#inference-log/record.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import { metricSums } from '#store/experiment-sums.ts';
import { inOrganization } from '#store/pool.ts';
import { type RowFilter, rowFigures, rowSums } from '#store/row-sums.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { type Drawn, drawnInference, drawnRow, KEYS } from '#tests/support/drawn-inferences.ts';
import { holdLead } from '#tests/support/hold-lead.ts';
import { plantExperiment } from '#tests/support/planted-experiment.ts';

const AT = Date.parse('2026-03-02T10:00:00Z');
const NAMES = Object.keys(BUILTIN_METRICS) as BuiltinMetricName[];
const INGEST = ingestSchema.parse({
  ...{ latencyObjectiveUs: 2_000, firstTokenObjectiveUs: 500 },
  caps: { latency_us: 4_000, output_tokens: 700, cost_micro_usd: 80 },
});

let control: TestControlPlane;
let release: () => Promise<void>;
let api: ApiClient;
let groupId: string;

beforeAll(async () => {
  control = await startTestControlPlane({ clock: { nowMs: () => AT + 3_600_000 } });
  release = await holdLead(control.databaseUrl);
  api = await control.owner('acme');
  await seedGroup(api, 'demo');
  groupId = (await api('GET', '/groups/demo')).body.id;
});
afterAll(async () => {
  await release();
  await control.stop();
});

const GATEWAY = randomUUID();

async function ship(rows: readonly InferenceRow[]): Promise<void> {
  const sink = createPostgresSink({ databaseUrl: control.databaseUrl });
  const cursor = { scan: { segment: 2, offset: 0 }, shipped: { segment: 2, offset: 0 } };
  await sink.write({
    ...{ spoolId: randomUUID(), gatewayId: GATEWAY, expected: undefined, cursor, rows, dropped: [], finished: true },
  });
  await sink.close();
}

async function plant(drawn: readonly Drawn[], definition: object = {}): Promise<string> {
  const place = { organizationId: api.organizationId, groupId };
  const phases = [
    [5_000, 5_000],
    [2_000, 8_000],
  ];
  const startedAt = new Date(AT - 1);
  const experimentId = await plantExperiment(control.admin, { ...place, phases, startedAt, definition });
  await control.admin
    .updateTable('rollouts')
    .set({ ingest: JSON.stringify(INGEST) })
    .where('id', '=', experimentId)
    .execute();
  await ship(
    drawn.map((one, index) => drawnRow(one, { ...place, gatewayId: GATEWAY, experimentId, atMs: AT + index })),
  );
  return experimentId;
}

async function end(experimentId: string): Promise<void> {
  await control.admin.updateTable('rollouts').set({ ended_at: new Date() }).where('id', '=', experimentId).execute();
}

function filterOf(experimentId: string): RowFilter {
  const until = new Date(AT + 3_600_000);
  return { organizationId: api.organizationId, groupId, since: new Date(AT - 1), until, of: { experimentId } };
}

test('rows of the log give the sums that were counted when they were stored', async () => {
  const drawn = fc.sample(drawnInference, { numRuns: 3_000, seed: 5 });
  const experimentId = await plant(drawn);
  const [counted, found, figures] = await inOrganization(control.application, api.organizationId, async (tx) => [
    await metricSums(tx, { organizationId: api.organizationId, experimentId }, NAMES),
    await rowSums(tx, filterOf(experimentId), INGEST, NAMES),
    await rowFigures(tx, filterOf(experimentId), INGEST),
  ]);
  const order = (list: readonly { metric: string; phase: number; arm: number }[]) =>
    list.toSorted((x, y) => x.metric.localeCompare(y.metric) || x.phase - y.phase || x.arm - y.arm);
  expect(counted.length).toBe(NAMES.length * 4);
  expect(order(found.map(({ value: _, ...rest }) => rest))).toEqual(order(counted));
  const ofCell = (phase: number, arm: number) => drawn.filter((one) => one.phase === phase && one.arm === arm);
  for (const { phase, arm, units, requests, failures } of figures) {
    expect(requests).toBe(ofCell(phase, arm).length);
    expect(units).toBe(new Set(ofCell(phase, arm).map(({ unit }) => unit)).size);
    const sums = counted.find((one) => one.metric === 'error_rate' && one.phase === phase && one.arm === arm);
    expect(failures).toBe(sums?.sums?.sum);
  }
  expect(figures).toHaveLength(4);
  await end(experimentId);
});

/** Numbers that look like chance and are the same in every run. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** 800 users with two inferences each; the challenger takes 1 ms less, and of the tenant umbrella 2 ms more. */
function users(): Drawn[] {
  const next = chance(3);
  return Array.from({ length: 1_600 }, (_, index): Drawn => {
    const unit = index >> 1;
    const arm = unit % 2;
    const tenant = unit % 8 < 2 ? 'umbrella' : 'acme';
    const lastedNs = 1_500_000 + Math.floor(next() * 400_000) + arm * (tenant === 'umbrella' ? 2_000_000 : -1_000_000);
    return {
      ...{ arm, phase: 1, unit, key: KEYS[unit % 5 === 0 ? 1 : 0]!, tenant, streamed: false, outcome: 'completed' },
      ...{
        errorCode: null,
        finishReason: 'stop',
        inputTokens: 10,
        outputTokens: 20,
        cachedTokens: 0,
        costMicroUsd: 30,
      },
      ...{ attempts: [{ isOther: false, status: 200, errorCode: null, lastedNs }], firstTokenNs: null },
    };
  });
}

const DEFINITION = { primary: { metric: 'latency' }, historyDays: 0 };

test('a breakdown looks at each value with its share of α, and finds where the effect turns round', async () => {
  const experimentId = await plant(users(), DEFINITION);
  const at = `/experiments/${experimentId}/breakdown`;
  const { status, body } = await api('GET', `${at}?by=metadata.tenant`);
  expect(status, JSON.stringify(body)).toBe(200);
  expect(body).toMatchObject({
    ...{
      by: 'metadata.tenant',
      metric: 'latency',
      distinctValues: 2,
      rows: { found: 1_600, counted: 1_600 },
      notes: [],
    },
    since: new Date(AT - 1).toISOString(),
  });
  expect(body.warning).toContain('2 values');
  expect(body.warning).toContain('α/2 = 0.025');
  const [acme, umbrella] = body.values;
  expect([acme.value, umbrella.value]).toEqual(['acme', 'umbrella']);
  const result = (of: { challengers: { result: Record<string, number> }[] }) => of.challengers[0]!.result;
  expect(result(acme)).toMatchObject({ alpha: 0.025, method: 'confidence_sequence', champion: { units: 300 } });
  expect(result(acme)['upper']).toBeLessThan(0);
  expect(result(umbrella)['lower']).toBeGreaterThan(0);

  const whole = (await api('GET', `/experiments/${experimentId}/analysis`)).body.metrics.latency[0].arms;
  const byKey = (await api('GET', `${at}?by=key&metric=output_tokens&top=1`)).body;
  expect(byKey).toMatchObject({ distinctValues: 2, metric: 'output_tokens', values: [{ value: KEYS[0], name: null }] });
  const byVersion = (await api('GET', `${at}?by=version`)).body;
  const versions = byVersion.values.map(({ value }: { value: string }) => value);
  expect(versions.toSorted()).toEqual(
    ['a', 'b'].flatMap((arm) => KEYS.slice(0, 2).map((key) => `up-${arm}-${key}`)).toSorted(),
  );
  for (const { value, challengers } of byVersion.values) {
    if (value.startsWith('up-a')) expect(challengers[0].result, value).toBeNull();
    else expect(challengers[0].result.champion, value).toMatchObject({ units: whole[0].units, mean: whole[0].mean });
  }
  expect(byVersion.notes[0]).toContain('all of the champion');

  for (const [query, field] of [
    ['by=color', 'by'],
    ['', 'by'],
    ['by=key&metric=rating', 'metric'],
    ['by=key&top=0', 'top'],
    ['by=key&since=x', 'since'],
    [`by=key&since=${new Date(AT + 7_200_000).toISOString()}`, 'since'],
    [`by=key&until=${new Date(AT - 1_000).toISOString()}`, 'until'],
  ]) {
    expect(await api('GET', `${at}?${query}`), query).toMatchObject({ status: 422, body: { field } });
  }
  await end(experimentId);
});

test('rows that have left the log are named', async () => {
  const experimentId = await plant(users().slice(0, 400), DEFINITION);
  await api('PATCH', '/groups/demo', { log: { retentionDays: 30 } });
  await control.admin
    .deleteFrom('inferences')
    .where('experiment_id', '=', experimentId)
    .where('created_at', '<', new Date(AT + 100))
    .execute();
  const { body } = await api('GET', `/experiments/${experimentId}/breakdown?by=key`);
  expect(body.rows).toEqual({ found: 300, counted: 400 });
  expect(body.notes[0]).toContain('100 of the 400 inferences');
  expect(body.notes[0]).toContain('30 days');
  await end(experimentId);
});

test('what follows a bounded read of the log is not bounded by what is left of its time', async () => {
  const limits = await inOrganization(control.application, api.organizationId, async (tx) => {
    const limit = async () =>
      (await sql<{ limit: string }>`SELECT current_setting('statement_timeout') AS limit`.execute(tx)).rows[0]!.limit;
    const before = await limit();
    const within = await boundedRead(tx, ({ run }) => run(limit));
    return { before, within, after: await limit() };
  });
  expect(limits.after).toBe(limits.before);
  expect(limits.within).not.toBe(limits.before);
});
