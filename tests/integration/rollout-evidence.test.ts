import { afterEach, expect, test } from 'vitest';
import { experimentView } from '#control-plane/experiments/experiments.ts';
import { ingestOf } from '#store/experiment-history.ts';
import { POSTGRES_ROLLOUT_PAST } from '#store/postgres-log-rows.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import { type CountedInference, countInferences, unitId } from '#tests/support/planted-experiment.ts';
import { plantInference } from '#tests/support/planted-inferences.ts';
import { createRolloutRig, type RolloutRig } from '#tests/support/rollout-rig.ts';
import { waitFor } from '#tests/support/wait.ts';

const DAY_MS = 86_400_000;
const AB = { strategy: { kind: 'ab' }, intervalMs: 500 };

let rig: RolloutRig;
afterEach(() => rig.close());

/** `count` inferences of as many units, of which every `nth` fails. */
function counted(arm: number, count: number, nth: number): CountedInference[] {
  return Array.from({ length: count }, (_, i) => ({
    ...{ phase: 1, arm, unit: `u${arm}-${i}`, failed: i % nth === 0 },
    ...{ latencyUs: 1_000_000, outputTokens: 10, costMicroUsd: null },
  }));
}

const count = (rollout: RolloutRow, inferences: readonly CountedInference[]) =>
  countInferences(rig.control.admin, { organizationId: rig.organizationId, experimentId: rollout.id }, inferences);
const reaches = (rollout: RolloutRow, state: string) =>
  waitFor(`the state ${state}`, async () => (await rig.row(rollout)).state === state);

test('the control plane that leads sends a challenger back that fails, by the counts of the store', async () => {
  rig = await createRolloutRig(50);
  rig.world.nowMs = Date.now();
  const rollout = await rig.draft({ ...AB, intervalMs: DAY_MS }, { definition: {} });
  await rig.order(rollout, 'start');
  await waitFor('the first look', async () => (await rig.looks(rollout)).length > 0);
  await count(rollout, [...counted(0, 200, 100), ...counted(1, 200, 4)]);
  await reaches(rollout, 'rolled_back');
  expect(await rig.weights()).toEqual({ a: 9_000, b: 1_000 });
  expect((await rig.audit(rollout)).at(-1)).toMatchObject({ action: 'rollout.rollback', actor: 'rollout-engine' });
});

test('the control plane that leads promotes a challenger whose guardrails pass', async () => {
  rig = await createRolloutRig(50);
  rig.world.nowMs = Date.now();
  const guardrails = [{ metric: 'error_rate', margin: 0.05 }];
  const rollout = await rig.draft(AB, { definition: { guardrails } });
  await rig.order(rollout, 'start');
  await count(rollout, [...counted(0, 3_000, 100), ...counted(1, 3_000, 100)]);
  await reaches(rollout, 'promoted');
  expect(await rig.weights()).toEqual({ a: 0, b: 10_000 });
});

/** An inference whose only attempt took so many milliseconds. */
const attempt = (model: string, tookMs: number, errorCode: string | null = null) =>
  JSON.stringify([
    {
      ...{ provider: 'p', model, upstreamModel: `up-${model}`, status: errorCode === null ? 200 : 503, errorCode },
      ...{ requestId: null, startNs: 0, connectNs: null, firstByteNs: null, endNs: tookMs * 1_000_000 },
    },
  ]);

test("caps are the champion's exact quantiles of the days before, and nothing else's", async () => {
  rig = await createRolloutRig();
  const groupId = await rig.groupId('demo');
  const nowMs = Date.now();
  const plant = (tookMs: number, row: object = {}, atMs = nowMs - DAY_MS) =>
    plantInference(rig.control.admin, {
      ...{ groupId, organizationId: rig.organizationId, atMs },
      row: { attempts: attempt('a', tookMs), output_tokens: tookMs, ...row },
    });
  for (let i = 1; i <= 40; i++) await plant(i);
  await plant(9_000, { assigned_variant: 'b', attempts: attempt('b', 9_000) });
  await plant(9_000, { served_reason: 'pinned' });
  await plant(9_000, {}, nowMs - 20 * DAY_MS);
  const definition = { winsorizeAt: 0.95, historyDays: 14 };
  const rollout = await rig.draft(AB, { definition });
  const ingest = await rig.inTx((tx) => ingestOf(tx, rollout, new Date(nowMs), POSTGRES_ROLLOUT_PAST));
  expect(ingest.caps).toMatchObject({ latency_us: 38_000, output_tokens: 38 });
  expect(ingest.caps).not.toHaveProperty('first_token_us');
  const plain = await rig.draft(AB, { definition: { ...definition, winsorizeAt: null } });
  expect((await rig.inTx((tx) => ingestOf(tx, plain, new Date(nowMs), POSTGRES_ROLLOUT_PAST))).caps).toEqual({});
  // Days of the log are read by the engine, in a transaction that nobody waits for.
  rig.world.nowMs = nowMs;
  await rig.order(rollout, 'start');
  expect((await rig.row(rollout)).state).toBe('draft');
  await rig.pass(0);
  const started = await rig.row(rollout);
  expect(started).toMatchObject({ state: 'ramping', ingest: { caps: { latency_us: 38_000 } } });
  const views = await rig.inTx((tx) => Promise.all([started, plain].map((row) => experimentView(tx, row))));
  expect(views.map(({ caps }) => caps)).toEqual([expect.objectContaining({ latency: 38_000, output_tokens: 38 }), {}]);
});

test('what units did before the start is kept once, as it will be counted', async () => {
  rig = await createRolloutRig();
  const groupId = await rig.groupId('demo');
  const nowMs = Date.now();
  const place = { groupId, organizationId: rig.organizationId };
  for (const [unit, tookMs] of [
    ['x', 10],
    ['x', 30],
    ['y', 5],
  ] as const) {
    const row = { unit, attempts: attempt('a', tookMs) };
    await plantInference(rig.control.admin, { ...place, atMs: nowMs - DAY_MS, row });
  }
  await plantInference(rig.control.admin, {
    ...place,
    atMs: nowMs + 1_000,
    row: { unit: 'y', attempts: attempt('a', 99) },
  });
  const rollout = await rig.draft(AB, { definition: { primary: { metric: 'latency' } } });
  rig.world.nowMs = nowMs;
  await rig.order(rollout, 'start');
  for (let round = 0; round < 3; round++) {
    const engine = rig.engine();
    await rig.pass(1_000, engine);
    await engine.settle();
  }
  const kept = await rig.control.admin
    .selectFrom('experiment_history')
    .select(['unit', 'metric', 'n', 'sum', 'x'])
    .where('experiment_id', '=', rollout.id)
    .orderBy('n')
    .execute();
  expect(kept.map(({ unit, ...rest }) => ({ ...rest, unit: unit.replaceAll('-', '') }))).toEqual([
    { unit: unitId('y'), metric: 'latency', n: 1, sum: '5000', x: 5_000 * 2 ** 28 },
    { unit: unitId('x'), metric: 'latency', n: 2, sum: '40000', x: 20_000 * 2 ** 28 },
  ]);
  expect((await rig.row(rollout)).memory).toMatchObject({ historyRead: true });
  expect(rig.logged).toEqual([]);
});
