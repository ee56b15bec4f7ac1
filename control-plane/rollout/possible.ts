import type { RolloutMemory } from '#core/rollout/memory.ts';
import { awaitsApproval } from '#core/rollout/move-key.ts';
import type { RolloutPlan } from '#core/rollout/plan.ts';
import { hasEnded, type RolloutState } from '#core/rollout/state.ts';
import { COMMANDS, type CommandKind } from '#core/rollout/step.ts';
import { TRANSITIONS } from '#core/rollout/transitions.ts';

/** What may be ordered of a rollout now, as far as its own state tells: a freeze, or evidence, may still be in the way. */
export function possibleOrders(state: RolloutState, memory: RolloutMemory, plan: RolloutPlan): CommandKind[] {
  const { pause, requestedAtMs } = memory;
  const isAsked = awaitsApproval(memory, plan);
  const isPaused = pause !== null;
  const fits: Readonly<Record<CommandKind, boolean>> = {
    start: requestedAtMs === undefined,
    pause: !isPaused,
    resume: isPaused,
    skip: !isPaused,
    approve: isAsked,
    reject: state === 'draft' ? requestedAtMs !== undefined : memory.asked !== null && !isPaused,
    abort: true,
    promote: !isPaused,
    rollback: true,
  };
  // A rejection in a later state is a pause or a way back, by the transition of that.
  const has = (kind: CommandKind) => (kind === 'reject' ? !hasEnded(state) : TRANSITIONS[kind].from.includes(state));
  return COMMANDS.filter((kind) => fits[kind] && has(kind));
}
