import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { RolloutEngineDeps } from '#control-plane/rollout/engine.ts';
import { size } from '#core/split/ranges.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import { lookOf } from '#tests/support/rollout-looks.ts';
import { createRolloutRig, type RolloutRig } from '#tests/support/rollout-rig.ts';
import { waitFor } from '#tests/support/wait.ts';

const MINUTE_MS = 60_000;
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

test('webhooks are asked once, and no without a yes; a refusal pauses, and is asked anew after it', async () => {
  const hooks = ['confirm-start', 'confirm-step', 'on-end'];
  const webhooks = hooks.map((hook) => ({ hook, url: 'https://hooks.example.com/x' }));
  const answer = (answered: 'approved' | 'denied') =>
    rig.control.admin
      .updateTable('rollout_webhooks')
      .set({ state: answered })
      .where('rollout_id', '=', rollout.id)
      .where('state', '=', 'pending')
      .execute();
  rollout = await rig.draft({ ...CANARY, webhooks });
  await rig.order(rollout, 'start');
  await rig.pass(1_000);
  await rig.pass(1_000);
  expect(await state()).toBe('draft');
  await answer('approved');
  await rig.pass(1_000);
  expect(await rig.weights()).toEqual({ a: 9_500, b: 500 });
  await rig.pass(MINUTE_MS);
  await answer('denied');
  await rig.pass(MINUTE_MS);
  expect((await rig.row(rollout)).memory).toMatchObject({ pause: { cause: 'gate' } });
  await rig.order(rollout, 'resume');
  await rig.pass(MINUTE_MS);
  await answer('approved');
  await rig.pass(MINUTE_MS);
  expect(await rig.weights()).toEqual({ a: 7_500, b: 2_500 });
  await rig.order(rollout, 'abort');
  const gates = await rig.control.admin
    .selectFrom('rollout_webhooks')
    .select('gate')
    .where('rollout_id', '=', rollout.id)
    .execute();
  expect(gates.map(({ gate }) => gate).sort()).toEqual(
    ['confirm-start:start:0#0', 'confirm-step:step:1:0#1', 'confirm-step:step:1:1#1', 'on-end:aborted:1#2'].sort(),
  );
});

test('a dry run decides everything, writes down what it would do, and moves nothing', async () => {
  const before = await rig.variants();
  rollout = await rig.draft({ ...CANARY, dryRun: true });
  const hashVersion = (await rig.published()).hashVersion;
  await rig.order(rollout, 'start');
  const { experiment, ...group } = await rig.published();
  expect([group.hashVersion, experiment!.arms.map(({ ranges }) => size(ranges))]).toEqual([
    hashVersion,
    [9_000, 1_000],
  ]);
  rig.world.look = lookOf({ b: { verdict: 'challenger_better' } });
  for (let minute = 0; minute < 3; minute++) await rig.pass(MINUTE_MS);
  expect(await state()).toBe('promoted');
  expect(await rig.variants()).toEqual(before);
  const reasons = (await rig.audit(rollout)).filter(({ reason }) => reason.startsWith('would '));
  expect(reasons.map(({ action }) => action)).toEqual(['rollout.step', 'rollout.promote']);
});

test('of several challengers a bad one is taken out alone, and the best one wins', async () => {
  await rig.api('POST', '/models', { name: 'c', provider: 'p', upstreamModel: 'up-c' });
  await rig.api('POST', '/models', { name: 'd', provider: 'p', upstreamModel: 'up-d' });
  rollout = await rig.draft({ strategy: { kind: 'ab', weightBp: 2_000 } }, { arms: ['a', 'b', 'c', 'd'] });
  rig.world.look = lookOf({ b: {}, c: {}, d: {} });
  await rig.order(rollout, 'start');
  expect(await rig.weights()).toEqual({ a: 4_000, b: 2_000, c: 2_000, d: 2_000 });
  rig.world.look = lookOf({ b: { guardrail: 'violated' }, c: {}, d: {} });
  await rig.pass(MINUTE_MS);
  expect(await rig.weights()).toEqual({ a: 6_000, b: 0, c: 2_000, d: 2_000 });
  expect((await rig.published()).experiment!.phase).toBe(2);
  const better = (effect: number) => ({ verdict: 'challenger_better' as const, effect });
  rig.world.look = lookOf({ b: { guardrail: 'violated' }, c: better(0.1), d: better(0.2) });
  await rig.pass(MINUTE_MS);
  expect(await rig.weights()).toEqual({ a: 0, b: 0, c: 0, d: 10_000 });
});

