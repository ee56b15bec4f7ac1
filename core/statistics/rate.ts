import { type EValue, eValueOf } from './e-value.ts';
import { checkBetween, checkCount, type Refusal, refuse } from './result.ts';
import { logIncompleteBeta } from './special/incomplete-beta.ts';
import { logBinomialTerm, logOf } from './special/log-gamma.ts';

/**
 * Rates at small counts: method (2) of the statistics. All is one beta-binomial e-process: s successes and f failures of
 * which each is a success with probability p under the hypothesis, against a uniform prior on the probability.
 *
 *     all of [0, 1]     e = B(s+1, f+1) / (pˢ(1−p)ᶠ) = 1 / ((s+f+1)·Binomial(s | s+f, p))
 *     only (p, 1]       e · (1 − I_p(s+1, f+1)) / (1 − p)
 *     only [0, p)       e · I_p(s+1, f+1) / p
 *
 * The last two ignore departures to the other side. In logarithms and by deviances: right for counts of 1e7 and p next to 0 or 1.
 */
export type RateSide = 'two' | 'greater' | 'less';

/** Evidence about a rate, and what it is made of. */
export interface RateEvidence extends EValue {
  readonly kind: 'evidence';
  /** Events of both arms, or trials of the one arm. */
  readonly n: number;
}

/**
 * Two arms. Under "equal", each event belongs to the challenger with probability `challengerShare`. What strikes both arms
 * (an outage) adds events in that proportion and is no evidence; nobody needs to know the rates.
 *
 * @param counts.challengerShare the challenger's share of exposure, above 0 and below 1. Within a phase it is known
 * beforehand: its
 *   share of the buckets of both arms
 * @param counts.side `greater`: evidence that the challenger has more than its share; `less`: fewer; `two`: either
 */
export function twoArmRate(counts: {
  readonly championEvents: number;
  readonly challengerEvents: number;
  readonly challengerShare: number;
  readonly side: RateSide;
}): RateEvidence | Refusal {
  const { championEvents, challengerEvents, challengerShare, side } = counts;
  const refusal =
    checkCount('championEvents', championEvents) ??
    checkCount('challengerEvents', challengerEvents) ??
    checkBetween('challengerShare', challengerShare, 0, 1);
  if (refusal !== null) return refusal;
  const logEValue = logBetaBinomial(challengerEvents, championEvents, challengerShare, side);
  return { kind: 'evidence', ...eValueOf(logEValue), n: championEvents + challengerEvents };
}

/**
 * One arm against a rate p₀. `greater`: only rates above p₀ count as evidence. (`two`: 0 errors of 1 000 against 1 % are an
 * e-value of 23: they are fewer than expected.)
 */
export function oneArmRateE(counts: {
  readonly events: number;
  readonly n: number;
  readonly p0: number;
  readonly side: RateSide;
}): RateEvidence | Refusal {
  const { events, n, p0, side } = counts;
  const refusal = checkEvents('', { events, n }) ?? checkBetween('p0', p0, 0, 1);
  if (refusal !== null) return refusal;
  return { kind: 'evidence', ...eValueOf(logBetaBinomial(events, n - events, p0, side)), n };
}

export interface RateCounts {
  readonly n: number;
  readonly events: number;
}

export function checkEvents(prefix: string, { n, events }: RateCounts): Refusal | null {
  return (
    checkCount(`${prefix}n`, n) ??
    checkCount(`${prefix}events`, events) ??
    (events > n ? refuse(`${prefix}events`, `is ${events}, more than n = ${n}`) : null)
  );
}

/** Where means are no approximation: fewer than 100 units, 10 events or 10 non-events in an arm. */
export function needsSmallCounts(arm: RateCounts & { readonly units: number }): boolean {
  return arm.units < 100 || arm.events < 10 || arm.n - arm.events < 10;
}

/** ln e of s successes and f failures against probability p; see above. Arguments are checked by the caller. */
export function logBetaBinomial(s: number, f: number, p: number, side: RateSide): number {
  const q = 1 - p;
  const twoSided = logTwoSided(s, f, p, q);
  switch (side) {
    case 'two':
      return twoSided;
    case 'greater':
      return twoSided + logIncompleteBeta(q, p, f + 1, s + 1) - logOf(q, p);
    case 'less':
      return twoSided + logIncompleteBeta(p, q, s + 1, f + 1) - logOf(p, q);
    default:
      return side satisfies never;
  }
}

/** The same with the prior on all of [0, 1]; q = 1 − p is given apart, so that neither is lost near 0. */
export function logTwoSided(s: number, f: number, p: number, q: number): number {
  return -Math.log1p(s + f) - logBinomialTerm(s, f, p, q);
}
