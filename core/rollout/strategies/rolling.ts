import type { Stage, StrategyOf, StrategyRules } from './rules.ts';

/** A straight line from `fromBp` to `toBp`, in steps of `incrementBp` that take equally long; then evidence decides. */
export function rollingRules(strategy: StrategyOf<'rolling'>): StrategyRules {
  return { stages: stagesOf(strategy), compares: true, control: 'lockstep', holdMs: null };
}

/** The first stage is one increment above `fromBp`, or `fromBp` itself where that is traffic; the last is `toBp`. */
function stagesOf({ fromBp, toBp, incrementBp, durationMs }: StrategyOf<'rolling'>): Stage[] {
  const weights: number[] = fromBp > 0 && fromBp < toBp ? [fromBp] : [];
  for (let weightBp = fromBp + incrementBp; weightBp < toBp; weightBp += incrementBp) weights.push(weightBp);
  weights.push(toBp);
  const eachMs = Math.floor(durationMs / weights.length);
  return weights.map((weightBp) => ({ weightBp, durationMs: eachMs, minUnits: 0, approval: false }));
}