test('nobody moves the weights by hand, or deletes the group, beneath a rollout', async () => {
  rollout = await rig.draft(CANARY);
  await rig.order(rollout, 'start');
  const refused = await rig.api('PATCH', '/groups/demo/weights', { a: 5_000, b: 5_000 });
  expect(refused.status).toBe(409);
  expect(refused.body.detail).toContain(`POST /rollouts/${rollout.id}/abort`);
  expect((await rig.api('DELETE', '/groups/demo')).status).toBe(409);
  const other = await rig.draft(CANARY);
  await expect(rig.order(other, 'start')).rejects.toThrow('has not ended');
});

test('a paused clock stands still, and a step can be skipped', async () => {
  rollout = await rig.draft(CANARY);
  await rig.order(rollout, 'start');
  await rig.pass(MINUTE_MS / 2);
  await rig.order(rollout, 'pause');
  await rig.pass(10 * MINUTE_MS);
  await rig.order(rollout, 'resume');
  await rig.pass(MINUTE_MS / 4);
  expect(await rig.weights()).toEqual({ a: 9_500, b: 500 });
  await rig.order(rollout, 'skip');
  await rig.pass(1_000);
  expect(await rig.weights()).toEqual({ a: 7_500, b: 2_500 });
});

const otherGroup = async () => {
  if ((await rig.api('GET', '/groups/other')).status === 200) return;
  expect((await rig.api('POST', '/groups', { name: 'other' })).status).toBe(201);
  const variants = [{ model: 'a', role: 'champion', weightBp: 10_000 }];
  expect((await rig.api('PUT', '/groups/other/variants', variants)).status).toBe(200);
};

test('what fails for one rollout is said once and stops no other; two engines take each step once', async () => {
  rollout = await rig.draft(CANARY);
  await rig.order(rollout, 'start');
  await otherGroup();
  const broken = await rig.draft(CANARY, { group: 'other' });
  await rig.order(broken, 'start');
  const observe: RolloutEngineDeps['observe'] = async (_, { id }) => {
    if (id === broken.id) throw new Error('its sums cannot be read');
    return rig.nothingSeen;
  };
  const engine = rig.engine(rig.db, { observe });
  await Promise.all([rig.pass(MINUTE_MS, engine), rig.pass(0, rig.engine(rig.db, { observe }))]);
  expect(await rig.story(broken)).toHaveLength(1);
  await rig.pass(1_000, engine);
  expect(await rig.story(rollout)).toEqual([
    'start: draft → ramping (a 9500, b 500)',
    'step: ramping → ramping (a 7500, b 2500)',
  ]);
  expect(rig.logged.splice(0).filter((line) => line.includes('its sums cannot be read'))).toHaveLength(2);
  // What can be read is enough to send a bad challenger back.
  rig.world.glance = lookOf({ b: { fired: true } });
  await rig.pass(1_000, rig.engine(rig.db, { observe }));
  expect((await rig.row(broken)).state).toBe('rolled_back');
  expect(rig.logged.splice(0).join()).toContain('sent back by its counts alone');
  expect(await rig.weights('other')).toEqual({ a: 10_000 });
});

