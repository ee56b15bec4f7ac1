import type { Hook } from '#core/rollout/plan.ts';
import type { Step } from '#core/rollout/step.ts';
import type { RolloutRow } from '#store/rollouts.ts';

/** What a webhook is told of the step that calls it. */
export function gatePayload(rollout: RolloutRow, step: Step, hook: Hook): Record<string, unknown> {
  return {
    hook,
    rollout: { id: rollout.id, name: rollout.name, state: rollout.state, phase: rollout.phase },
    groupId: rollout.group_id,
    arms: rollout.arms.map(({ model }) => model),
    event: step.event,
    reason: step.reason,
  };
}
