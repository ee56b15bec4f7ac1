import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDerivedMetricsJob } from '#control-plane/jobs/derived-metrics.ts';
import { deriveValidity } from '#control-plane/shadow/derive-validity.ts';
import { createSchemaChecker } from '#control-plane/shadow/schema-checker.ts';
import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { capturedInPostgres } from '#store/captured-in-postgres.ts';
import { createPool, type Db } from '#store/pool.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { plantInference } from '#tests/support/planted-inferences.ts';
import { CHAT_REQUEST, chatCompletion, unitIdOf } from '#tests/support/planted-pairs.ts';
import { waitFor } from '#tests/support/wait.ts';

const DAY_MS = 86_400_000;
const checker = createSchemaChecker();
const STRUCTURED = JSON.stringify({
  ...JSON.parse(CHAT_REQUEST),
  response_format: { type: 'json_schema', json_schema: { name: 'f', schema: { type: 'object', required: ['n'] } } },
});
let control: TestControlPlane;
let api: ApiClient;
let leader: Db;
const logged: string[] = [];
let groupId: string;

beforeAll(async () => {
  control = await startTestControlPlane({ jobTimes: { derivedMetricsMs: DAY_MS, rolloutsMs: DAY_MS } });
  api = await control.owner('acme');
  await seedGroup(api, 'demo');
  groupId = (await api('GET', '/groups/demo')).body.id;
  leader = createPool({
    ...{ databaseUrl: control.databaseUrl, role: 'leader', maxConnections: 2, applicationName: 'test derived' },
  });
});
afterAll(async () => {
  await checker.close();
  await leader.destroy();
  await control.stop();
});
beforeEach(async () => {
  for (const table of ['experiment_unit_metrics', 'experiment_inferences', 'rollouts']) {
    await sql.raw(`DELETE FROM ringside.${table}`).execute(control.admin);
  }
});

const GUARDED = { guardrails: [{ metric: 'schema_validity', direction: 'increase', margin: 0.02 }] };

async function plantExperiment(definition: object): Promise<string> {
  const id = randomUUID();
  await control.admin
    .insertInto('rollouts')
    .values({
      ...{ id, organization_id: api.organizationId, group_id: groupId, name: id, plan: '{}', arms: '[]' },
      ...{ state: 'aborted', started_at: new Date(), ended_at: new Date() },
      definition: JSON.stringify(experimentDefinitionSchema.parse(definition)),
    } as never)
    .execute();
  return id;
}

interface Answered {
  readonly unit?: string;
  readonly arm?: number;
  readonly request?: string;
  readonly response?: string;
  readonly shadowOf?: string;
  readonly row?: Record<string, unknown>;
}

async function plant(experimentId: string, answered: Answered): Promise<void> {
  const { unit = 'ann', arm = 0, request = STRUCTURED, response, shadowOf = null, row = {} } = answered;
  const atMs = Date.now() - 5_000;
  const inferenceId = await plantInference(control.admin, {
    ...{ groupId, organizationId: api.organizationId, atMs, request, row: { shadow_of: shadowOf, ...row } },
    ...(response === undefined ? {} : { response }),
  });
  await control.admin
    .insertInto('experiment_inferences')
    .values({
      ...{ inference_id: inferenceId, experiment_id: experimentId, organization_id: api.organizationId },
      ...{ group_id: groupId, phase: 1, arm, unit: unitIdOf(unit), correlation: null, shadow_of: shadowOf },
      created_at: new Date(atMs),
    })
    .execute();
}

const runJob = () =>
  createDerivedMetricsJob({
    ...{ db: control.application, leaderDb: leader, captured: capturedInPostgres, checker, everyMs: 1 },
    ...{ random: () => 0, log: (line: string) => logged.push(line) },
  }).run(new AbortController().signal);

const sums = async () => {
  const rows = await control.admin
    .selectFrom('experiment_unit_metrics')
    .selectAll()
    .orderBy('arm')
    .orderBy('unit')
    .execute();
  return rows.map(({ arm, unit, metric, n, sum }) => ({ arm, unit, metric, n, sum: Number(sum) }));
};
const metric = 'schema_validity';
const valid = chatCompletion('{"n":1}');

test('answers in their form add 1 to their unit, others 0, and what nobody can say adds nothing', async () => {
  const id = await plantExperiment(GUARDED);
  await plant(id, { response: valid });
  await plant(id, { response: chatCompletion('{}') });
  await plant(id, { response: valid, unit: 'bob', arm: 1 });
  // No form was asked for; nothing was captured; the inference failed; it is a mirrored call.
  await plant(id, { request: CHAT_REQUEST, response: valid });
  await plant(id, {});
  await plant(id, { response: '{"error":{}}', row: { outcome: 'failed', error_code: 'upstream_error' } });
  await plant(id, { response: valid, shadowOf: randomUUID() });
  await runJob();
  expect(await sums()).toEqual([
    { arm: 0, unit: unitIdOf('ann'), metric, n: 2, sum: 1 },
    { arm: 1, unit: unitIdOf('bob'), metric, n: 1, sum: 1 },
  ]);
  await runJob();
  await plant(id, { response: valid });
  await runJob();
  expect((await sums())[0]).toEqual({ arm: 0, unit: unitIdOf('ann'), metric, n: 3, sum: 2 });
});

test('only experiments that name the metric, as the primary one or a guardrail', async () => {
  const primary = await plantExperiment({ primary: { metric, direction: 'increase' }, guardrails: [] });
  const other = await plantExperiment({});
  await plant(primary, { response: valid });
  await plant(other, { response: valid });
  await runJob();
  expect(await sums()).toHaveLength(1);
});

test('any number of inferences, by two at once, each once', async () => {
  const id = await plantExperiment(GUARDED);
  for (let at = 0; at < 130; at++) {
    await plant(id, { unit: `u${at % 7}`, response: at % 2 === 0 ? valid : chatCompletion('no') });
  }
  await Promise.all([runJob(), runJob()]);
  const found = await sums();
  expect(found.reduce((all, { n }) => all + n, 0)).toBe(130);
  expect(found.reduce((all, { sum }) => all + sum, 0)).toBe(65);
});

test('killed between two statements, it counts each once afterwards', async () => {
  const id = await plantExperiment(GUARDED);
  for (let at = 0; at < 5; at++) await plant(id, { response: valid });
  let outcome = '';
  await control.admin.transaction().execute(async (tx) => {
    // It has read everything, and waits to write.
    await sql`LOCK TABLE ringside.experiment_unit_metrics IN ACCESS EXCLUSIVE MODE`.execute(tx);
    const doomed = deriveValidity(
      { db: control.application, captured: capturedInPostgres, checker },
      { id, organizationId: api.organizationId },
      50,
    ).then(
      () => 'ended',
      () => 'died',
    );
    await waitFor('it to wait for the lock', async () => {
      const { rows } = await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
        AND query LIKE '%experiment_unit_metrics%' AND datname = current_database()`.execute(control.admin);
      return rows.length > 0;
    });
    outcome = await doomed;
  });
  expect(outcome).toBe('died');
  expect(await sums()).toEqual([]);
  await runJob();
  await runJob();
  expect(await sums()).toEqual([{ arm: 0, unit: unitIdOf('ann'), metric, n: 5, sum: 5 }]);
});
