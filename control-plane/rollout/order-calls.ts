import type { CommandKind } from '#core/rollout/step.ts';
import type { Tx } from '#store/pool.ts';
import { runningRollout } from '#store/rollouts.ts';
import { groupView, requireGroup, variantsOfOne } from '../groups/groups.ts';
import { refuseWhileRollout } from '../groups/running-rollout.ts';
import type { ChangeCall } from '../http/operation.ts';
import { requireMatch } from '../http/preconditions.ts';
import type { Change } from '../publish/change.ts';
import { rollBackSplit } from './group-rollback.ts';
import { type OrderDeps, orderRollout } from './orders.ts';
import type { Order, Promote } from './rollout-schemas.ts';
import { requireRollout } from './rollouts.ts';

/** The orders of people, as the control API takes them. Every function works in the caller's transaction. */
export function createRolloutOrders(deps: OrderDeps) {
  return {
    async order(tx: Tx, call: ChangeCall<Order>, kind: Exclude<CommandKind, 'promote'>): Promise<Change> {
      const row = await requireRollout(tx, call.organizationId, call.ref, 'update');
      requireMatch(call.ifMatch, row.version);
      return orderRollout(deps, tx, row, { kind, reason: call.body.reason }, call.actor);
    },

    async promote(tx: Tx, { organizationId, ref, body, ifMatch, actor }: ChangeCall<Promote>): Promise<Change> {
      const row = await requireRollout(tx, organizationId, ref, 'update');
      requireMatch(ifMatch, row.version);
      // Named by id or by name, as everywhere; the rollout knows its models by name.
      const named = row.arms.find(({ modelId, model }) => modelId === body.challenger || model === body.challenger);
      const model = named?.model ?? body.challenger;
      return orderRollout(deps, tx, row, { kind: 'promote', reason: body.reason, model }, actor);
    },

    async rollBackGroup(tx: Tx, call: ChangeCall<Order>): Promise<Change> {
      const { organizationId, ref, body, ifMatch, actor } = call;
      const { id } = await requireGroup(tx, organizationId, ref);
      const running = await runningRollout(tx, organizationId, id);
      // The rollout's row before the group's, as the engine takes them.
      const rollout = running && (await requireRollout(tx, organizationId, running.id, 'update'));
      const group = await requireGroup(tx, organizationId, id, 'update');
      requireMatch(ifMatch, group.version);
      if (rollout === undefined) {
        // One may have started while the group's lock was waited for.
        await refuseWhileRollout(tx, group);
        return rollBackSplit(tx, group, body.reason);
      }
      const change = await orderRollout(deps, tx, rollout, { kind: 'rollback', reason: body.reason }, actor);
      const after = await requireGroup(tx, organizationId, id);
      return { ...change, body: groupView(after, await variantsOfOne(tx, after)), version: after.version };
    },
  };
}
