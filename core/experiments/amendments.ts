import type { Comparison, Look, MetricResult } from './look.ts';

/** What came of one challenger's metric after the last look at an experiment that is over: feedback of days later, mostly. */
export interface Amendment {
  readonly arm: number;
  readonly challenger: string;
  readonly metric: string;
  /** Of champion and challenger together. */
  readonly valuesAtEnd: number;
  readonly values: number;
  readonly effectAtEnd: number | null;
  readonly effect: number | null;
}

/**
 * What has changed since an experiment ended. Late values join the phase in which their inference was, whose verdict stays: nothing is
 * decided by this.
 * @param last the last look that was kept
 * @param now a look at the same experiment, later
 * @returns by challenger and metric, the primary one first; those that are as they were are left out
 */
export function amendmentsOf(last: Look, now: Look): Amendment[] {
  return now.comparisons.flatMap((comparison) => {
    const before = last.comparisons.find(({ arm }) => arm === comparison.arm);
    const known = new Map(resultsOf(before).map((result) => [result.metric, result]));
    return resultsOf(comparison).flatMap((result): Amendment[] => {
      const { metric, effect } = result;
      const atEnd = known.get(metric);
      const amendment = {
        ...{ arm: comparison.arm, challenger: comparison.challenger, metric },
        ...{ valuesAtEnd: valuesOf(atEnd), values: valuesOf(result), effectAtEnd: atEnd?.effect ?? null, effect },
      };
      const isChanged = amendment.valuesAtEnd !== amendment.values || amendment.effectAtEnd !== effect;
      return isChanged ? [amendment] : [];
    });
  });
}

/** A metric may be primary and guardrail at once. */
function resultsOf(comparison: Comparison | undefined): MetricResult[] {
  if (comparison === undefined) return [];
  const { primary, guardrails } = comparison;
  const others = guardrails.filter(({ metric }) => metric !== primary?.metric);
  return primary === null ? others : [primary, ...others];
}

function valuesOf(result: MetricResult | undefined): number {
  return result === undefined ? 0 : result.champion.n + result.challenger.n;
}
