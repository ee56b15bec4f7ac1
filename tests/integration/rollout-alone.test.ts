import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { championHistory } from '#store/champion-history.ts';
import { ingestOf } from '#store/experiment-history.ts';
import { POSTGRES_ROLLOUT_PAST } from '#store/postgres-log-rows.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import { type CountedInference, countInferences } from '#tests/support/planted-experiment.ts';
import { plantInference } from '#tests/support/planted-inferences.ts';
import { createRolloutRig, type RolloutRig } from '#tests/support/rollout-rig.ts';
import { waitFor } from '#tests/support/wait.ts';

const DAY_MS = 86_400_000;

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

/** An inference whose only attempt took so many milliseconds. */
const attempt = (model: string, tookMs: number, errorCode: string | null = null) =>
  JSON.stringify([
    {
      ...{ provider: 'p', model, upstreamModel: `up-${model}`, status: errorCode === null ? 200 : 503, errorCode },
      ...{ requestId: null, startNs: 0, connectNs: null, firstByteNs: null, endNs: tookMs * 1_000_000 },
    },
  ]);

/** Inferences of the champion `a` by as many units, of which every `nth` fails. */
async function plantHistory(groupId: string, count: number, nth: number, row: object = {}): Promise<void> {
  for (let i = 0; i < count; i++) {
    const [outcome, error_code] =
      i % nth === 0 ? (['failed', 'upstream_error'] as const) : (['completed', null] as const);
    await plantInference(rig.control.admin, {
      ...{ groupId, organizationId: rig.organizationId, atMs: Date.now() - (i + 1) * 60_000 },
      row: { unit: `h${i}`, outcome, error_code, attempts: attempt('a', 10, error_code), ...row },
    });
  }
}

const alone = (units: number, nth: number) =>
  counted(1, units, nth).map((inference) => ({ ...inference, unit: `n${inference.unit}` }));

test('what the champion’s units did before is measured as it will be counted, and by the newest rows', async () => {
  rig = await createRolloutRig();
  const groupId = await rig.groupId('demo');
  await plantHistory(groupId, 30, 10);
  // One unit that fails twice is one; another model's, mirrored and old ones are none of it.
  await plantHistory(groupId, 1, 1, { unit: 'h0' });
  await plantHistory(groupId, 2, 1, { assigned_variant: 'b', unit: 'other' });
  await plantHistory(groupId, 2, 1, { served_reason: 'pinned', unit: 'pinned' });
  await plantInference(rig.control.admin, {
    ...{ groupId, organizationId: rig.organizationId, atMs: Date.now() - 8 * DAY_MS },
    row: { unit: 'old', attempts: attempt('a', 10) },
  });
  const rollout = await rig.draft({ strategy: { kind: 'direct' } }, { definition: {} });
  const at = new Date();
  const read = (maxRows?: number) =>
    rig.inTx(async (tx) => {
      const ingest = await ingestOf(tx, rollout, at, POSTGRES_ROLLOUT_PAST);
      return championHistory(tx, rollout, { at, ingest, ...(maxRows === undefined ? {} : { maxRows }) });
    });
  const history = await read();
  expect(history).toMatchObject({ units: 30, failingUnits: 3 });
  expect(history!.windowMs / 60_000).toBeCloseTo(30, 0);
  const newest = await read(12);
  expect(newest!.units).toBeLessThan(13);
  expect(newest!.windowMs).toBeLessThan(history!.windowMs);
  const empty = { ...rollout, arms: [{ modelId: randomUUID(), model: 'nobody' }] };
  expect(
    await rig.inTx(async (tx) =>
      championHistory(tx, empty, { at, ingest: await ingestOf(tx, empty, at, POSTGRES_ROLLOUT_PAST) }),
    ),
  ).toBeNull();
});

test.each([
  ['blue-green', { kind: 'blue-green' }],
  ['direct', { kind: 'direct', holdMs: DAY_MS }],
])('%s: a challenger that fails with no champion beside it goes back by the champion’s history', async (_, strategy) => {
  rig = await createRolloutRig(50);
  rig.world.nowMs = Date.now();
  await plantHistory(await rig.groupId('demo'), 60, 30);
  const before = await rig.variants();
  const rollout = await rig.draft({ strategy, intervalMs: DAY_MS }, { definition: {} });
  await rig.order(rollout, 'start');
  expect((await rig.row(rollout)).ingest.championHistory).toMatchObject({ units: 60, failingUnits: 2 });
  expect(await rig.weights()).toEqual({ a: 0, b: 10_000 });
  await waitFor('the first look', async () => (await rig.looks(rollout)).length > 0);
  await count(rollout, alone(40, 1));
  await reaches(rollout, 'rolled_back');
  expect(await rig.variants()).toEqual(before);
  expect((await rig.audit(rollout)).at(-1)).toMatchObject({ action: 'rollout.rollback', actor: 'rollout-engine' });
  expect((await rig.row(rollout)).reason).toMatch(
    /40 of 40 units failed, where .* of the champion's 60 in the (60 min|1 h) before/,
  );
});

test('a challenger as good as the champion was stays, with no champion beside it', async () => {
  rig = await createRolloutRig(50);
  rig.world.nowMs = Date.now();
  await plantHistory(await rig.groupId('demo'), 60, 30);
  const rollout = await rig.draft({ strategy: { kind: 'direct', holdMs: 1_500 }, intervalMs: 500 }, { definition: {} });
  await rig.order(rollout, 'start');
  await count(rollout, alone(400, 100));
  await reaches(rollout, 'promoted');
  expect(await rig.story(rollout)).not.toContainEqual(expect.stringContaining('warn'));
});

test.each([
  ['go_on', 'promoted', 'warn'],
  ['pause', 'holding', 'pause'],
])('nothing known of the champion: the story says that there is no fast guard, and it does what the plan says (%s)', async (onUnguarded, state, event) => {
  rig = await createRolloutRig(50);
  rig.world.nowMs = Date.now();
  const plan = { strategy: { kind: 'direct', holdMs: 1_000 }, intervalMs: 500, onUnguarded };
  const rollout = await rig.draft(plan, { definition: {} });
  await rig.order(rollout, 'start');
  expect((await rig.row(rollout)).ingest.championHistory).toBeNull();
  await count(rollout, alone(10, 100));
  await waitFor('the word about it', async () =>
    (await rig.audit(rollout)).some(({ action }) => action === `rollout.${event}`),
  );
  const said = (await rig.audit(rollout)).filter(({ action }) => action === `rollout.${event}`);
  expect(said).toHaveLength(1);
  expect(said[0]!.reason).toContain('No fast guard: no champion serves beside "b"');
  if (state === 'promoted') await reaches(rollout, state);
  else expect((await rig.row(rollout)).memory.pause).toMatchObject({ cause: 'evidence' });
});
