import { sendBack } from './back.ts';
import { carryOut } from './carry-out.ts';
import { caution, sayUnprepared, withoutEvidence } from './caution.ts';
import { leaveHold, outcome } from './decide.ts';
import { type Judgement, judge } from './judge.ts';
import { leaveShadow, leaveStage } from './ramp.ts';
import { leaveDraft } from './start.ts';
import { hasEnded } from './state.ts';
import type { MachineFacts, MachineRollout, Step } from './step.ts';
import { rulesOf } from './strategies/rules.ts';

/**
 *   draft ──start──▶ shadow ──step: pairs are fine──▶ ramping ─step─┐
 *     └──start, no shadow──────────────────────────────▲   │  ▲─────┘
 *                                                          hold: the last stage is over
 *                                                          ▼
 *              promoted ◀──promote── deciding ◀──decide── holding
 *          inconclusive ◀──end────────┘   └──reconsider──▶┘      (ramping, too, decides when its time is over)
 *
 *   shadow, ramping, holding, deciding ──rollback──▶ rolled_back      and with draft ──abort──▶ aborted
 *
 * A pause stops the clock of the state that it is in; nothing but the way back is open in it. What is asked of webhooks and people is
 * asked in the state that waits for it. Forward, that is to more traffic for a challenger, a rollout goes only with evidence that is
 * whole: not in a freeze, not while units split otherwise than they should, not while a metric is missing. Back it always goes.
 *
 * From a look that fails nothing follows but a hold and, in time, a pause; from a start that cannot be prepared, that it waits.
 *
 * The order in which things are looked at: harm, then whatever pauses, then missing metrics, then lost challengers and the end of the
 * time, then the way forward.
 */

/**
 * What a rollout does next, if anything. Pure and total: whatever the facts, it does not throw, and the same facts give the same step.
 * @param nowMs unix milliseconds
 */
export function nextStep(rollout: MachineRollout, facts: MachineFacts, nowMs: number): Step | null {
  const { state, memory } = rollout;
  const failure = facts.failure ?? null;
  if (failure !== null && !hasEnded(state)) {
    if (state === 'draft') return sayUnprepared(rollout, failure, nowMs);
    return memory.pause === null ? withoutEvidence(rollout, { metrics: [], failure }, nowMs) : null;
  }
  switch (state) {
    case 'draft':
      return leaveDraft(rollout, facts, nowMs);
    case 'shadow':
      if (memory.pause !== null) return null;
      return withoutEvidence(rollout, { metrics: [], failure: null }, nowMs) ?? leaveShadow(rollout, facts, nowMs);
    case 'ramping':
    case 'holding':
    case 'deciding': {
      const seen = judge(rollout, facts.look, rulesOf(rollout.plan.strategy).compares);
      const harm = sendBack(rollout, seen.harmful, nowMs, facts);
      if (harm !== null || memory.pause !== null) return harm;
      return (
        caution(rollout, seen, nowMs) ?? outcome(rollout, facts, seen, nowMs) ?? forward(rollout, facts, seen, nowMs)
      );
    }
    case 'promoted':
    case 'rolled_back':
    case 'inconclusive':
    case 'aborted':
      return null;
    default:
      return state satisfies never;
  }
}

function forward(rollout: MachineRollout, facts: MachineFacts, seen: Judgement, nowMs: number): Step | null {
  switch (rollout.state) {
    case 'ramping':
      return leaveStage(rollout, facts, seen, nowMs);
    case 'holding':
      return leaveHold(rollout, seen, nowMs);
    case 'deciding':
      return carryOut(rollout, facts, seen, nowMs);
    default:
      return null;
  }
}
