import { randomUUID } from 'node:crypto';
import { type KyselyPlugin, sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { joinFeedback } from '#control-plane/feedback/join.ts';
import { createExperimentExpiryJob } from '#control-plane/jobs/experiment-expiry.ts';
import { createInferenceId, createRandomPool, groupHashOf } from '#core/ids.ts';
import type { InferenceRow } from '#inference-log/record.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import { metricSums } from '#store/experiment-sums.ts';
import { createPool, type Db, inOrganization } from '#store/pool.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { holdLead } from '#tests/support/hold-lead.ts';
import { type CountedInference, countInferences, plantExperiment, unitId } from '#tests/support/planted-experiment.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOW = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
const daysAgo = (days: number) => new Date(NOW - days * DAY_MS);

let control: TestControlPlane;
let release: () => Promise<void>;
let leader: Db;
let api: ApiClient;
let groupId: string;
const logged: string[] = [];

beforeAll(async () => {
  control = await startTestControlPlane({ clock: { nowMs: () => NOW } });
  // The jobs of this control plane are idle: the tests run theirs by themselves.
  release = await holdLead(control.databaseUrl);
  api = await control.owner('acme');
  await seedGroup(api, 'demo');
  groupId = (await api('GET', '/groups/demo')).body.id;
  leader = createPool({
    ...{ databaseUrl: control.databaseUrl, role: 'leader', maxConnections: 2, applicationName: 'test expiry' },
  });
});
afterAll(async () => {
  await leader.destroy();
  await release();
  await control.stop();
});
beforeEach(() => {
  logged.length = 0;
});

/** One run of the leader's job; in steps so small that it takes several. */
async function expire(stepRows = 150, settledMs = 0): Promise<void> {
  const job = createExperimentExpiryJob({
    ...{ db: leader, everyMs: 1, unitDays: 30, random: () => 0.5, settledMs, stepRows },
    log: (line) => logged.push(line),
  });
  await job.run(new AbortController().signal);
}

const DEFINITION = {
  primary: { metric: 'latency' },
  guardrails: [
    { metric: 'rating', direction: 'increase', margin: 1 },
    { metric: 'error_rate', margin: 0.1 },
    { metric: 'output_tokens', margin: 1 },
  ],
  attributionHours: 24 * 7,
};

/** 480 users in two arms and two phases, with ratings, and with a history of most of them. */
async function plantEnded(name: string, endedAt: Date): Promise<string> {
  const place = { organizationId: api.organizationId, groupId };
  const phases = [
    [5_000, 5_000],
    [2_000, 8_000],
  ];
  const times = { startedAt: new Date(endedAt.getTime() - 3 * DAY_MS), endedAt };
  const experimentId = await plantExperiment(control.admin, {
    ...{ ...place, ...times, name, phases, definition: DEFINITION, state: 'promoted' },
  });
  const list = Array.from({ length: 1_440 }, (_, index): CountedInference => {
    const user = index % 480;
    return {
      ...{ phase: 1 + (user % 2), arm: (user >> 1) % 2, unit: `user-${user}`, failed: index % 31 === 0 },
      ...{ latencyUs: 1_000 + user * 977 + ((index * 7_919) % 5_003), costMicroUsd: index % 3 === 0 ? null : index },
      outputTokens: index % 4 === 0 ? null : index,
    };
  });
  await countInferences(control.admin, { ...place, experimentId }, list);
  await sql`INSERT INTO ringside.experiment_history (experiment_id, unit, organization_id, metric, n, sum)
    SELECT ${experimentId}, unit, organization_id, 'latency', 3, latency_us * 2 + 1 FROM ringside.experiment_units
    WHERE experiment_id = ${experimentId} AND latency_us % 5 > 0`.execute(control.admin);
  await sql`INSERT INTO ringside.experiment_unit_metrics (experiment_id, phase, arm, metric, unit, organization_id, n, sum)
    SELECT experiment_id, phase, arm, metric, unit, organization_id, 2, (latency_us % 10) / 3.0 FROM ringside.experiment_units,
      unnest(ARRAY['rating', 'nobody_asked']) AS asked (metric)
    WHERE experiment_id = ${experimentId}`.execute(control.admin);
  return experimentId;
}

async function unitsLeft(experimentId: string): Promise<number> {
  const { rows } = await sql<{ n: number }>`SELECT (
      SELECT count(*) FROM ringside.experiment_units WHERE experiment_id = ${experimentId})
    + (SELECT count(*) FROM ringside.experiment_unit_metrics WHERE experiment_id = ${experimentId})
    + (SELECT count(*) FROM ringside.experiment_history WHERE experiment_id = ${experimentId}) AS n`.execute(
    control.admin,
  );
  return rows[0]!.n;
}

async function analysisOf(experimentId: string) {
  const { status, body } = await api('GET', `/experiments/${experimentId}/analysis`);
  expect(status, JSON.stringify(body)).toBe(200);
  const { experiment, looks, ...figures } = body;
  return { figures, looks, closedAt: experiment.closedAt };
}

test('some time after the end units become the sums of their arms; the analysis is the same to the digit', async () => {
  const old = await plantEnded('old', daysAgo(31));
  const recent = await plantEnded('recent', daysAgo(29));
  const before = await analysisOf(old);
  expect(before.closedAt).toBeNull();
  expect(before.figures.look.comparisons[0].primary).toMatchObject({ method: 'confidence_sequence' });
  expect(before.figures.look.comparisons[0].primary.varianceReduction).toBeGreaterThan(0);
  expect(before.looks.thinnedBefore).toBeNull();
  expect(before.figures.metrics.rating[1].arms[1].n).toBeGreaterThan(0);
  const planted = [await unitsLeft(old), await unitsLeft(recent)];

  // Closed, and somebody may still be in the middle of adding to it.
  await expire(150, HOUR_MS);
  expect((await analysisOf(old)).closedAt).not.toBeNull();
  expect([await unitsLeft(old), await unitsLeft(recent)]).toEqual(planted);
  await expire();
  expect([await unitsLeft(old), await unitsLeft(recent)]).toEqual([0, planted[1]]);
  expect(logged.join()).toMatch(/folded the units of 1 experiments.*removed \d+ rows/);

  const after = await analysisOf(old);
  expect(after.figures).toEqual(before.figures);
  expect(JSON.stringify(after.figures.look)).toBe(JSON.stringify(before.figures.look));
  expect((await analysisOf(recent)).closedAt).toBeNull();
  const { rows } = await sql<{ metric: string }>`SELECT DISTINCT metric FROM ringside.experiment_sums
    WHERE experiment_id = ${old}`.execute(control.admin);
  expect(rows.map(({ metric }) => metric)).not.toContain('nobody_asked');

  logged.length = 0;
  await expire();
  expect(logged).toEqual([]);
});

test('a job that dies after folding changes no figure, and the next one removes what is left', async () => {
  const experimentId = await plantEnded('cut', daysAgo(40));
  const before = await analysisOf(experimentId);
  await sql`CREATE FUNCTION ringside.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a crash'; END $$`.execute(
    control.admin,
  );
  await sql`CREATE TRIGGER die BEFORE DELETE ON ringside.experiment_history EXECUTE FUNCTION ringside.die()`.execute(
    control.admin,
  );
  await expire(150, HOUR_MS);
  await expect(expire()).rejects.toThrow(/keep more than they should: a crash/);
  await sql`DROP TRIGGER die ON ringside.experiment_history`.execute(control.admin);
  expect(await unitsLeft(experimentId)).toBeGreaterThan(0);
  expect((await analysisOf(experimentId)).figures).toEqual(before.figures);
  await expire();
  expect(await unitsLeft(experimentId)).toBe(0);
  expect((await analysisOf(experimentId)).figures).toEqual(before.figures);
});

test('what is folded while somebody sums it up lacks in no sum', async () => {
  const experimentId = await plantEnded('between', daysAgo(40));
  const ref = { organizationId: api.organizationId, experimentId };
  const names = ['latency', 'error_rate', 'rating'];
  const sums = (onResult: () => Promise<void>) =>
    inOrganization(control.application, api.organizationId, (tx) => {
      const transformResult: KyselyPlugin['transformResult'] = async ({ result }) => {
        await onResult();
        return result;
      };
      return metricSums(tx.withPlugin({ transformQuery: ({ node }) => node, transformResult }), ref, names);
    });
  await expire(150, HOUR_MS);
  const before = await sums(async () => undefined);
  let statements = 0;
  expect(
    await sums(async () => {
      if (++statements === 1) await expire();
    }),
  ).toEqual(before);
  expect(await unitsLeft(experimentId)).toBe(0);
});

test('to a closed experiment neither a late row nor a late report is added', async () => {
  const experimentId = await plantEnded('closed', daysAgo(40));
  const { id: keyId } = (await api('POST', '/keys', { name: 'all' })).body;
  const inference = createInferenceId(NOW - DAY_MS, groupHashOf(groupId), createRandomPool());
  const place = { organization_id: api.organizationId, experiment_id: experimentId };
  await control.admin
    .insertInto('experiment_inferences')
    .values({
      ...{ ...place, inference_id: inference, group_id: groupId, phase: 1, arm: 0, unit: unitId('user-0') },
      ...{ correlation: null, shadow_of: null, created_at: daysAgo(1) },
    })
    .execute();
  await expire();
  const before = await analysisOf(experimentId);
  await control.admin
    .insertInto('feedback')
    .values({
      ...{ organization_id: api.organizationId, id: 'late', inference_id: inference, metric: 'rating', value: 5 },
      ...{ kind: 'numeric', key_id: keyId, gateway_id: randomUUID(), at: new Date(), received_at: new Date() },
    } as never)
    .execute();
  await joinFeedback(leader, { limit: 10 });
  const alarms: string[] = [];
  const onAlarm = (code: string) => void alarms.push(code);
  const sink = createPostgresSink({ databaseUrl: control.databaseUrl, onAlarm });
  const own = { organizationId: api.organizationId, groupId };
  const row: InferenceRow = {
    ...{ id: newInferenceId(Date.now(), groupId), gatewayId: randomUUID(), request: null, response: null },
    ...{ begin: beginRecord({ ...own, experiment: { id: experimentId, phase: 1, arm: 0 } }), end: endRecord() },
  };
  const cursor = { scan: { segment: 1, offset: 1 }, shipped: { segment: 1, offset: 1 } };
  const batch = { spoolId: randomUUID(), gatewayId: row.gatewayId, expected: undefined, cursor };
  await sink.write({ ...batch, rows: [row], dropped: [], finished: true });
  await sink.close();
  expect(alarms).toEqual(['experiment_closed']);
  const report = await control.admin.selectFrom('feedback').selectAll().where('id', '=', 'late').executeTakeFirst();
  expect(report).toMatchObject({ state: 'joined', experiment_id: null });
  await expire();
  expect((await analysisOf(experimentId)).figures).toEqual(before.figures);
});

test('looks that are a day old are thinned to one an hour, the last one, and each that concluded something new', async () => {
  const experimentId = await plantEnded('looked-at', daysAgo(1.5));
  const { look } = (await analysisOf(experimentId)).figures;
  const start = daysAgo(3).getTime();
  const verdictAt = (minute: number) => (minute < 75 ? 'running' : minute < 80 ? 'equivalent' : 'running');
  // Every five minutes for six hours, three days ago; then ten younger than a day.
  const minutes = Array.from({ length: 72 }, (_, index) => index * 5);
  const young = Array.from({ length: 10 }, (_, index) => 3 * 24 * 60 - 60 + index);
  for (const minute of [...minutes, ...young]) {
    const comparisons = look.comparisons.map((one: object) => ({ ...one, verdict: verdictAt(minute) }));
    const atMs = start + minute * 60_000;
    await control.admin
      .insertInto('experiment_looks')
      .values({
        ...{ experiment_id: experimentId, organization_id: api.organizationId, at: new Date(atMs), phase: 1 },
        look: JSON.stringify({ ...look, atMs, comparisons }),
      })
      .execute();
  }
  const kept = async () => {
    const { body } = await api('GET', `/experiments/${experimentId}/looks?limit=200`);
    const times = body.items.map(({ look }: { look: { atMs: number } }) => (look.atMs - start) / 60_000);
    return { minutes: times.toReversed(), isThinned: body.thinnedBefore !== null };
  };
  expect(await kept()).toEqual({ minutes: [...minutes, ...young], isThinned: false });
  await expire(10);
  const hourly = [0, 60, 75, 80, 120, 180, 240, 300];
  const thinned = { minutes: [...hourly, ...young], isThinned: true };
  expect(await kept()).toEqual(thinned);
  expect(logged.join()).toContain('removed 64 looks');
  await expire(10);
  expect(await kept()).toEqual(thinned);

  // Of one that is over all looks are old: the last one says how it ended.
  await control.admin.deleteFrom('experiment_looks').where('at', '>', daysAgo(2)).execute();
  await control.admin
    .insertInto('experiment_looks')
    .values({
      ...{ experiment_id: experimentId, organization_id: api.organizationId, phase: 1 },
      ...{ at: new Date(start + 310 * 60_000), look: JSON.stringify({ ...look, atMs: start + 310 * 60_000 }) },
    })
    .execute();
  await control.admin
    .updateTable('rollouts')
    .set({ looks_thinned_before: null })
    .where('id', '=', experimentId)
    .execute();
  await expire(10);
  expect((await kept()).minutes).toEqual([...hourly, 310]);
});
