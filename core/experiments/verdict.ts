import { fastGuardSentence } from './fast-guard.ts';
import { effectFigure, effectSentence } from './figures.ts';
import { guardrailSentence } from './guardrails.ts';
import type { Comparison, GuardrailResult, MetricResult, Verdict } from './look.ts';

/** All that a verdict on one challenger rests on. */
export interface VerdictFacts {
  readonly challenger: string;
  /** Why the evidence can't be used, in sentences; empty: it can. */
  readonly invalid: readonly string[];
  readonly primary: MetricResult | null;
  /** Half the width of "equivalent"; only with a primary metric. */
  readonly minimumEffect: number | null;
  readonly guardrails: readonly GuardrailResult[];
  readonly fastGuard: Comparison['fastGuard'];
  /** Why nothing stands in for the champion; null: something does. */
  readonly unguarded: string | null;
}

export interface Conclusion {
  readonly verdict: Verdict;
  /** The first one says the verdict's cause. */
  readonly reasons: readonly string[];
}

/**
 * What is concluded about a challenger. The first line that applies decides:
 *
 * | verdict              | when                                                                                              |
 * | -------------------- | ------------------------------------------------------------------------------------------------- |
 * | `invalid`            | sample-ratio mismatch, inferences lost for good, a broken phase                                   |
 * | `champion_better`    | the fast guard fired, a guardrail that rolls back is violated, or the primary metric is worse     |
 * | `insufficient_data`  | the primary metric can't be compared yet (without one: no guardrail can)                          |
 * | `running`            | the primary metric is open                                                                        |
 * | `challenger_better`  | it is better, and every guardrail passed                                                          |
 * | `equivalent`         | its interval lies within ± minimumEffect, and every guardrail passed                              |
 * | `inconclusive`       | it is better or equivalent, but a guardrail that pauses or warns is violated: they contradict     |
 * | `running`            | it is better or equivalent, and a guardrail is open or missing                                    |
 *
 * A difference that is certain is named as such though it be smaller than `minimumEffect`. Without a primary metric the guardrails
 * alone decide, and can say only "not worse": `equivalent` then reads "not worse than its margins". Time is no matter of a look: that
 * a rollout has run for long enough to be inconclusive is decided by its state machine.
 */
export function conclude(facts: VerdictFacts): Conclusion {
  const cause = causeOf(facts);
  const others = [...facts.invalid, ...evidenceSentences(facts)].filter((sentence) => sentence !== cause.because);
  return { verdict: cause.verdict, reasons: [cause.because, ...others] };
}

interface Cause {
  readonly verdict: Verdict;
  readonly because: string;
}

function causeOf(facts: VerdictFacts): Cause {
  const [defect] = facts.invalid;
  if (defect !== undefined) return { verdict: 'invalid', because: defect };
  const harm = harmSentence(facts);
  if (harm !== null) return { verdict: 'champion_better', because: harm };
  return facts.primary === null ? byGuardrails(facts.guardrails) : byPrimary(facts, facts.primary);
}

function harmSentence({ fastGuard, guardrails }: VerdictFacts): string | null {
  if (fastGuard?.fired) return fastGuardSentence(fastGuard);
  const violated = guardrails.find(({ state, severity }) => state === 'violated' && severity === 'rollback');
  return violated === undefined ? null : guardrailSentence(violated);
}

function byPrimary(facts: VerdictFacts, primary: MetricResult): Cause {
  if (primary.method === 'none') {
    return { verdict: 'insufficient_data', because: `Too little to conclude from: ${effectSentence(primary)}.` };
  }
  const effect = effectSentence(primary);
  switch (standing(primary, facts.minimumEffect)) {
    case 'worse':
      return { verdict: 'champion_better', because: `The champion is better: ${effect}.` };
    case 'better':
      return withGuardrails('challenger_better', `The challenger is better: ${effect}`, facts.guardrails);
    case 'equivalent': {
      const within = `within ±${effectFigure(primary, facts.minimumEffect ?? 0)}`;
      return withGuardrails('equivalent', `No difference that matters: ${effect}, ${within}`, facts.guardrails);
    }
    case 'open':
      return { verdict: 'running', because: `Not decided yet: ${effect}.` };
  }
}

function standing(primary: MetricResult, minimumEffect: number | null): 'better' | 'worse' | 'equivalent' | 'open' {
  const { direction, lower, upper } = primary;
  if (lower !== null && lower > 0) return direction === 'increase' ? 'better' : 'worse';
  if (upper !== null && upper < 0) return direction === 'increase' ? 'worse' : 'better';
  if (minimumEffect === null || lower === null || upper === null) return 'open';
  return lower >= -minimumEffect && upper <= minimumEffect ? 'equivalent' : 'open';
}

/** What the primary metric allows stands only if every guardrail passed. */
function withGuardrails(
  verdict: 'challenger_better' | 'equivalent',
  because: string,
  guardrails: readonly GuardrailResult[],
): Cause {
  const violated = guardrails.find(({ state }) => state === 'violated');
  if (violated !== undefined) {
    return { verdict: 'inconclusive', because: `${because}; but a guardrail is violated: ${violated.metric}.` };
  }
  const unsettled = guardrails
    .filter(({ state }) => state !== 'passed')
    .map(({ metric, state }) => `${metric} ${state}`);
  if (unsettled.length > 0) {
    return { verdict: 'running', because: `${because}; but guardrails have not passed: ${unsettled.join(', ')}.` };
  }
  return { verdict, because: `${because}.` };
}

function byGuardrails(guardrails: readonly GuardrailResult[]): Cause {
  if (guardrails.length === 0) {
    return { verdict: 'insufficient_data', because: 'Nothing is measured: neither a primary metric nor a guardrail.' };
  }
  if (guardrails.every(({ method }) => method === 'none')) {
    const whys = guardrails.map(({ metric, why }) => `${metric}: ${why}`).join('; ');
    return { verdict: 'insufficient_data', because: `Too little to conclude from: ${whys}.` };
  }
  if (guardrails.every(({ state }) => state === 'passed')) {
    return { verdict: 'equivalent', because: 'Not worse than its margins; there is no primary metric.' };
  }
  return withGuardrails('equivalent', 'There is no primary metric', guardrails);
}

/** Everything that was looked at, in a fixed order. */
function evidenceSentences({ challenger, primary, guardrails, fastGuard, unguarded }: VerdictFacts): string[] {
  const sentences: string[] = [];
  if (primary !== null) sentences.push(`Primary metric of "${challenger}": ${effectSentence(primary)}.`);
  sentences.push(...guardrails.map(guardrailSentence));
  if (fastGuard !== null) sentences.push(fastGuardSentence(fastGuard));
  if (unguarded !== null) sentences.push(unguarded);
  return sentences;
}
