import type { GroupRow } from '#store/groups.ts';
import type { Tx } from '#store/pool.ts';
import { runningRollout } from '#store/rollouts.ts';
import { Problem } from '../problem.ts';

/**
 * Refuses what would change a group beneath its running rollout.
 * @param group locked for update, so that no rollout starts meanwhile
 * @throws Problem `conflict` that names the rollout and the way out
 */
export async function refuseWhileRollout(tx: Tx, group: GroupRow): Promise<void> {
  const rollout = await runningRollout(tx, group.organization_id, group.id);
  if (rollout === undefined) return;
  throw new Problem(
    'conflict',
    `The rollout "${rollout.name}" (${rollout.state}) has the variants of the group "${group.name}" in hand; end it first: POST /rollouts/${rollout.id}/abort or …/rollback.`,
  );
}
