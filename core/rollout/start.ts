import { type Clearance, clearanceFor } from './clearance.ts';
import type { RolloutMemory } from './memory.ts';
import type { MachineFacts, MachineRollout, Move, Step } from './step.ts';
import { freshClock, makeStep, stageMove } from './transitions.ts';

export function leaveDraft(rollout: MachineRollout, facts: MachineFacts, nowMs: number): Step | null {
  if (rollout.memory.requestedAtMs === undefined || facts.freeze !== null) return null;
  const clearance = startClearance(rollout, facts);
  switch (clearance.kind) {
    case 'ask':
      return clearance.step;
    case 'waiting':
      return null;
    case 'refused':
      return refuseStart(rollout, clearance.reason);
    case 'clear':
      return startStep(rollout, isAsked(rollout) ? 'everybody who was asked agrees' : 'it is prepared', nowMs);
    default:
      return clearance satisfies never;
  }
}

/** Without anybody to ask, what the start waited for is the champion's past, which the engine reads (winsorizeAt), or the end of a freeze. */
function isAsked({ plan }: MachineRollout): boolean {
  return (
    !plan.dryRun && (plan.approvals.includes('start') || plan.webhooks.some(({ hook }) => hook === 'confirm-start'))
  );
}

export function startClearance(rollout: MachineRollout, facts: MachineFacts): Clearance {
  const needsPerson = rollout.plan.approvals.includes('start');
  return clearanceFor(rollout, facts, { key: 'start', hook: 'confirm-start', needsPerson, what: 'the start' });
}

/** Leaves a draft whose start was asked for a draft. */
export function refuseStart(rollout: MachineRollout, reason: string): Step {
  return makeStep(rollout, 'reject', { reason, memory: unrequested(rollout.memory) });
}

/** A draft whose start was refused: as if it had not been asked for, and the next time is another question. */
function unrequested({ gateRound }: RolloutMemory): Partial<RolloutMemory> {
  return { requestedAtMs: undefined, missing: null, asked: null, approved: [], gateRound: gateRound + 1 };
}

export function startStep(rollout: MachineRollout, reason: string, nowMs: number): Step {
  const { shadowFirst, dryRun } = rollout.plan;
  const zeros = rollout.arms.map(() => 0);
  const clock = { ...freshClock(nowMs, zeros), requestedAtMs: undefined, missing: null, stage: 0 };
  // A dry run mirrors nothing, so that it could never leave the shadow stage.
  if (shadowFirst !== null && !dryRun) {
    const move: Move = { kind: 'shadow', sampleBp: shadowFirst.sampleBp };
    return makeStep(rollout, 'start', { to: 'shadow', reason, move, memory: clock });
  }
  const why = dryRun ? `dry run, nothing is moved: ${reason}` : reason;
  const memory = { ...clock, trafficSinceMs: nowMs };
  return makeStep(rollout, 'start', { to: 'ramping', reason: why, move: stageMove(rollout, 0), memory });
}
