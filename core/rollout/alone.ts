import { isAlone } from '../experiments/one-arm-guard.ts';
import type { RolloutPlan } from './plan.ts';
import { rulesOf } from './strategies/rules.ts';

/**
 * The first stage, from 0, in which a challenger serves with (almost) no champion beside it, so that the fast guard goes by the
 * champion's history; null: the plan has none.
 */
export function firstStageAlone({ strategy, dryRun }: RolloutPlan, challengers: number): number | null {
  if (dryRun) return null;
  const stage = rulesOf(strategy).stages.findIndex(({ weightBp }) =>
    isAlone(10_000 - weightBp * challengers, weightBp),
  );
  return stage === -1 ? null : stage;
}
