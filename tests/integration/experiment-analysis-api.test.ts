import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { showAnalysis } from '#control-plane/experiments/analysis.ts';
import { analysisSchema } from '#control-plane/experiments/experiment-schemas.ts';
import { showComparison } from '#control-plane/groups/comparison.ts';
import { comparisonSchema } from '#control-plane/groups/comparison-schemas.ts';
import type { Look } from '#core/experiments/look.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import type { SnapshotDocument } from '#core/snapshot/schema.ts';
import { insertLook } from '#store/experiment-looks.ts';
import { labelDelays } from '#store/feedback.ts';
import { isUnfolded } from '#store/folded-sums.ts';
import { inOrganization, type Tx } from '#store/pool.ts';
import { POSTGRES_LOG_ROWS } from '#store/postgres-log-rows.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { holdLead } from '#tests/support/hold-lead.ts';
import { withDocumentedAnswers } from '#tests/support/openapi-answers.ts';
import { type CountedInference, countInferences, plantExperiment, unitId } from '#tests/support/planted-experiment.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');
const NOW = Date.parse('2026-03-02T10:00:00Z');
let control: TestControlPlane;
let release: () => Promise<void>;
let api: ApiClient;
let rival: ApiClient;
let groupId: string;
let experimentId: string;
const LIST = Array.from({ length: 2_000 }, (_, i): CountedInference => {
  const user = i % 500;
  return {
    ...{ phase: 1, arm: user % 2, unit: `user-${user}`, failed: i % 50 === 1, latencyUs: 1_000_000 + i * 100 },
    ...{ outputTokens: 5, costMicroUsd: 7 },
  };
});

beforeAll(async () => {
  control = await startTestControlPlane({ clock: { nowMs: () => NOW } });
  release = await holdLead(control.databaseUrl);
  api = await withDocumentedAnswers(control.url, await control.owner('acme'));
  rival = await control.owner('rival');
  await seedGroup(api, 'demo');
  groupId = (await api('GET', '/groups/demo')).body.id;
  const place = { organizationId: api.organizationId, groupId };
  experimentId = await plantExperiment(control.admin, {
    ...{ ...place, name: 'trial', startedAt: new Date(NOW - 3_600_000) },
    definition: {
      primary: { metric: 'latency' },
      guardrails: [{ metric: 'rating', direction: 'increase', margin: 1 }],
    },
  });
  await countInferences(control.admin, { ...place, experimentId }, LIST);
});
afterAll(async () => {
  await release();
  await control.stop();
});

test('the analysis looks as of now and shows exact means beside figures for display', async () => {
  const { status, body } = await api('GET', '/experiments/trial/analysis');
  expect(status, JSON.stringify(body)).toBe(200);
  expect(body.experiment).toMatchObject({
    ...{ id: experimentId, name: 'trial', group: 'demo', state: 'deciding', arms: ['a', 'b'], primary: 'latency' },
    ...{ since: new Date(NOW - 3_600_000).toISOString(), definition: { alpha: 0.05, primary: { metric: 'latency' } } },
    phases: [{ phase: 1, weightsBp: [5_000, 5_000], isMixed: false, units: [250, 250], requests: [1_000, 1_000] }],
  });
  expect(body.look).toMatchObject({ atMs: NOW, units: [250, 250], srm: { fired: false, minPValue: 1 } });
  // Nobody has reported a rating: that is never taken for healthy.
  expect(body.look.comparisons[0].guardrails[0]).toMatchObject({ metric: 'rating', state: 'missing' });
  expect(body.amendments).toBeNull();
  const ok = LIST.filter(({ arm, failed }) => arm === 1 && !failed).map(({ latencyUs }) => latencyUs);
  const shown = body.metrics.latency[0].arms[1];
  expect(shown).toMatchObject({ units: 240, n: ok.length });
  expect(shown.mean).toBeCloseTo(ok.reduce((a, b) => a + b) / ok.length, 6);
  expect(shown.standardError).toBeGreaterThan(0);
  expect(body.labelDelays).toEqual({ arms: [], unjoined: [] });

  const { display } = body;
  expect(display.notice).toContain('Nothing is decided by them');
  expect(display.errorRate).toHaveLength(2);
  // 40 of 1 000 at i % 50 = 1, all of them odd.
  expect(display.errorRate[1]).toMatchObject({ value: 0.04 });
  expect(display.errorRate[1].lower).toBeCloseTo(0.02952, 4);
  expect(display.errorRate[1].upper).toBeCloseTo(0.054, 3);
  expect(display.errorRateDifference[0].value).toBeCloseTo(0.04, 12);
  expect(display.errorRateDifference[0].lower).toBeGreaterThan(0);
});

