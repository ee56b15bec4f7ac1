import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { observe } from '#control-plane/experiments/observe.ts';
import { observeTotals } from '#control-plane/rollout/observe-totals.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import { size } from '#core/split/ranges.ts';
import { listPhases } from '#store/experiment-phases.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import { createBreakablePool } from '#store/pool.ts';
import { POSTGRES_ROLLOUT_PAST } from '#store/postgres-log-rows.ts';
import { findRollout, type RolloutRow } from '#store/rollouts.ts';
import { type CountedInference, countInferences, unitId } from '#tests/support/planted-experiment.ts';
import { lookOf } from '#tests/support/rollout-looks.ts';
import { createRolloutRig, type RolloutRig } from '#tests/support/rollout-rig.ts';
import { waitFor } from '#tests/support/wait.ts';

const MINUTE_MS = 60_000;
const FIRST = { a: 9_000, b: 1_000 };
const CANARY = {
  strategy: {
    kind: 'canary',
    steps: [
      { weightBp: 500, durationMs: MINUTE_MS },
      { weightBp: 2_500, durationMs: MINUTE_MS },
    ],
  },
};

let rig: RolloutRig;
let rollout: RolloutRow;
beforeAll(async () => {
  rig = await createRolloutRig();
});
afterEach(async () => {
  const { state } = await rig.row(rollout);
  if (!['promoted', 'rolled_back', 'inconclusive', 'aborted'].includes(state)) await rig.order(rollout, 'abort');
  rig.world.look = lookOf({ b: {} });
  rig.world.glance = lookOf({ b: {} });
  rig.world.pairs = [];
  const variants = [
    { model: 'a', role: 'champion', weightBp: 9_000 },
    { model: 'b', role: 'challenger', weightBp: 1_000 },
  ];
  expect((await rig.api('PUT', '/groups/demo/variants', variants)).status).toBe(200);
  expect(rig.logged).toEqual([]);
});
afterAll(() => rig.close());

const state = async () => (await rig.row(rollout)).state;

test('a canary goes up step by step, one phase up to half of the traffic, and the better challenger is promoted', async () => {
  rollout = await rig.draft(CANARY);
  const hashVersion = (await rig.published()).hashVersion;
  await rig.order(rollout, 'start', { reason: 'a new model' });
  expect(await rig.weights()).toEqual({ a: 9_500, b: 500 });
  const { experiment, ...group } = await rig.published();
  expect(group.hashVersion).toBe(hashVersion + 1);
  expect(experiment).toMatchObject({ id: rollout.id, phase: 1, correlationKey: null });
  expect(experiment!.arms.map(({ ranges }) => size(ranges))).toEqual([500, 500]);
  await rig.pass(MINUTE_MS);
  const grown = (await rig.published()).experiment!;
  expect([grown.phase, grown.arms.map(({ ranges }) => size(ranges))]).toEqual([1, [2_500, 2_500]]);
  await rig.pass(MINUTE_MS);
  expect(await state()).toBe('holding');
  rig.world.look = lookOf({ b: { verdict: 'challenger_better' } });
  await rig.pass(MINUTE_MS);
  expect(await rig.story(rollout)).toEqual([
    'start: draft → ramping (a 9500, b 500)',
    'step: ramping → ramping (a 7500, b 2500)',
    'hold: ramping → holding',
    'decide: holding → deciding',
    'promote: deciding → promoted (a 0, b 10000)',
  ]);
  expect(await rig.variants()).toMatchObject({ a: { role: 'challenger' }, b: { role: 'champion' } });
  expect((await rig.published()).experiment).toBeUndefined();
  const audit = await rig.audit(rollout);
  expect(audit.map(({ action, actor }) => `${actor} ${action}`)).toEqual([
    'somebody rollout.start',
    ...['step', 'hold', 'decide', 'promote'].map((event) => `rollout-engine rollout.${event}`),
  ]);
  expect(audit[0]!.reason).toBe('a new model');
  expect(audit.at(-1)!.reason).toBe('b is challenger_better');
  expect(new Set(audit.map(({ version }) => version)).size).toBe(5);
});

test('a challenger that fails is sent back within a round, to the exact variants from before', async () => {
  const before = await rig.variants();
  rollout = await rig.draft({ ...CANARY, intervalMs: 10 * MINUTE_MS });
  await rig.order(rollout, 'start');
  const engine = rig.engine();
  await rig.pass(1_000, engine);
  rig.world.glance = lookOf({ b: { fired: true } });
  rig.world.look = rig.world.glance;
  await rig.pass(1_000, engine);
  expect(await state()).toBe('rolled_back');
  expect(await rig.variants()).toEqual(before);
  expect((await rig.audit(rollout)).at(-1)).toMatchObject({
    action: 'rollout.rollback',
    reason: expect.stringContaining('b: Fast guard fired'),
  });
  expect(await rig.looks(rollout)).toHaveLength(2);
});

