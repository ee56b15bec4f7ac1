import { durationFigure } from '../experiments/figures.ts';
import { sendBack } from './back.ts';
import { pauseStep, sayMissing } from './caution.ts';
import { activeArms, type Judgement } from './judge.ts';
import type { Decision, PauseCause } from './memory.ts';
import type { MachineFacts, MachineRollout, Step } from './step.ts';
import { rulesOf } from './strategies/rules.ts';
import { freshClock, makeStep } from './transitions.ts';

/** What ends a rollout other than by a promotion: challengers that lose, and the end of the time. */
export function outcome(rollout: MachineRollout, facts: MachineFacts, seen: Judgement, nowMs: number): Step | null {
  const { plan, memory, state } = rollout;
  const trafficMs = memory.trafficSinceMs === null ? 0 : nowMs - memory.trafficSinceMs;
  if (seen.invalid === null && trafficMs >= plan.minDurationMs) {
    const lost = sendBack(rollout, seen.lost, nowMs, facts);
    if (lost !== null) return lost;
  }
  if (state === 'deciding' || trafficMs < plan.maxDurationMs) return null;
  const reason = `not decided after ${durationFigure(trafficMs)}`;
  return undecided(rollout, 'max_duration', reason, nowMs);
}

function undecided(rollout: MachineRollout, cause: PauseCause, reason: string, nowMs: number): Step {
  const what = rollout.plan.onInconclusive;
  switch (what) {
    case 'pause':
      return pauseStep(rollout, cause, `inconclusive: ${reason}`, nowMs);
    case 'rollback':
    case 'end':
      return decideStep(rollout, { kind: what, reason: `inconclusive: ${reason}` }, nowMs);
    default:
      return what satisfies never;
  }
}

export function decideStep(rollout: MachineRollout, decision: Decision, nowMs: number): Step {
  const { reason } = decision;
  const clock = freshClock(nowMs, rollout.memory.unitsBefore);
  return makeStep(rollout, 'decide', { to: 'deciding', reason, memory: { ...clock, decision } });
}

export function leaveHold(rollout: MachineRollout, seen: Judgement, nowMs: number): Step | null {
  const { plan, memory } = rollout;
  const { holdMs, compares } = rulesOf(plan.strategy);
  const trafficMs = memory.trafficSinceMs === null ? 0 : nowMs - memory.trafficSinceMs;
  if (seen.invalid !== null) return null;
  const active = activeArms(rollout);
  const first = active[0];
  if (first === undefined) return null;
  if (!compares) {
    const over = nowMs - memory.sinceMs >= (holdMs ?? 0) && trafficMs >= plan.minDurationMs;
    if (!over && memory.skipped !== HOLD_KEY) return null;
    if (seen.missing.length > 0) return sayMissing(rollout, seen, nowMs);
    const why = over ? 'the hold is over' : 'the rest of the hold was skipped';
    const guards = seen.guards.find(({ arm }) => arm === first)?.reason;
    const reason = guards === undefined ? why : `${why}; ${guards}`;
    return decideStep(rollout, { kind: 'promote', arm: first, because: 'time', reason }, nowMs);
  }
  if (seen.missing.length > 0) return null;
  if (trafficMs < plan.minDurationMs) return null;
  const best = seen.passing[0];
  if (best !== undefined) {
    return decideStep(rollout, { kind: 'promote', arm: best.arm, because: 'better', reason: best.reason }, nowMs);
  }
  const within = (findings: Judgement['settled']) => active.every((arm) => findings.some((each) => each.arm === arm));
  if (within(seen.equivalent)) return whenEquivalent(rollout, seen.equivalent, nowMs);
  if (!within(seen.settled) || memory.noted.includes('inconclusive')) return null;
  return once('inconclusive', undecided(rollout, 'evidence', sentences(seen.settled), nowMs));
}

export const HOLD_KEY = 'hold';

function whenEquivalent(rollout: MachineRollout, findings: Judgement['equivalent'], nowMs: number): Step | null {
  const { plan, memory } = rollout;
  const reason = `equivalent: ${sentences(findings)}`;
  switch (plan.onEquivalent) {
    case 'promote':
      return decideStep(rollout, { kind: 'promote', arm: findings[0]!.arm, because: 'equivalent', reason }, nowMs);
    case 'pause':
      if (memory.noted.includes('equivalent')) return null;
      return once('equivalent', pauseStep(rollout, 'evidence', reason, nowMs));
    case 'rollback':
    case 'end':
      return decideStep(rollout, { kind: plan.onEquivalent, reason }, nowMs);
    default:
      return plan.onEquivalent satisfies never;
  }
}

function sentences(findings: Judgement['settled']): string {
  return findings.map(({ reason }) => reason).join('; ');
}

/** After a person has gone on, the same finding does not stop the rollout again. */
function once(key: string, step: Step): Step {
  return { ...step, memory: { ...step.memory, noted: [...step.memory.noted, key] } };
}