test('quantiles come with their ranks, and with the values at these', async () => {
  const other = await plantExperiment(control.admin, {
    ...{ organizationId: api.organizationId, groupId, name: 'ranks', endedAt: new Date(NOW) },
  });
  const list = Array.from({ length: 1_000 }, (_, i): CountedInference => {
    const latencyUs = (i + 1) * 1_000;
    return { phase: 1, arm: 0, unit: `u-${i}`, failed: false, latencyUs, outputTokens: 1, costMicroUsd: 1 };
  });
  await countInferences(control.admin, { organizationId: api.organizationId, experimentId: other }, list);
  const { body } = await api('GET', `/experiments/${other}/analysis`);
  const p95 = body.display.latency[0].find(({ quantile }: { quantile: number }) => quantile === 0.95);
  expect(p95.ranks).toEqual({ lower: 936, upper: 964, of: 1_000 });
  const near = (value: number, seconds: number) => Math.abs(value - seconds) / seconds < 1 / 32 + 1e-9;
  expect([near(p95.valueMs, 950), near(p95.lowerMs, 936), near(p95.upperMs, 964)]).toEqual([true, true, true]);
  expect(body.display.latency[1]).toEqual([]);
  expect(body.display.errorRateDifference).toEqual([null]);
});

test('every look is kept and paged through; log loss is placed between two of them', async () => {
  const { body } = await api('GET', `/experiments/${experimentId}/analysis`);
  const lost = [0, 0, 3, 3, 5];
  for (const [index, count] of lost.entries()) {
    const look: Look = {
      ...body.look,
      ...{ atMs: NOW - 100_000 + index * 10_000, evidence: { ...body.look.evidence, lost: count } },
      srm: { ...body.look.srm, minPValue: 0.9 - index / 10 },
    };
    await inOrganization(control.application, api.organizationId, (tx) =>
      insertLook(tx, api.organizationId, experimentId, look),
    );
  }
  const seen: number[] = [];
  const windows: unknown[] = [];
  let cursor: string | null = null;
  do {
    const page: string = `limit=2${cursor === null ? '' : `&cursor=${cursor}`}`;
    // biome-ignore lint/suspicious/noExplicitAny: a raw answer
    const answer: any = (await api('GET', `/experiments/${experimentId}/analysis?${page}`)).body;
    const { items, nextCursor } = answer.looks;
    const alone = (await api('GET', `/experiments/${experimentId}/looks?${page}`)).body;
    expect(alone).toEqual({ items, nextCursor, lossWindows: answer.lossWindows, thinnedBefore: null });
    seen.push(...items.map(({ look }: { look: Look }) => look.evidence.lost));
    windows.push(...answer.lossWindows);
    cursor = nextCursor;
  } while (cursor !== null);
  expect(seen).toEqual(lost.toReversed());
  const at = (index: number) => new Date(NOW - 100_000 + index * 10_000).toISOString();
  expect(windows).toEqual([
    { since: at(3), until: at(4), lost: 2 },
    { since: at(1), until: at(2), lost: 3 },
  ]);
  // The smallest p-value of the split is that of all looks so far.
  expect((await api('GET', `/experiments/${experimentId}/analysis`)).body.look.srm.minPValue).toBeCloseTo(0.5, 12);
});

