import { ALL_AT_ONCE } from './direct.ts';
import type { StrategyOf, StrategyRules } from './rules.ts';

/** All traffic at once, with the champion kept ready for `returnMs`: `abort` and `rollback` bring it back in one step. */
export function blueGreenRules({ returnMs }: StrategyOf<'blue-green'>): StrategyRules {
  return { stages: [ALL_AT_ONCE], compares: false, control: 'all', holdMs: returnMs };
}
