import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { hasEnded } from '#core/rollout/state.ts';
import type { CommandKind } from '#core/rollout/step.ts';
import { findGroup } from '#store/groups.ts';
import type { Tx } from '#store/pool.ts';
import { type RolloutRow, updateRollout } from '#store/rollouts.ts';
import { notFound } from '../problem.ts';
import type { Change } from '../publish/change.ts';
import { command } from './commands.ts';
import { resolveArms } from './rollout-arms.ts';
import { rolloutView } from './rollout-views.ts';
import type { RolloutsDeps } from './rollouts.ts';

export interface OrderCall {
  readonly kind: CommandKind;
  readonly reason: string | undefined;
  /** Of `promote`: which challenger. */
  readonly model?: string | undefined;
  readonly actor: string;
}

/**
 * Carries out what a person orders of a rollout. What it is already is no error: a repeated order changes nothing.
 * @param row locked for update
 * @throws Problem `conflict` when its state does not allow it, `invalid` when it cannot start in its group as that is now
 */
export async function orderRollout(
  deps: Pick<RolloutsDeps, 'clock' | 'policy'>,
  tx: Tx,
  row: RolloutRow,
  { kind, reason, model, actor }: OrderCall,
): Promise<Change & { readonly body: object }> {
  const nowMs = deps.clock.nowMs();
  if (isDone(row, kind)) {
    const view = await rolloutView(tx, row, nowMs);
    const audit = { action: `rollout.${kind}`, resource: `rollouts/${row.id}`, before: view, after: view };
    return { status: 200, body: view, version: row.version, audit, effect: { kind: 'snapshot' } };
  }
  const rollout = kind === 'start' && row.state === 'draft' ? await renewArms(deps, tx, row) : row;
  const organizationId = row.organization_id;
  const outcome = await command(tx, { organizationId, rollout, command: { kind, reason, model }, actor, nowMs });
  const view = await rolloutView(tx, outcome.rollout, nowMs);
  const { audit, effect } = outcome;
  return { status: 200, body: view, version: outcome.rollout.version, audit, effect };
}

function isDone({ state, started_at, ...row }: RolloutRow, kind: CommandKind): boolean {
  const memory = rolloutMemorySchema.parse(row.memory);
  const isRunning = started_at !== null && !hasEnded(state);
  switch (kind) {
    case 'start':
      return isRunning || (state === 'draft' && memory.requestedAtMs !== undefined);
    case 'pause':
      return isRunning && memory.pause !== null;
    case 'resume':
      return isRunning && memory.pause === null;
    case 'abort':
      return state === 'aborted';
    case 'promote':
      return state === 'promoted';
    case 'rollback':
      return state === 'rolled_back';
    case 'skip':
    case 'approve':
    case 'reject':
      return false;
    default:
      return kind satisfies never;
  }
}

/** Since the draft was made the group may have got another champion, and its models other names. */
async function renewArms({ policy }: Pick<RolloutsDeps, 'policy'>, tx: Tx, row: RolloutRow): Promise<RolloutRow> {
  const group = await findGroup(tx, row.organization_id, row.group_id, 'update');
  if (group === undefined) throw notFound('group', row.group_id);
  const challengers = row.arms.slice(1).map(({ modelId }) => modelId);
  const arms = await resolveArms(tx, group, { challengers, experiment: row.definition, plan: row.plan }, policy);
  const isSame = arms.every(({ modelId, model }, i) => row.arms[i]?.modelId === modelId && row.arms[i]?.model === model);
  return isSame ? row : updateRollout(tx, row, { arms: JSON.stringify(arms) });
}
