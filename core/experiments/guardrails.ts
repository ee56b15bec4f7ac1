import type { Guardrail } from './definition.ts';
import { effectFigure, effectSentence } from './figures.ts';
import type { GuardrailResult, MetricResult } from './look.ts';

/** A bound on how much worse, worse being positive; null: not bounded on that side. */
interface Harm {
  /** The good end: it is at least so much worse. */
  readonly atLeast: number | null;
  /** The bad end: it is at most so much worse. */
  readonly atMost: number | null;
}

function harmOf({ direction, lower, upper }: MetricResult): Harm {
  if (direction === 'decrease') return { atLeast: lower, atMost: upper };
  return { atLeast: upper === null ? null : -upper, atMost: lower === null ? null : -lower };
}

/**
 * Holds a metric against its margin.
 *
 * Multiplicity. A promotion needs every guardrail to pass, so it is an intersection-union test: it errs only if the one guardrail
 * that is truly beyond its margin errs, with at most α/2 (one end of a two-sided interval), however many there are. A rollback
 * needs one violation; each guardrail watches with its own α/2, so that k of them err together with at most k·α/2. That bound is
 * met only by a challenger which stands exactly on all its margins: one that is equal to the champion is a margin away from it.
 */
export function judgeGuardrail(result: MetricResult, { margin, severity }: Guardrail): GuardrailResult {
  return { ...result, margin, severity, state: stateOf(result, margin) };
}

function stateOf(result: MetricResult, margin: number): GuardrailResult['state'] {
  if (result.champion.units === 0 || result.challenger.units === 0) return 'missing';
  if (result.method === 'none') return 'open';
  const harm = harmOf(result);
  if (harm.atLeast !== null && harm.atLeast > margin) return 'violated';
  if (harm.atMost !== null && harm.atMost <= margin) return 'passed';
  return 'open';
}

/** What a guardrail's state means, with its figures. */
export function guardrailSentence(guardrail: GuardrailResult): string {
  const margin = effectFigure(guardrail, guardrail.margin);
  const effect = effectSentence(guardrail);
  switch (guardrail.state) {
    case 'passed':
      return `Guardrail passed: ${effect}, not worse than its margin of ${margin}.`;
    case 'violated':
      return `Guardrail violated: ${effect}, worse than its margin of ${margin}.`;
    case 'open':
      return `Guardrail open: ${effect}; its margin is ${margin}.`;
    case 'missing':
      return `Guardrail missing: ${effect}. What is not measured is not taken for healthy.`;
    default:
      return guardrail.state satisfies never;
  }
}
