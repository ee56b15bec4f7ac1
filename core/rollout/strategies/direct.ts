import type { StrategyOf, StrategyRules } from './rules.ts';

/**
 * All traffic at once, and a hold of `holdMs` in which one call takes it back. Nothing is left of the champion to compare with, so that
 * time promotes: if the challenger has served at all, and nothing is wrong with the log.
 */
export function directRules({ holdMs }: StrategyOf<'direct'>): StrategyRules {
  return { stages: [ALL_AT_ONCE], compares: false, control: 'all', holdMs };
}

export const ALL_AT_ONCE = { weightBp: 10_000, durationMs: 0, minUnits: 0, approval: false } as const;