test('where a look as of now takes too long, the last one that was kept is shown, and said to be; without one it is a 503', async () => {
  const kept = (await api('GET', '/experiments/trial/looks?limit=1')).body.items[0].look;
  const unseen = { organizationId: api.organizationId, groupId, name: 'unseen', endedAt: new Date(NOW) };
  await plantExperiment(control.admin, unseen);
  const deps = { lookAt, labelDelays, clock: { nowMs: () => NOW }, lookLimitMs: 100, logRows: POSTGRES_LOG_ROWS };
  const call = { organizationId: api.organizationId, query: { limit: 1 } };
  const read = <Result>(work: (tx: Tx) => Promise<Result>) =>
    inOrganization(control.application, api.organizationId, work);
  await control.admin.transaction().execute(async (holder) => {
    await sql`LOCK TABLE ringside.experiment_units IN ACCESS EXCLUSIVE MODE`.execute(holder);
    const analysis = analysisSchema.parse(await read((tx) => showAnalysis(tx, { ...call, ref: 'trial' }, deps)));
    const stale = { at: new Date(kept.atMs).toISOString(), reason: expect.stringContaining('longer than 0.1 s') };
    expect(analysis).toMatchObject({ stale, look: kept, metrics: {}, looks: { items: [{ look: kept }] } });
    expect(analysis.display.errorRate[1]).toMatchObject({ value: 0.04 });
    const comparison = await read((tx) => showComparison(tx, { ...call, query: {}, ref: 'demo' }, deps));
    expect(comparisonSchema.parse(comparison)).toMatchObject({
      ...{ source: 'experiment', stale, look: kept, metrics: [] },
      arms: [{ units: 250, requests: 1_000, inputTokens: null, costMicroUsd: null }, { failures: 40 }],
    });
    await expect(read((tx) => showAnalysis(tx, { ...call, ref: 'unseen' }, deps))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('No look at "unseen" has been kept yet'),
    });
  });
  expect((await api('GET', '/experiments/trial/analysis')).body.stale).toBeNull();
  await control.admin.deleteFrom('rollouts').where('name', '=', 'unseen').execute();
});

test('experiments are listed, newest first, by group and state', async () => {
  const { body } = await api('GET', '/experiments?limit=1');
  expect(body.items).toHaveLength(1);
  const rest = (await api('GET', `/experiments?cursor=${body.nextCursor}`)).body;
  const names = [...body.items, ...rest.items].map(({ name }: { name: string }) => name);
  expect(names.toSorted()).toEqual(['ranks', 'trial']);
  const active = (await api('GET', '/experiments?group=demo&state=deciding')).body.items;
  expect(active.map(({ name }: { name: string }) => name)).toContain('trial');
  expect((await api('GET', '/experiments/trial')).body).toMatchObject({
    ...{ id: experimentId, armModels: [{ model: 'a', role: 'champion' }, { role: 'challenger' }] },
  });
  for (const [query, field] of [
    ['group=nobody', 'group'],
    ['state=sleeping', 'state'],
    ['cursor=x', 'cursor'],
  ]) {
    expect(await api('GET', `/experiments?${query}`)).toMatchObject({ status: 422, body: { field } });
  }
  expect(await api('GET', '/experiments/trial/analysis?cursor=x')).toMatchObject({
    status: 422,
    body: { field: 'cursor' },
  });
});

test('another organization finds none of it, and reads none of its rows', async () => {
  expect((await rival('GET', '/experiments')).body.items).toEqual([]);
  for (const ref of ['trial', experimentId, randomUUID()]) {
    for (const path of ['', '/analysis', '/looks', '/breakdown?by=key']) {
      expect((await rival('GET', `/experiments/${ref}${path}`)).status, path).toBe(404);
    }
  }
  expect((await rival('GET', '/experiments?group=demo')).status).toBe(422);
  // Also where the application forgets its own filter, and where a plan has several processes.
  const countUnits = (organizationId: string) =>
    inOrganization(control.application, organizationId, async (tx) => {
      await sql`SET LOCAL debug_parallel_query = on`.execute(tx);
      // As looks ask: of units, whether they are folded, and beside their history.
      const counting = sql<{ n: string }>`SELECT count(*)::text AS n FROM experiment_units AS u
        LEFT JOIN experiment_history AS h USING (experiment_id, unit)
        WHERE ${isUnfolded({ organizationId: api.organizationId, experimentId })}`;
      const plan = await sql<{ 'QUERY PLAN': string }>`EXPLAIN ${counting}`.execute(tx);
      expect(plan.rows.map((row) => row['QUERY PLAN']).join()).toContain('Gather');
      return (await counting.execute(tx)).rows[0]!.n;
    });
  expect([await countUnits(rival.organizationId), await countUnits(api.organizationId)]).toEqual(['0', '1500']);
  await inOrganization(control.application, rival.organizationId, async (tx) => {
    for (const table of [
      'rollouts',
      'experiment_phases',
      'experiment_units',
      'experiment_totals',
      'experiment_looks',
    ] as const) {
      const { rows } = await tx
        .selectFrom(table)
        .select('organization_id')
        .execute()
        .then((rows) => ({ rows }));
      expect(rows, table).toEqual([]);
    }
  });
});

