import type { StrategyOf, StrategyRules } from './rules.ts';

/**
 * All traffic at once. Nothing is left of the champion to compare with; what is measured of the challenger is still watched for
 * `holdMs`, in which one call takes it back.
 */
export function directRules({ holdMs }: StrategyOf<'direct'>): StrategyRules {
  return { stages: [ALL_AT_ONCE], compares: false, control: 'all', holdMs };
}

export const ALL_AT_ONCE = { weightBp: 10_000, durationMs: 0, minUnits: 0, approval: false } as const;