test('a look that takes long is made less often than the plan says', async () => {
  rollout = await rig.draft({ ...CANARY, intervalMs: 30_000 });
  await rig.order(rollout, 'start');
  let looks = 0;
  const engine = rig.engine(rig.db, {
    observe: async () => {
      looks++;
      rig.world.nowMs += 6_000;
      return rig.nothingSeen;
    },
  });
  await rig.pass(0, engine);
  await rig.pass(30_000, engine);
  expect(looks).toBe(1);
  await rig.pass(24_000, engine);
  expect(looks).toBe(2);
});

test('a sample-ratio mismatch holds it for good; a person takes it back', async () => {
  rollout = await rig.draft(CANARY);
  await rig.order(rollout, 'start');
  rig.world.look = lookOf({ b: { verdict: 'invalid' } }, { srm: true });
  await rig.pass(2 * MINUTE_MS);
  expect((await rig.row(rollout)).memory).toMatchObject({ pause: { cause: 'evidence' } });
  await rig.order(rollout, 'resume');
  await rig.pass(5 * MINUTE_MS);
  expect(await rig.weights()).toEqual({ a: 9_500, b: 500 });
  await expect(rig.order(rollout, 'skip')).rejects.toThrow('units do not split');
  await rig.order(rollout, 'rollback', { reason: 'the client is broken' });
  expect(await rig.weights()).toEqual(FIRST);
});

test('missing metrics hold it, and after a while pause it', async () => {
  rollout = await rig.draft({ ...CANARY, missingMetricHoldMs: 5 * MINUTE_MS });
  await rig.order(rollout, 'start');
  rig.world.look = lookOf({ b: { unmeasured: true } });
  for (let minutes = 0; minutes < 7; minutes++) await rig.pass(MINUTE_MS);
  expect(await rig.story(rollout)).toEqual([
    'start: draft → ramping (a 9500, b 500)',
    'missing: ramping → ramping',
    'pause: ramping → ramping',
  ]);
  rig.world.look = lookOf({ b: {} });
  await rig.order(rollout, 'resume');
  await rig.pass(MINUTE_MS);
  expect(await rig.weights()).toEqual({ a: 7_500, b: 2_500 });
});

test('a metric that dries up while traffic goes on holds it, by what is stored', async () => {
  const definition = { primary: { metric: 'score', direction: 'increase' }, guardrails: [] };
  rollout = await rig.draft({ strategy: { kind: 'ab' } }, { definition });
  await rig.order(rollout, 'start');
  const place = { organizationId: rig.organizationId, experimentId: rollout.id };
  const unit = (arm: number, i: number): CountedInference => ({
    ...{ phase: 1, arm, unit: `u${arm}-${i}`, failed: false, latencyUs: 1_000, outputTokens: null, costMicroUsd: null },
  });
  const serve = (from: number, to: number) =>
    countInferences(
      rig.control.admin,
      place,
      [0, 1].flatMap((arm) => Array.from({ length: to - from }, (_, i) => unit(arm, from + i))),
    );
  await serve(0, 200);
  const reported = [0, 1].flatMap((arm) =>
    Array.from({ length: 100 }, (_, i) => ({
      ...{ experiment_id: rollout.id, organization_id: rig.organizationId, phase: 1, arm, metric: 'score' },
      ...{ unit: unitId(`u${arm}-${i}`), n: 1, sum: String(i % 2) },
    })),
  );
  await rig.control.admin.insertInto('experiment_unit_metrics').values(reported).execute();
  const real = () => rig.engine(rig.db, { observe, observeTotals, lookAt });
  await rig.pass(MINUTE_MS, real());
  await serve(200, 239);
  await rig.pass(20 * MINUTE_MS, real());
  expect((await rig.row(rollout)).reason).not.toContain('holds');
  await serve(239, 240);
  await rig.pass(MINUTE_MS, real());
  expect((await rig.row(rollout)).reason).toBe('holds: nothing is measured of score any more');
});