function ringside(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, RINGSIDE_ADMIN_TOKEN: api.token, RINGSIDE_CONTROL_URL: control.url };
  return new Promise((done) => {
    execFile(process.execPath, [LAUNCHER, ...args], { env }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test('the command prints what the API answers', async () => {
  const list = await ringside('experiment', 'list', '--group', 'demo', '--limit', '1');
  expect(JSON.parse(list.stdout).items, list.stderr).toHaveLength(1);
  const looks = await ringside('experiment', 'looks', 'trial', '--limit', '1');
  expect(Object.keys(JSON.parse(looks.stdout))).toEqual(['items', 'nextCursor', 'lossWindows', 'thinnedBefore']);
  const split = await ringside('group', 'split', 'demo', '--step', '30');
  expect(JSON.parse(split.stdout)).toMatchObject({ group: 'demo', stepMinutes: 30 });
  const refused = await ringside('experiment', 'analysis', 'nobody');
  expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('nobody') });
  expect(await ringside('group', 'comparison')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('of which group'),
  });
  expect((await ringside('experiment', 'breakdown', '--help')).stdout).toContain('--by');
});

test('a rollout that starts has its phase from the snapshot that gateways are told', async () => {
  await control.admin
    .updateTable('rollouts')
    .set({ ended_at: new Date(NOW) })
    .where('ended_at', 'is', null)
    .execute();
  const strategy = { kind: 'ab', weightBp: 3_000 };
  const made = await api('POST', '/rollouts', {
    ...{
      group: 'demo',
      name: 'real',
      challengers: ['b'],
      experiment: { primary: { metric: 'latency' } },
      plan: { strategy },
    },
    start: true,
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const { body } = await api('GET', '/experiments/real');
  const { document } = await control.admin
    .selectFrom('snapshots')
    .select('document')
    .where('organization_id', '=', api.organizationId)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow();
  const told = (document as SnapshotDocument).groups.find(({ name }) => name === 'demo')!.experiment!;
  expect(told).toMatchObject({ id: body.id, phase: body.phase });
  const buckets = told.arms.map(({ ranges }) => ranges.reduce((sum, [from, to]) => sum + to - from, 0));
  expect(buckets[1]).toBe(3_000);
  expect(body.phases).toMatchObject([{ phase: body.phase, weightsBp: buckets, isMixed: false, units: [0, 0] }]);
});

test('what came after the end of an experiment is told as an amendment', async () => {
  const end = { ended_at: new Date(NOW) };
  await control.admin.updateTable('rollouts').set(end).where('id', '=', experimentId).execute();
  expect((await api('GET', '/experiments/trial/analysis')).body.amendments).toEqual([]);
  const place = { experiment_id: experimentId, organization_id: api.organizationId, phase: 1, metric: 'rating' };
  const rows = LIST.slice(0, 500).map(({ unit, arm }) => ({ ...place, arm, unit: unitId(unit), n: 1, sum: '4' }));
  await control.admin.insertInto('experiment_unit_metrics').values(rows).execute();
  expect((await api('GET', '/experiments/trial/analysis')).body.amendments).toEqual([
    { arm: 1, challenger: 'b', metric: 'rating', valuesAtEnd: 0, values: 500, effectAtEnd: null, effect: null },
  ]);
});
