import type { RolloutMemory } from './memory.ts';
import type { RolloutPlan } from './plan.ts';
import { rulesOf } from './strategies/rules.ts';

/**
 * The move that people or webhooks are asked about, in words, from its key: `start`, `step:2` (stages count from 0, and the one past the
 * last is the decision), `promotion:1`.
 */
export function moveOf(key: string, { strategy }: RolloutPlan): string {
  const [what, stage] = key.split(':');
  if (what !== 'step') return `the ${what}`;
  const next = Number(stage) + 1;
  return next > rulesOf(strategy).stages.length ? 'going on to the decision' : `going on to step ${next}`;
}

/**
 * Whether a person's approval is waited for, and not webhooks alone. Who orders a promotion has agreed to it.
 */
export function awaitsApproval({ asked, approved, decision }: RolloutMemory, plan: RolloutPlan): boolean {
  if (asked === null || approved.includes(asked)) return false;
  const [what, stage] = asked.split(':');
  if (what === 'start') return plan.approvals.includes('start');
  if (what === 'step') return rulesOf(plan.strategy).stages[Number(stage) - 1]?.approval === true;
  const isOrdered = decision?.kind === 'promote' && decision.because === 'person';
  return !isOrdered && (!plan.autoPromote || plan.approvals.includes('promotion'));
}
