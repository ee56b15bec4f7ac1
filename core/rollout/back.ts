import { activeArms, type Judgement } from './judge.ts';
import type { MachineFacts, MachineRollout, Move, Step } from './step.ts';
import { freshClock, makeStep, stageMove, unitsOf } from './transitions.ts';

/** Takes out the challengers that harm; where none is left, the rollout goes back. */
export function sendBack(
  rollout: MachineRollout,
  harmful: Judgement['harmful'],
  nowMs: number,
  facts: MachineFacts,
): Step | null {
  const active = activeArms(rollout);
  const gone = active.filter((arm) => harmful.some((finding) => finding.arm === arm));
  if (gone.length === 0) return null;
  const reason = [...new Set(harmful.map((finding) => finding.reason))].join('; ');
  if (gone.length === active.length) return makeStep(rollout, 'rollback', { to: 'rolled_back', reason, move: RESTORE });
  return removeArms(rollout, gone, reason, nowMs, facts);
}

export const RESTORE: Move = { kind: 'restore' };

function removeArms(
  rollout: MachineRollout,
  gone: readonly number[],
  reason: string,
  nowMs: number,
  facts: MachineFacts,
): Step {
  const { state, memory } = rollout;
  const removed = [...memory.removed, ...gone];
  // In the shadow stage nobody has traffic to give back; the mirror of one that is out ends with the stage.
  const move: Move = state === 'shadow' ? { kind: 'none' } : stageMove(rollout, memory.stage, removed);
  const undone = state === 'deciding';
  return makeStep(rollout, 'remove', {
    ...(undone ? { to: 'holding' as const } : {}),
    reason,
    move,
    memory: {
      removed,
      ...(undone
        ? { decision: null, gateRound: memory.gateRound + 1, ...freshClock(nowMs, unitsOf(rollout, facts)) }
        : {}),
    },
    startsPhase: state !== 'shadow',
  });
}
