import type { GroupRow } from '#store/groups.ts';
import { findModel } from '#store/models.ts';
import type { Tx } from '#store/pool.ts';
import { previousSplit } from '#store/previous-split.ts';
import { changeSplit } from '../groups/split.ts';
import { Problem } from '../problem.ts';
import type { Change } from '../publish/change.ts';
import { updated } from '../publish/outcome.ts';

/**
 * Gives a group the split back that it had before the present one, bucket by bucket, so that each unit is where it was.
 * @param group locked for update, without a rollout that is under way
 * @throws Problem `conflict` when there is nothing to go back to
 */
export async function rollBackSplit(tx: Tx, group: GroupRow, reason: string | undefined): Promise<Change> {
  const previous = await previousSplit(tx, group.organization_id, group.id);
  if (previous === undefined) {
    throw new Problem('conflict', `The group "${group.name}" has had no other split that it could go back to.`);
  }
  for (const { modelId, model } of previous.variants) {
    if ((await findModel(tx, group.organization_id, modelId, 'share')) !== undefined) continue;
    throw new Problem(
      'conflict',
      `The split before had the model "${model}", which is deleted; set the weights by PUT /groups/${group.name}/variants.`,
    );
  }
  const { before, after, afterPublish } = await changeSplit(tx, group, previous.variants);
  const remarks = { rolledBackTo: previous.configVersion, ...(reason === undefined ? {} : { reason }) };
  return updated('group', before, after, remarks, { kind: 'snapshot', afterPublish }, 'group.rollback');
}
