import type { StrategyOf, StrategyRules } from './rules.ts';

/** A fixed split until evidence decides. */
export function abRules({ weightBp }: StrategyOf<'ab'>): StrategyRules {
  const stage = { weightBp, durationMs: 0, minUnits: 0, approval: false };
  return { stages: [stage], compares: true, control: 'all', holdMs: null };
}