test('a freeze stops the way forward, never the way back', async () => {
  rollout = await rig.draft(CANARY);
  await rig.order(rollout, 'start');
  const { nowMs } = rig.world;
  const window = {
    ...{ id: rollout.id, organization_id: rig.organizationId, group_id: null, reason: 'the holidays' },
    ...{ starts_at: new Date(nowMs), ends_at: new Date(nowMs + 60 * MINUTE_MS) },
  };
  await rig.control.admin.insertInto('freeze_windows').values(window).execute();
  await rig.pass(5 * MINUTE_MS);
  expect(await rig.weights()).toEqual({ a: 9_500, b: 500 });
  await expect(rig.order(rollout, 'promote')).rejects.toThrow('the holidays');
  rig.world.look = lookOf({ b: { guardrail: 'violated' } });
  await rig.pass(MINUTE_MS);
  expect(await state()).toBe('rolled_back');
  await rig.control.admin.deleteFrom('freeze_windows').execute();
});

test('direct and blue-green: all at once, promoted after the hold; an abort within it brings everything back', async () => {
  rollout = await rig.draft({ strategy: { kind: 'direct', holdMs: MINUTE_MS } });
  await rig.order(rollout, 'start');
  expect(await rig.weights()).toEqual({ a: 0, b: 10_000 });
  await rig.pass(1_000);
  await rig.pass(MINUTE_MS);
  expect(await state()).toBe('promoted');
  // One call brings the old champion back.
  expect((await rig.api('PATCH', '/groups/demo/weights', { a: 10_000, b: 0 })).status).toBe(200);
  const back = [
    { model: 'a', role: 'champion', weightBp: 9_000 },
    { model: 'b', role: 'challenger', weightBp: 1_000 },
  ];
  await rig.api('PUT', '/groups/demo/variants', back);
  const before = await rig.variants();
  rollout = await rig.draft({ strategy: { kind: 'blue-green', returnMs: 60 * MINUTE_MS } });
  await rig.order(rollout, 'start');
  await rig.pass(MINUTE_MS);
  expect([await state(), await rig.weights()]).toEqual(['holding', { a: 0, b: 10_000 }]);
  await rig.order(rollout, 'abort');
  expect(await rig.variants()).toEqual(before);
});

test('rolling: a straight line; what is not decided in its time is inconclusive, and ends as before', async () => {
  const strategy = { kind: 'rolling', toBp: 4_000, incrementBp: 1_000, durationMs: 4 * MINUTE_MS };
  rollout = await rig.draft({ strategy, maxDurationMs: 10 * MINUTE_MS, onInconclusive: 'end' });
  await rig.order(rollout, 'start');
  const seen = [await rig.weights()];
  for (let minute = 0; minute < 3; minute++) {
    await rig.pass(MINUTE_MS);
    seen.push(await rig.weights());
  }
  expect(seen.map(({ b }) => b)).toEqual([1_000, 2_000, 3_000, 4_000]);
  expect((await rig.published()).experiment!.phase).toBe(1);
  await rig.pass(MINUTE_MS);
  await rig.pass(10 * MINUTE_MS);
  expect([await state(), await rig.weights()]).toEqual(['inconclusive', FIRST]);
});

test('A/B: a fixed split of which every bucket counts; equivalent ends as the plan says', async () => {
  rollout = await rig.draft({ strategy: { kind: 'ab', weightBp: 5_000 }, onEquivalent: 'promote', autoPromote: false });
  await rig.order(rollout, 'start');
  expect((await rig.published()).experiment!.arms.map(({ ranges }) => size(ranges))).toEqual([5_000, 5_000]);
  rig.world.look = lookOf({ b: { verdict: 'equivalent' } });
  await rig.pass(MINUTE_MS);
  expect((await rig.row(rollout)).memory).toMatchObject({ asked: 'promotion:1' });
  await rig.pass(MINUTE_MS);
  expect(await state()).toBe('deciding');
  await rig.order(rollout, 'approve', { reason: 'cheaper' });
  await rig.pass(MINUTE_MS);
  expect(await state()).toBe('promoted');
});

test("shadow first: copies only, then the ramp; the policy of mirroring is the group's again", async () => {
  rollout = await rig.draft({ ...CANARY, shadowFirst: { sampleBp: 2_000, durationMs: MINUTE_MS, minPairs: 10 } });
  await rig.order(rollout, 'start');
  expect(await rig.variants()).toMatchObject({ a: { weightBp: 10_000 }, b: { role: 'shadow', weightBp: 0 } });
  const shadowed = await rig.published();
  expect(shadowed.shadow.sampleBp).toBe(2_000);
  // Bounds that somebody sets meanwhile are theirs, and stay.
  expect((await rig.api('PATCH', '/groups/demo', { shadow: { maxPerMinute: 77 } })).status).toBe(200);
  expect(shadowed.experiment!.arms.map(({ ranges }) => size(ranges))).toEqual([0, 0]);
  await rig.pass(2 * MINUTE_MS);
  expect(await state()).toBe('shadow');
  rig.world.pairs = [null, { pairs: 50, units: 50, excess: 0, firstExcess: 0 }];
  await rig.pass(MINUTE_MS);
  const ramping = await rig.published();
  expect([ramping.shadow.sampleBp, ramping.experiment!.phase]).toEqual([10_000, 2]);
  expect(ramping.shadow.maxPerMinute).toBe(77);
  expect(await rig.weights()).toEqual({ a: 9_500, b: 500 });
});

