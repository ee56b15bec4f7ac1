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
