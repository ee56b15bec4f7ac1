import { fastGuardSentence } from '../experiments/fast-guard.ts';
import { probability } from '../experiments/figures.ts';
import { guardrailSentence } from '../experiments/guardrails.ts';
import type { Comparison, GuardrailResult, Look, MetricResult } from '../experiments/look.ts';
import { hasDriedUp } from '../experiments/value-counts.ts';
import { guardsSaid } from './guards-said.ts';
import type { MachineRollout } from './step.ts';

/** Something seen of one challenger, in words. `key` tells it from everything else, so that it is acted on once. */
export interface Finding {
  readonly arm: number;
  readonly key: string;
  readonly reason: string;
}

/** A look as the machine acts on it. Only challengers that are still in count. */
export interface Judgement {
  /** Metrics of which nothing, or no number, was measured, or nothing any more: never taken for healthy. */
  readonly missing: readonly string[];
  /** Whether each arm that is compared has had requests: before that no metric can have a value. */
  readonly allServe: boolean;
  /** Metrics with too little to judge by yet. */
  readonly thin: readonly string[];
  /** Why the evidence cannot be trusted; null: it can. */
  readonly invalid: string | null;
  /** What sends a challenger back at once. */
  readonly harmful: readonly Finding[];
  readonly pausing: readonly Finding[];
  readonly warnings: readonly Finding[];
  /** Challengers that the fast guard would watch and has nothing to hold against. */
  readonly unguarded: readonly Finding[];
  /** Of each challenger, what has been judged and what has not. */
  readonly guards: readonly Finding[];
  /** Challengers that the champion is better than. */
  readonly lost: readonly Finding[];
  /** Challengers of which a decision for them cannot stand. */
  readonly against: readonly Finding[];
  /** Challengers that may be promoted, the best first. */
  readonly passing: readonly Finding[];
  /** Challengers that are as good as the champion, within their guardrails. */
  readonly equivalent: readonly Finding[];
  /** Challengers that no more data will decide on, those that are as good among them. */
  readonly settled: readonly Finding[];
}

/** The challengers that have not been taken out. */
export function activeArms({ arms, memory }: MachineRollout): number[] {
  return arms.map((_, arm) => arm).filter((arm) => arm > 0 && !memory.removed.includes(arm));
}

/** Reads a look. `compares`: whether the champion serves too, so that its side must be measured as well. */
export function judge(rollout: MachineRollout, look: Look | null, compares: boolean): Judgement {
  const active = activeArms(rollout);
  const comparisons = (look?.comparisons ?? []).filter(({ arm }) => active.includes(arm));
  const findings = (of: (comparison: Comparison) => readonly Finding[]) => comparisons.flatMap(of);
  return {
    missing: missingOf(rollout, look, compares),
    allServe: [...(compares ? [0] : []), ...active].every((arm) => (look?.requests[arm] ?? 0) > 0),
    thin: compares ? thinOf(comparisons) : [],
    invalid: invalidityOf(look, comparisons),
    harmful: findings(harmOf),
    pausing: findings((comparison) => violatedOf(comparison, 'pause')),
    warnings: findings((comparison) => violatedOf(comparison, 'warn')),
    unguarded: findings(({ arm, unguarded }) =>
      unguarded == null ? [] : [{ arm, key: `unguarded:${arm}`, reason: unguarded.replace(/\.$/, '') }],
    ),
    guards: comparisons.map((comparison) => ({
      arm: comparison.arm,
      key: `guards:${comparison.arm}`,
      reason: guardsSaid(comparison),
    })),
    lost: findings((comparison) => (comparison.verdict === 'champion_better' ? [verdictOf(comparison)] : [])),
    against: comparisons.flatMap((comparison) => (passes(rollout, comparison) ? [] : againstOf(comparison))),
    passing: [...comparisons]
      .filter((comparison) => passes(rollout, comparison))
      .sort((a, b) => benefitOf(b) - benefitOf(a))
      .map(verdictOf),
    equivalent: findings((comparison) =>
      comparison.verdict === 'equivalent' && guardrailsPass(comparison) ? [verdictOf(comparison)] : [],
    ),
    settled: findings((comparison) =>
      comparison.verdict === 'equivalent' || comparison.verdict === 'inconclusive' ? [verdictOf(comparison)] : [],
    ),
  };
}

function missingOf(rollout: MachineRollout, look: Look | null, compares: boolean): string[] {
  if (look === null) return ['everything: nobody has looked yet'];
  const active = activeArms(rollout);
  // Without a champion beside it nothing is compared; that the challenger serves at all is what can be asked for.
  if (!compares) {
    return active.filter((arm) => !((look.requests[arm] ?? 0) > 0)).map((arm) => `requests of ${rollout.arms[arm]}`);
  }
  return [...new Set(active.flatMap((arm) => unmeasuredOf(rollout, look, arm)))];
}