test('shadow first: a challenger whose copies fail never serves anybody', async () => {
  rollout = await rig.draft({ ...CANARY, shadowFirst: { durationMs: MINUTE_MS, minPairs: 10 } });
  await rig.order(rollout, 'start');
  rig.world.pairs = [null, { pairs: 50, units: 50, excess: 39, firstExcess: 39 }];
  await rig.pass(1_000);
  expect([await state(), await rig.weights()]).toEqual(['rolled_back', FIRST]);
});

test('of two challengers the one that harms is taken out alone, and its share goes back; the other goes on, in another phase', async () => {
  expect((await rig.api('POST', '/models', { name: 'c', provider: 'p', upstreamModel: 'up-c' })).status).toBe(201);
  rollout = await rig.draft({ strategy: { kind: 'ab', weightBp: 3_000 } }, { arms: ['a', 'b', 'c'] });
  await rig.order(rollout, 'start');
  rig.world.look = lookOf({ b: { guardrail: 'violated' }, c: {} });
  await rig.pass(MINUTE_MS);
  expect(await rig.weights()).toEqual({ a: 7_000, b: 0, c: 3_000 });
  expect((await rig.published()).experiment!.phase).toBe(2);
  const { body } = await rig.api('GET', `/rollouts/${rollout.id}`);
  expect(body).toMatchObject({ state: 'holding', challengers: ['b', 'c'], removed: ['b'] });
  // What is still counted of it changes nothing any more, and nobody promotes it.
  await rig.pass(MINUTE_MS);
  expect((await rig.story(rollout)).filter((step) => step.startsWith('remove'))).toHaveLength(1);
  await expect(rig.order(rollout, 'promote', { model: 'b' })).rejects.toThrow('one of c');
  rig.world.look = lookOf({ b: {}, c: { guardrail: 'violated' } });
  await rig.pass(MINUTE_MS);
  expect([await state(), await rig.weights()]).toEqual(['rolled_back', FIRST]);
});

test('what serves its arms changes beneath it: another phase begins, and the story says why', async () => {
  rollout = await rig.draft(CANARY);
  await rig.order(rollout, 'start');
  const { control: slice } = await rig.row(rollout);
  const changes = [
    ['/models/b', { upstreamModel: 'up-b2' }, 2, 'phase 2 begins: the model "b" was changed (deployments)'],
    ['/models/a', { meta: { maxOutputTokens: 99 } }, 3, 'the model "a" was changed (maxOutputTokens)'],
    ['/providers/p', { baseUrl: 'http://127.0.0.1:10/v1' }, 4, 'the provider "p" was changed (baseUrl)'],
    ['/providers/p', { apiKey: 'sk-another' }, 4, 'the provider "p" was changed (baseUrl)'],
    ['/models/b', { upstreamModel: 'up-b2', meta: { team: 'x' } }, 4, 'the provider "p"'],
    ['/groups/demo', { traffic: { lenient: true } }, 5, 'the group "demo" was changed (lenient)'],
    ['/groups/demo', { traffic: { keepAliveMs: 1 } }, 5, 'lenient'],
  ] as const;
  for (const [path, body, phase, reason] of changes) {
    const { status } = await rig.api('PATCH', path, body);
    expect([path, status]).toEqual([path, 200]);
    expect(await rig.row(rollout)).toMatchObject({ phase, control: slice, reason: expect.stringContaining(reason) });
    expect((await rig.published()).experiment!.phase).toBe(phase);
  }
  expect(await rig.story(rollout)).toEqual([
    'start: draft → ramping (a 9500, b 500)',
    ...Array.from({ length: 4 }, () => 'new_phase: ramping → ramping'),
  ]);
  expect((await rig.audit(rollout)).map(({ action }) => action).slice(1)).toEqual(Array(4).fill('rollout.new_phase'));
  const place = { organizationId: rig.organizationId, id: rollout.id };
  const phases = await rig.inTx((tx) => listPhases(tx, place.organizationId, place.id));
  expect(phases.map(({ phase, weights_bp, is_mixed }) => [phase, weights_bp, is_mixed])).toEqual(
    [1, 2, 3, 4, 5].map((phase) => [phase, [500, 500], false]),
  );
  // The ramp goes on from there.
  await rig.pass(MINUTE_MS);
  expect([(await rig.row(rollout)).phase, (await rig.weights())['b']]).toEqual([5, 2_500]);
});

