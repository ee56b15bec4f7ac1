import { RESTORE } from './back.ts';
import { blockedBy, lackOf, pauseStep } from './caution.ts';
import { type Clearance, clearanceFor } from './clearance.ts';
import type { Judgement } from './judge.ts';
import type { Decision } from './memory.ts';
import type { MachineFacts, MachineRollout, Step } from './step.ts';
import { freshClock, makeStep, unitsOf } from './transitions.ts';

export function carryOut(rollout: MachineRollout, facts: MachineFacts, seen: Judgement, nowMs: number): Step | null {
  const { decision } = rollout.memory;
  if (decision === null) return reconsider(rollout, facts, 'there is no decision', nowMs);
  switch (decision.kind) {
    case 'rollback':
      return makeStep(rollout, 'rollback', { to: 'rolled_back', reason: decision.reason, move: RESTORE });
    case 'end':
      return makeStep(rollout, 'end', { to: 'inconclusive', reason: decision.reason, move: RESTORE });
    case 'promote':
      return promoteWhenClear(rollout, facts, seen, decision, nowMs);
    default:
      return decision satisfies never;
  }
}

function reconsider(rollout: MachineRollout, facts: MachineFacts, reason: string, nowMs: number): Step {
  const { approved, gateRound, asked } = rollout.memory;
  const memory = {
    ...freshClock(nowMs, unitsOf(rollout, facts)),
    decision: null,
    // Who has agreed did so on evidence that is gone.
    ...{ approved: approved.filter((key) => key !== asked), gateRound: gateRound + 1 },
  };
  return makeStep(rollout, 'reconsider', { to: 'holding', reason, memory });
}

function promoteWhenClear(
  rollout: MachineRollout,
  facts: MachineFacts,
  seen: Judgement,
  decision: Extract<Decision, { kind: 'promote' }>,
  nowMs: number,
): Step | null {
  const { arm, because, reason } = decision;
  const against = goneOf(decision, seen);
  if (against !== null) return reconsider(rollout, facts, `the evidence for it is gone: ${against}`, nowMs);
  // A person who promotes knows how little was measured; that nothing was is another matter.
  const thin = because === 'person' ? [] : seen.thin;
  if (blockedBy(facts, { ...seen, thin }) !== null) return null;
  const clearance = promotionClearance(rollout, facts, arm, because !== 'person');
  switch (clearance.kind) {
    case 'ask':
      return clearance.step;
    case 'waiting':
      return null;
    case 'refused':
      return pauseStep(rollout, 'gate', clearance.reason, nowMs);
    case 'clear':
      return promoteStep(rollout, arm, reason);
    default:
      return clearance satisfies never;
  }
}

/**
 * What takes a decision back; null: nothing does. Intervals hold at all looks together, so what one of them excluded stays excluded, though a
 * later one be wider: a decision that waits for somebody is not taken back by that, and nobody is asked again and again.
 */
function goneOf({ arm, because }: Extract<Decision, { kind: 'promote' }>, seen: Judgement): string | null {
  switch (because) {
    case 'better':
    case 'equivalent':
      if (seen.invalid !== null) return seen.invalid;
      if (seen.missing.length > 0) return lackOf({ metrics: seen.missing, failure: null });
      return seen.against.find((finding) => finding.arm === arm)?.reason ?? null;
    case 'time':
    case 'person':
      return null;
    default:
      return because satisfies never;
  }
}

export function promotionClearance(
  rollout: MachineRollout,
  facts: MachineFacts,
  arm: number,
  mayNeedPerson: boolean,
): Clearance {
  const { autoPromote, approvals } = rollout.plan;
  const needsPerson = mayNeedPerson && (!autoPromote || approvals.includes('promotion'));
  const what = `${rollout.arms[arm]} is promoted`;
  return clearanceFor(rollout, facts, { key: `promotion:${arm}`, hook: 'confirm-promotion', needsPerson, what });
}

/** The challenger becomes champion with all traffic. The old champion stays as a challenger without any, so that one call brings it back. */
export function promoteStep(rollout: MachineRollout, arm: number, reason: string): Step {
  return makeStep(rollout, 'promote', { to: 'promoted', reason, move: { kind: 'promote', arm } });
}