/** Metrics of a challenger that the definition asks for and that have no value in one of the two arms. */
function unmeasuredOf({ hasPrimary, guardrails, arms }: MachineRollout, look: Look, arm: number): string[] {
  const comparison = look.comparisons.find((each) => each.arm === arm);
  if (comparison === undefined) return [`every metric of ${arms[arm]}`];
  const { primary } = comparison;
  const missing = guardrails.filter((metric) => {
    const result = comparison.guardrails.find((each) => each.metric === metric);
    return result === undefined || isUnmeasured(result);
  });
  if (hasPrimary && (primary === null || isUnmeasured(primary)))
    missing.unshift(primary?.metric ?? 'the primary metric');
  const asked = [...(primary === null ? [] : [primary.metric]), ...guardrails];
  const dry = asked.filter(
    (metric) => !missing.includes(metric) && [0, arm].some((of) => hasDriedUp(look, metric, of)),
  );
  return [...missing, ...dry.map((metric) => `${metric} any more`)];
}

function isUnmeasured({ champion, challenger, effect, standardError, lower, upper }: MetricResult): boolean {
  // A comparison with NaN is false: "not above 0" holds for it, too.
  if (!(challenger.n > 0) || !(champion.n > 0)) return true;
  return [champion.mean, challenger.mean, effect, standardError, lower, upper].some(Number.isNaN);
}

function thinOf(comparisons: readonly Comparison[]): string[] {
  const thin = comparisons.flatMap(({ guardrails }) => guardrails.filter(({ state }) => state === 'missing'));
  return [...new Set(thin.map(({ metric }) => metric))];
}

function invalidityOf(look: Look | null, comparisons: readonly Comparison[]): string | null {
  if (look?.srm.fired) {
    return `the units do not split as the weights say (p ${probability(look.srm.minPValue)}, α ${look.srm.alpha}): the assignment or the log is broken`;
  }
  const invalid = comparisons.find(({ verdict }) => verdict === 'invalid');
  return invalid === undefined ? null : (invalid.reasons[0] ?? 'the evidence is invalid');
}

function harmOf(comparison: Comparison): Finding[] {
  const { arm, challenger, fastGuard } = comparison;
  if (!fastGuard?.fired) return violatedOf(comparison, 'rollback');
  const reason = `${challenger}: ${fastGuardSentence(fastGuard).replace(/\.$/, '')}`;
  return [{ arm, key: `fast_guard:${arm}`, reason }, ...violatedOf(comparison, 'rollback')];
}

function violatedOf({ arm, challenger, guardrails }: Comparison, severity: GuardrailResult['severity']): Finding[] {
  return guardrails
    .filter((each) => each.severity === severity && each.state === 'violated')
    .map((guardrail) => ({
      arm,
      key: `${severity}:${arm}:${guardrail.metric}`,
      reason: `${challenger}: ${guardrailSentence(guardrail).replace(/\.$/, '')}`,
    }));
}

/** The primary metric says better, if there is one, and even the bad end of every guardrail is within its margin. */
function passes({ hasPrimary }: MachineRollout, comparison: Comparison): boolean {
  const { verdict } = comparison;
  if (verdict === 'invalid' || verdict === 'champion_better') return false;
  return (!hasPrimary || verdict === 'challenger_better') && guardrailsPass(comparison);
}

/** What is bad, or not to be known any more; that it is open again is neither. */
function againstOf(comparison: Comparison): Finding[] {
  const { verdict, guardrails } = comparison;
  const isBad = verdict === 'champion_better' || verdict === 'invalid' || verdict === 'insufficient_data';
  if (isBad) return [verdictOf(comparison)];
  return guardrails
    .filter(({ state }) => state === 'violated')
    .flatMap(({ severity }) => violatedOf(comparison, severity));
}

function guardrailsPass({ guardrails }: Comparison): boolean {
  return guardrails.every(({ state }) => state === 'passed');
}

/** How much better a challenger is, the good way up. */
function benefitOf({ primary }: Comparison): number {
  const effect = primary?.effect ?? 0;
  return primary?.direction === 'decrease' ? -effect : effect;
}

function verdictOf({ arm, challenger, verdict, reasons }: Comparison): Finding {
  return { arm, key: `verdict:${arm}`, reason: reasons[0] ?? `${challenger}: ${verdict.replaceAll('_', ' ')}` };
}
