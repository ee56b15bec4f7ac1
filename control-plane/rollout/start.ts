import type { Ingest } from '#core/experiments/definition.ts';
import { firstStageAlone } from '#core/rollout/alone.ts';
import { isAssigned } from '#core/weights.ts';
import type { WeightVersionVariant } from '#store/database.ts';
import { ingestOf } from '#store/experiment-history.ts';
import type { GroupRow, VariantRow } from '#store/groups.ts';
import type { RolloutPast } from '#store/log-rows.ts';
import { findModel } from '#store/models.ts';
import type { Tx } from '#store/pool.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import { variantsOfOne } from '../groups/groups.ts';
import { refuseWhileRollout } from '../groups/running-rollout.ts';
import { Problem } from '../problem.ts';
import { machineRollout } from './machine-input.ts';

/**
 * Checks that a rollout can start in its group as that is now, and says what is kept from its start on.
 * @param group locked for update
 * @throws Problem `conflict`; LogUnavailableError when the log that it asks does not answer
 */
export async function prepareStart(
  tx: Tx,
  rollout: RolloutRow,
  group: GroupRow,
  { past, nowMs }: { readonly past: RolloutPast; readonly nowMs: number },
): Promise<{ readonly started_at: Date; readonly before: string; readonly ingest: string }> {
  await refuseWhileRollout(tx, group);
  const present = await variantsOfOne(tx, group);
  await refuseMisfit(tx, rollout, group, present);
  const before = present.map(
    ({ model_id, model, role, weight_bp, ranges }): WeightVersionVariant => ({
      modelId: model_id,
      model,
      role,
      weightBp: weight_bp,
      ranges,
    }),
  );
  const at = new Date(nowMs);
  const ingest = await withHistory(tx, rollout, await ingestOf(tx, rollout, at, past), at, past);
  return { started_at: at, before: JSON.stringify(before), ingest: JSON.stringify(ingest) };
}

/** What the fast guard will go by while a challenger is alone. It is read now: later its own rows would be among the newest. */
async function withHistory(tx: Tx, rollout: RolloutRow, ingest: Ingest, at: Date, past: RolloutPast): Promise<Ingest> {
  return needsHistory(rollout)
    ? { ...ingest, championHistory: await past.championHistory(tx, rollout, { at, ingest }) }
    : ingest;
}

function needsHistory({ definition, plan, arms }: RolloutRow): boolean {
  return definition.fastGuard !== null && firstStageAlone(plan, arms.length - 1) !== null;
}

/** Whether a start asks the log, which may be slow to answer, or away. */
export function asksLog(rollout: RolloutRow): boolean {
  return machineRollout(rollout).preparesAtLength || needsHistory(rollout);
}

async function refuseMisfit(
  tx: Tx,
  { arms, name, organization_id: organizationId }: RolloutRow,
  group: GroupRow,
  present: readonly VariantRow[],
): Promise<void> {
  const [champion, ...challengers] = arms;
  const now = present.find(({ role }) => role === 'champion');
  if (champion === undefined || now?.model_id !== champion.modelId) {
    const is = now === undefined ? 'none' : `"${now.model}"`;
    throw conflict(
      name,
      `the champion of "${group.name}" is ${is} now, and "${champion?.model}" when it was made; make a new one`,
    );
  }
  for (const { modelId, model } of challengers) {
    if ((await findModel(tx, organizationId, modelId, 'share')) === undefined) {
      throw conflict(name, `the model "${model}" is gone; make a new one without it`);
    }
  }
  const stranger = present.find(
    ({ role, weight_bp, model_id }) =>
      isAssigned(role) && weight_bp > 0 && !arms.some(({ modelId }) => modelId === model_id),
  );
  if (stranger !== undefined) {
    throw conflict(
      name,
      `"${stranger.model}" has ${stranger.weight_bp} basis points in "${group.name}" and is no arm; set its weight to 0 first, or name it`,
    );
  }
}

function conflict(name: string, why: string): Problem {
  return new Problem('conflict', `The rollout "${name}" cannot start: ${why}.`);
}
