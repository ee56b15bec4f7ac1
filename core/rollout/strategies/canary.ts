import type { StrategyOf, StrategyRules } from './rules.ts';

/** The steps that the plan lists; then evidence decides. */
export function canaryRules({ steps }: StrategyOf<'canary'>): StrategyRules {
  return { stages: steps, compares: true, control: 'lockstep', holdMs: null };
}
