import type { Step } from '#core/rollout/step.ts';
import { findGroup, type GroupRow } from '#store/groups.ts';
import type { RolloutPast } from '#store/log-rows.ts';
import type { Tx } from '#store/pool.ts';
import { insertGates, insertTransition, type RolloutRow, updateRollout } from '#store/rollouts.ts';
import { variantsOfOne } from '../groups/groups.ts';
import { changeSplit, type SplitChange } from '../groups/split.ts';
import { notFound } from '../problem.ts';
import type { Change, Effect } from '../publish/change.ts';
import { auditView } from './audit-view.ts';
import { gateCalls } from './gate-payload.ts';
import { type MovedSplit, movedVariants } from './moved-variants.ts';
import { sliceOf } from './slice.ts';
import { prepareStart } from './start.ts';

/** A step that was applied: what is left to do is to publish the snapshot (`effect`) and to write the audit entry. */
export interface StepOutcome {
  readonly step: Step;
  /** The rollout after it. */
  readonly rollout: RolloutRow;
  readonly audit: Change['audit'];
  readonly effect: Effect;
}

export interface ApplyCall {
  /** Locked for update. */
  readonly rollout: RolloutRow;
  readonly step: Step;
  /** As the audit log names it. */
  readonly actor: string;
  readonly nowMs: number;
  /** What a start asks the log. */
  readonly past: RolloutPast;
}

/**
 * Does one step of a rollout, in the caller's transaction: moves the weights, says which buckets count, keeps the transition and has
 * webhooks called. All of it or nothing: a transaction that ends in the middle leaves the rollout where it was, and the same facts give
 * the same step again.
 * @throws ContentionError when the rollout is not as it was when it was read
 */
export async function applyStep(tx: Tx, { rollout, step, actor, nowMs, past }: ApplyCall): Promise<StepOutcome> {
  const { organization_id: organizationId, plan } = rollout;
  const starts = step.event === 'start';
  const moves = step.move.kind !== 'none' && !plan.dryRun;
  const group = starts || moves ? await lockGroup(tx, rollout) : undefined;
  const started = starts && group !== undefined ? await prepareStart(tx, rollout, group, { past, nowMs }) : {};
  const split = group !== undefined && moves ? await move(tx, rollout, group, step) : undefined;
  const counted = group === undefined ? {} : await sliceOf(tx, { rollout, group, step, split: split?.change });
  const at = new Date(nowMs);
  const after = await updateRollout(tx, rollout, {
    state: step.to,
    reason: step.reason,
    memory: JSON.stringify({ ...step.memory, ...split?.memory }),
    ...started,
    ...counted,
    ...(step.ends ? { ended_at: at } : {}),
  });
  await insertGates(tx, rollout, await gateCalls(tx, after, step));
  const weights = split === undefined ? step.weights : weightsOf(split.change);
  const afterPublish = async (configVersion: number) => {
    await split?.change.afterPublish(configVersion);
    await insertTransition(tx, {
      ...{ rollout_id: rollout.id, organization_id: organizationId, at, actor },
      ...{ from_state: step.from, to_state: step.to, event: step.event, reason: step.reason },
      ...{
        weights: weights === null ? null : JSON.stringify(weights),
        phase: after.phase,
        config_version: configVersion,
      },
    });
  };
  return {
    step,
    rollout: after,
    audit: {
      action: `rollout.${step.event}`,
      resource: `rollouts/${rollout.id}`,
      before: auditView(rollout),
      after: { ...auditView(after), weights },
    },
    effect: { kind: 'snapshot', afterPublish },
  };
}

/** @throws Problem `not_found` when the group is gone */
async function lockGroup(tx: Tx, { organization_id, group_id }: RolloutRow): Promise<GroupRow> {
  const group = await findGroup(tx, organization_id, group_id, 'update');
  if (group === undefined) throw notFound('group', group_id);
  return group;
}

interface Moved {
  readonly change: SplitChange;
  readonly memory: MovedSplit['memory'];
}

async function move(tx: Tx, rollout: RolloutRow, group: GroupRow, step: Step): Promise<Moved> {
  const moved = movedVariants(rollout, group, await variantsOfOne(tx, group), step);
  const change = await changeSplit(tx, group, moved.wanted, {
    // Once, at the start: other users than those of the experiment before get the challenger.
    ...(step.event === 'start' ? { hash_version: group.hash_version + 1 } : {}),
    ...(moved.shadow === undefined ? {} : { shadow: JSON.stringify(moved.shadow) }),
  });
  return { change, memory: moved.memory };
}

function weightsOf({ variants }: SplitChange): Record<string, number> {
  return Object.fromEntries(variants.map(({ model, weightBp }) => [model, weightBp]));
}
