import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERROR_CODE_LIST, type ErrorCode } from '#core/errors.ts';
import { ingestSchema } from '#core/experiments/definition.ts';
import { BUILTIN_METRICS, type BuiltinMetricName } from '#core/experiments/metrics.ts';
import type { AttemptRecord, BeginRecord, EndRecord, InferenceRow } from '#inference-log/record.ts';
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
import { plantExperiment } from '#tests/support/planted-experiment.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';

const AT = Date.parse('2026-03-02T10:00:00Z');
const NAMES = Object.keys(BUILTIN_METRICS) as BuiltinMetricName[];
const INGEST = ingestSchema.parse({
  ...{ latencyObjectiveUs: 2_000, firstTokenObjectiveUs: 500 },
  caps: { latency_us: 4_000, output_tokens: 700, cost_micro_usd: 80 },
});

let control: TestControlPlane;
let api: ApiClient;
let groupId: string;
const KEYS = [randomUUID(), randomUUID(), randomUUID()];

beforeAll(async () => {
  control = await startTestControlPlane({ clock: { nowMs: () => AT + 3_600_000 } });
  api = await control.owner('acme');
  await seedGroup(api, 'demo');
  groupId = (await api('GET', '/groups/demo')).body.id;
});
afterAll(() => control.stop());

const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: null });
const status = optional(fc.constantFrom(200, 201, 301, 400, 401, 404, 409, 413, 422, 429, 500, 503));
const code = optional(fc.constantFrom(...(ERROR_CODE_LIST as ErrorCode[])));

/** Inferences with every outcome, odd and impossible ones too: both ways of counting must agree on them. */
const inference = fc.record({
  arm: fc.integer({ min: 0, max: 1 }),
  phase: fc.integer({ min: 1, max: 2 }),
  unit: fc.integer({ min: 0, max: 12 }),
  key: fc.constantFrom(...KEYS),
  tenant: optional(fc.constantFrom('acme', 'umbrella')),
  streamed: fc.boolean(),
  outcome: fc.constantFrom<EndRecord['outcome']>('completed', 'completed', 'failed', 'client_closed', 'interrupted'),
  errorCode: code,
  finishReason: optional(fc.constantFrom('stop', 'content_filter', 'SAFETY', 'refusal', 'length')),
  attempts: fc.array(
    fc.record({ isOther: fc.boolean(), status, errorCode: code, lastedNs: fc.integer({ min: -5, max: 9_000_000 }) }),
    { maxLength: 3 },
  ),
  inputTokens: optional(fc.nat(1_000)),
  outputTokens: optional(fc.nat(1_000)),
  cachedTokens: optional(fc.nat(5)),
  costMicroUsd: optional(fc.nat(100)),
  firstTokenNs: optional(fc.nat(1_000_000)),
});
type Drawn = typeof inference extends fc.Arbitrary<infer Value> ? Value : never;

function rowOf(drawn: Drawn, experimentId: string, index: number): InferenceRow {
  const assigned = drawn.arm === 0 ? 'a' : 'b';
  const attempts = drawn.attempts.map(
    ({ isOther, status, errorCode, lastedNs }): AttemptRecord => ({
      ...{ provider: 'p', model: isOther ? 'c' : assigned, upstreamModel: `up-${assigned}-${drawn.key}` },
      ...{
        status,
        errorCode,
        startNs: 1_000,
        connectNs: null,
        firstByteNs: null,
        endNs: 1_000 + lastedNs,
        requestId: null,
      },
    }),
  );
  const begin: BeginRecord = beginRecord({
    ...{ organizationId: api.organizationId, groupId, keyId: drawn.key, streamed: drawn.streamed },
    ...{ assignedVariant: assigned, unit: `user-${drawn.unit}`, phase: 2, hashVersion: 1 },
    metadata: drawn.tenant === null ? undefined : { tenant: drawn.tenant },
    experiment: { id: experimentId, phase: drawn.phase, arm: drawn.arm },
  });
  const { outcome, errorCode, finishReason, inputTokens, outputTokens, cachedTokens, costMicroUsd, firstTokenNs } =
    drawn;
  return {
    ...{ id: newInferenceId(AT + index, groupId), gatewayId: GATEWAY, request: null, response: null, begin },
    end: endRecord({
      ...{ outcome, errorCode, finishReason, inputTokens, outputTokens, cachedTokens, costMicroUsd, firstTokenNs },
      ...{ attempts, servedVariant: assigned },
    }),
  };
}
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
  await ship(drawn.map((one, index) => rowOf(one, experimentId, index)));
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
  const drawn = fc.sample(inference, { numRuns: 3_000, seed: 5 });
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
