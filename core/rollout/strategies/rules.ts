import type { RolloutStrategy } from '../plan.ts';
import { abRules } from './ab.ts';
import { blueGreenRules } from './blue-green.ts';
import { canaryRules } from './canary.ts';
import { directRules } from './direct.ts';
import { rollingRules } from './rolling.ts';

/** One step of a ramp: what each challenger gets, and what must be there before it is left. */
export interface Stage {
  readonly weightBp: number;
  readonly durationMs: number;
  /** In each challenger's arm, since the stage began. */
  readonly minUnits: number;
  readonly approval: boolean;
}

/** What a strategy makes of a plan. The machine is the same for all of them. */
export interface StrategyRules {
  /** At least one. */
  readonly stages: readonly Stage[];
  /** Whether champion and challengers serve side by side, so that one can be held against the other. */
  readonly compares: boolean;
  /**
   * The champion's buckets that count. `lockstep`: as many as a challenger has, so that a growing weight adds units to both arms and
   * one phase goes on. `all`: every one, since the weights do not change.
   */
  readonly control: 'lockstep' | 'all';
  /** How long the last stage is held before time alone promotes; null: evidence decides. */
  readonly holdMs: number | null;
}

export function rulesOf(strategy: RolloutStrategy): StrategyRules {
  switch (strategy.kind) {
    case 'direct':
      return directRules(strategy);
    case 'canary':
      return canaryRules(strategy);
    case 'blue-green':
      return blueGreenRules(strategy);
    case 'rolling':
      return rollingRules(strategy);
    case 'ab':
      return abRules(strategy);
    default:
      return strategy satisfies never;
  }
}

/** The options of one strategy. */
export type StrategyOf<Kind extends RolloutStrategy['kind']> = Extract<RolloutStrategy, { readonly kind: Kind }>;
