import { sendBack } from './back.ts';
import { blockedBy, pauseStep, sayMissing } from './caution.ts';
import { clearanceFor } from './clearance.ts';
import { activeArms, type Judgement } from './judge.ts';
import type { MachineFacts, MachineRollout, Step } from './step.ts';
import { rulesOf } from './strategies/rules.ts';
import { judgeShadow } from './strategies/shadow-first.ts';
import { freshClock, makeStep, stageMove, unitsOf } from './transitions.ts';

export function leaveShadow(rollout: MachineRollout, facts: MachineFacts, nowMs: number): Step | null {
  const { plan, memory } = rollout;
  if (plan.shadowFirst === null) return null;
  const active = activeArms(rollout);
  const elapsedMs = nowMs - memory.sinceMs;
  const verdict = judgeShadow(plan.shadowFirst, facts.pairs, active, elapsedMs);
  if (verdict.kind === 'failed') {
    const findings = verdict.arms.map((arm) => ({ arm, key: `shadow:${arm}`, reason: verdict.reason }));
    return sendBack(rollout, findings, nowMs, facts);
  }
  const skipped = memory.skipped === stepKey(0);
  if (verdict.kind === 'open' && !skipped) return null;
  const why = verdict.kind === 'passed' ? verdict.reason : 'the rest of the shadow stage was skipped';
  return enterStage(rollout, facts, 0, why, nowMs);
}

export function leaveStage(rollout: MachineRollout, facts: MachineFacts, seen: Judgement, nowMs: number): Step | null {
  const { memory, plan } = rollout;
  const { stages } = rulesOf(plan.strategy);
  const stage = stages[memory.stage] ?? stages.at(-1)!;
  const next = memory.stage + 1;
  const key = stepKey(next);
  const units = unitsOf(rollout, facts);
  // A look counts the units of its phases; where it starts from nothing, so do we.
  const gained = (arm: number) => {
    const [now, before] = [units[arm] ?? 0, memory.unitsBefore[arm] ?? 0];
    return now >= before ? now - before : now;
  };
  const enough = activeArms(rollout).every((arm) => gained(arm) >= stage.minUnits);
  const over = nowMs - memory.sinceMs >= stage.durationMs && enough;
  if (!over && memory.skipped !== key) return null;
  const why = over ? `step ${next} of ${stages.length} is complete` : `step ${next} of ${stages.length} was skipped`;
  if (next < stages.length) {
    if (blockedBy(facts, seen) !== null) return sayMissing(rollout, seen, nowMs);
    return enterStage(rollout, facts, next, why, nowMs, stage.approval);
  }
  const clearance = clearanceFor(rollout, facts, {
    key,
    hook: null,
    needsPerson: stage.approval,
    what: 'the decision',
  });
  if (clearance.kind === 'ask') return clearance.step;
  if (clearance.kind !== 'clear') return null;
  return makeStep(rollout, 'hold', { to: 'holding', reason: why, memory: freshClock(nowMs, units) });
}

/** Goes on to a stage, once those who are asked have agreed. */
function enterStage(
  rollout: MachineRollout,
  facts: MachineFacts,
  stage: number,
  why: string,
  nowMs: number,
  needsPerson = false,
): Step | null {
  if (facts.freeze !== null) return null;
  const { state, memory, plan } = rollout;
  const key = stepKey(stage);
  const what = `step ${stage + 1} of ${rulesOf(plan.strategy).stages.length}`;
  const clearance = clearanceFor(rollout, facts, { key, hook: 'confirm-step', needsPerson, what });
  switch (clearance.kind) {
    case 'ask':
      return clearance.step;
    case 'waiting':
      return null;
    case 'refused':
      return pauseStep(rollout, 'gate', clearance.reason, nowMs);
    case 'clear':
      return makeStep(rollout, 'step', {
        to: 'ramping',
        reason: why,
        move: stageMove(rollout, stage),
        memory: {
          ...freshClock(nowMs, unitsOf(rollout, facts)),
          stage,
          trafficSinceMs: memory.trafficSinceMs ?? nowMs,
        },
        startsPhase: state === 'shadow',
      });
    default:
      return clearance satisfies never;
  }
}

/** What a person's approval of going on to a stage is called; one past the last is the decision. */
export function stepKey(stage: number): string {
  return `step:${stage}`;
}
