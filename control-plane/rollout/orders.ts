import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { hasEnded } from '#core/rollout/state.ts';
import type { Command, CommandKind } from '#core/rollout/step.ts';
import type { AddressPolicy } from '#core/upstream-address.ts';
import { findGroup } from '#store/groups.ts';
import type { RolloutPast } from '#store/log-rows.ts';
import type { Tx } from '#store/pool.ts';
import { listTransitions, type RolloutRow, updateRollout } from '#store/rollouts.ts';
import type { Clock } from '../clock.ts';
import { notFound, Problem } from '../problem.ts';
import type { Change } from '../publish/change.ts';
import { command } from './commands.ts';
import { possibleOrders } from './possible.ts';
import { resolveArms } from './rollout-arms.ts';
import { rolloutView } from './rollout-views.ts';

export interface OrderDeps {
  readonly clock: Clock;
  /** Which private addresses webhooks may have. */
  readonly policy: AddressPolicy;
  /** What a start asks the log. */
  readonly past: RolloutPast;
}

/**
 * Carries out what a person orders of a rollout. What it is already is no error: a repeated order changes nothing.
 * @param row locked for update
 * @param advice what a refusal says in place of what else is possible
 * @throws Problem `conflict`, with what is possible, when its state does not allow it; `invalid` when it cannot start in its group
 *   as that is now
 */
export async function orderRollout(
  deps: OrderDeps,
  tx: Tx,
  row: RolloutRow,
  order: Command,
  actor: string,
  advice?: string,
): Promise<Change & { readonly body: object }> {
  const { kind } = order;
  const nowMs = deps.clock.nowMs();
  if (isDone(row, kind) && !(await hasPromotedAnother(tx, row, order))) {
    const view = await rolloutView(tx, row, nowMs);
    const audit = { action: `rollout.${kind}`, resource: `rollouts/${row.id}`, before: view, after: view };
    return { status: 200, body: view, version: row.version, audit, effect: { kind: 'snapshot' } };
  }
  const rollout = kind === 'start' && row.state === 'draft' ? await renewArms(deps, tx, row) : row;
  const organizationId = row.organization_id;
  const call = { organizationId, rollout, command: order, actor, nowMs, past: deps.past };
  const outcome = await command(tx, call).catch((error: unknown) => refuse(error, advice ?? possibleBeside(row, kind)));
  const view = await rolloutView(tx, outcome.rollout, nowMs);
  const { audit, effect } = outcome;
  return { status: 200, body: view, version: outcome.rollout.version, audit, effect };
}

function refuse(error: unknown, advice: string): never {
  if (!(error instanceof Problem) || error.code !== 'conflict') throw error;
  throw new Problem('conflict', `${error.message.replace(/\.?$/, '.')} ${advice}`, {
    issues: error.issues,
    cause: error,
  });
}

/** What is possible, other than what was refused. */
function possibleBeside({ state, memory, plan }: RolloutRow, refused: CommandKind): string {
  const possible = possibleOrders(state, rolloutMemorySchema.parse(memory), plan).filter((kind) => kind !== refused);
  return possible.length === 0 ? 'Nothing can be ordered of it any more.' : `Possible now: ${possible.join(', ')}.`;
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
    case 'approve':
      return memory.asked !== null && memory.approved.includes(memory.asked) && !hasEnded(state);
    case 'skip':
    case 'reject':
      return false;
    default:
      return kind satisfies never;
  }
}

/** Whether a promotion is ordered of one challenger where another one has been promoted. */
async function hasPromotedAnother(tx: Tx, row: RolloutRow, { kind, model }: Command): Promise<boolean> {
  if (kind !== 'promote' || model === undefined) return false;
  const [last] = await listTransitions(tx, row.organization_id, row.id, { limit: 1 });
  return last?.weights?.[model] !== 10_000;
}

/** Since the draft was made the group may have got another champion, and its models other names. */
async function renewArms({ policy }: OrderDeps, tx: Tx, row: RolloutRow): Promise<RolloutRow> {
  const group = await findGroup(tx, row.organization_id, row.group_id, 'update');
  if (group === undefined) throw notFound('group', row.group_id);
  const challengers = row.arms.slice(1).map(({ modelId }) => modelId);
  const arms = await resolveArms(tx, group, { challengers, experiment: row.definition, plan: row.plan }, policy);
  const isSame = arms.every(
    ({ modelId, model }, i) => row.arms[i]?.modelId === modelId && row.arms[i]?.model === model,
  );
  return isSame ? row : updateRollout(tx, row, { arms: JSON.stringify(arms) });
}