test('a look that takes long keeps no fast guard waiting, of another rollout nor of its own', async () => {
  rollout = await rig.draft(CANARY);
  await rig.order(rollout, 'start');
  await otherGroup();
  const slow = await rig.draft(CANARY, { group: 'other' });
  await rig.order(slow, 'start');
  const hanging = Promise.withResolvers<void>();
  let looks = 0;
  const observe: RolloutEngineDeps['observe'] = async (tx, { id }) => {
    if (id !== slow.id) return { ...rig.nothingSeen, atMs: -1 };
    if (looks++ === 0) await hanging.promise;
    else await sql`SELECT pg_sleep(60)`.execute(tx);
    return rig.nothingSeen;
  };
  let isSlowAlarming = false;
  const observeTotals: RolloutEngineDeps['observeTotals'] = async (_, { id }) =>
    id === slow.id && !isSlowAlarming ? rig.nothingSeen : { ...rig.nothingSeen, atMs: -1 };
  const engine = rig.engine(rig.db, { observe, observeTotals });
  const round = () => engine.round(new AbortController().signal);
  await round();
  await waitFor('the look that takes long', () => looks === 1);
  rig.world.glance = lookOf({ b: { fired: true } });
  await round();
  expect((await rig.row(rollout)).state).toBe('rolled_back');
  expect(await rig.looks(slow)).toEqual([]);
  isSlowAlarming = true;
  await round();
  expect((await rig.row(slow)).state).toBe('rolled_back');
  hanging.resolve();
  await engine.settle();
  expect(await rig.story(slow)).toEqual([expect.stringContaining('start'), expect.stringContaining('rollback')]);
  expect(rig.logged.splice(0)).toEqual([expect.stringContaining('sent back by its counts alone')]);
});

test('a look that fails is tried again ever later; the story says so, and pauses the rollout in time', async () => {
  rollout = await rig.draft({ ...CANARY, missingMetricHoldMs: 5 * MINUTE_MS });
  await rig.order(rollout, 'start');
  let looks = 0;
  let works = false;
  const engine = rig.engine(rig.db, {
    observe: async () => {
      looks++;
      if (!works) throw new Error('no route to 10.0.0.7');
      return rig.nothingSeen;
    },
  });
  for (let second = 0; second < 20; second++) await rig.pass(1_000, engine);
  // In the seconds 1, 2, 4, 8 and 16.
  expect(looks).toBe(5);
  const shown = async () => (await rig.api('GET', `/rollouts/${rollout.id}`)).body;
  const said = "the look, or the step that follows from it, fails; the control plane's log says why";
  expect(await shown()).toMatchObject({
    reason: `holds: it cannot be looked after: ${said}`,
    waitsFor: expect.stringContaining(`A look that succeeds: ${said}, since `),
  });
  await expect(rig.order(rollout, 'skip')).rejects.toThrow('it cannot be looked after');
  works = true;
  await rig.pass(MINUTE_MS, engine);
  works = false;
  for (let minute = 0; minute < 8; minute++) await rig.pass(MINUTE_MS, engine);
  expect(await rig.story(rollout)).toEqual([
    'start: draft → ramping (a 9500, b 500)',
    'missing: ramping → ramping',
    'found: ramping → ramping',
    'step: ramping → ramping (a 7500, b 2500)',
    'missing: ramping → ramping',
    'pause: ramping → ramping',
  ]);
  expect((await shown()).paused.reason).toMatch(/^it cannot be looked after: .*, for 5 min$/);
  const lines = rig.logged.splice(0);
  expect(lines.map((line) => line.includes('no route to 10.0.0.7'))).toEqual([true, false, true]);
  expect(lines[1]).toBe(`rollout ${rollout.id} is looked at again`);
});

test('a draft that fits its group no more when its start is allowed is told so, and stays a draft', async () => {
  rollout = await rig.draft({ ...CANARY, approvals: ['start'] });
  await rig.order(rollout, 'start');
  await rig.pass(1_000);
  await rig.order(rollout, 'approve');
  const swapped = [
    { model: 'b', role: 'champion', weightBp: 9_000 },
    { model: 'a', role: 'challenger', weightBp: 1_000 },
  ];
  await rig.api('PUT', '/groups/demo/variants', swapped);
  await rig.pass(1_000);
  expect(await rig.story(rollout)).toEqual([
    'request_start: draft → draft',
    'ask: draft → draft',
    'approve: draft → draft',
    'reject: draft → draft',
  ]);
  expect((await rig.audit(rollout)).at(-1)!.reason).toContain('the champion of "demo" is "b" now');
});