test('who changes what serves an arm waits for a step under way before it locks anything that the step needs', async () => {
  rollout = await rig.draft(CANARY);
  await rig.order(rollout, 'start');
  const locked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const step = rig.inTx(async (tx) => {
    await findRollout(tx, rig.organizationId, rollout.id, 'update');
    locked.resolve();
    await release.promise;
    await sql`SELECT id FROM models WHERE name = 'b' FOR UPDATE NOWAIT`.execute(tx);
  });
  await locked.promise;
  const change = rig.api('PATCH', '/models/b', { upstreamModel: 'up-b3' });
  await waitFor('the change to wait', async () => {
    const { rows } = await sql`SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
      AND application_name = 'ringside control-plane' AND wait_event_type = 'Lock'`.execute(rig.control.admin);
    return rows.length > 0;
  });
  release.resolve();
  await step;
  expect((await change).status).toBe(200);
  expect((await rig.row(rollout)).phase).toBe(2);
});

test('a log that hangs or is away holds up the start that asks it alone, and the draft says what it waits for', async () => {
  rollout = await rig.draft({ strategy: { kind: 'direct' }, approvals: ['start'] });
  await rig.order(rollout, 'start');
  let answer: () => void = () => undefined;
  let asked = 0;
  let answers: 'hangs' | 'fails' = 'hangs';
  const engine = rig.engine(rig.db, {
    past: {
      ...POSTGRES_ROLLOUT_PAST,
      championHistory: async () => {
        asked++;
        if (answers === 'hangs') await new Promise<void>((resolve) => (answer = resolve));
        const details = { why: 'did not answer', isRefusal: false, cause: undefined };
        throw new LogUnavailableError('secret.example.com did not answer', details);
      },
    },
  });
  await rig.pass(1_000, engine);
  await rig.order(rollout, 'approve');
  rig.world.nowMs += 1_000;
  // The round is over while the question is open.
  await engine.round(new AbortController().signal);
  await waitFor('the question', () => asked === 1);
  await engine.round(new AbortController().signal);
  answers = 'fails';
  answer();
  await engine.settle();
  await rig.pass(5_000, engine);
  expect((await rig.story(rollout)).at(-1)).toBe('missing: draft → draft');
  const { body } = await rig.api('GET', `/rollouts/${rollout.id}`);
  expect(body.waitsFor).toMatch(
    /^The log, which its start asks: the log could not be read: ClickHouse, which has its rows, did not answer, since 2026-/,
  );
  await rig.pass(60_000, engine);
  expect((await rig.story(rollout)).filter((line) => line.startsWith('missing'))).toHaveLength(1);
  await rig.pass(60_000);
  expect(await rig.row(rollout)).toMatchObject({ state: 'ramping', memory: { missing: null } });
  expect(rig.logged.splice(0)).toHaveLength(1);
});

test('a stop ends looks that are under way, here and in the database, and says nothing of them', async () => {
  rollout = await rig.draft({ strategy: { kind: 'ab' } });
  await rig.order(rollout, 'start');
  const applicationName = 'test of a stop';
  const pool = createBreakablePool({
    ...{ databaseUrl: rig.control.databaseUrl, role: 'application', maxConnections: 4, applicationName },
  });
  const active = async () => {
    const { rows } = await sql`SELECT 1 FROM pg_stat_activity WHERE application_name = ${applicationName}
      AND state = 'active'`.execute(rig.control.admin);
    return rows.length;
  };
  const engine = rig.engine(pool.db, {
    observe: async (tx) => {
      await sql`SELECT pg_sleep(60)`.execute(tx);
      return rig.nothingSeen;
    },
  });
  const stop = new AbortController();
  await engine.round(stop.signal);
  await waitFor('the look', async () => (await active()) === 1);
  stop.abort();
  await pool.breakOff();
  await engine.settle();
  await pool.db.destroy();
  await waitFor('the end of its statement', async () => (await active()) === 0);
  expect(await rig.story(rollout)).toEqual(['start: draft → ramping (a 5000, b 5000)']);
});
