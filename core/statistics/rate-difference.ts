import type { Sided } from './confidence-sequence.ts';
import { eValueOf } from './e-value.ts';
import { checkOptions, differenceOfMeans, type SequenceOptions } from './mean-difference.ts';
import { checkEvents, logBetaBinomial, logTwoSided, needsSmallCounts, type RateCounts } from './rate.ts';
import type { ArmMean } from './ratio.ts';
import { checkAlpha, checkBetween, type Estimate, type Insufficient, insufficient, type Refusal } from './result.ts';

/** Two rates at small counts: evidence by events, and an interval to show beside it. */
export interface SmallCounts {
  readonly kind: 'small_counts';
  /** Null: relative to a champion without events. */
  readonly effect: number | null;
  /** Both at once, at every look, at level `alpha`. Null: unbounded. */
  readonly lower: number | null;
  readonly upper: number | null;
  readonly eValue: number;
  readonly logEValue: number;
  /** `sided: 'two'`: of "equal". `'one'`: of "the challenger's rate is not greater". */
  readonly pValue: number;
  readonly alpha: number;
  /** Trials of both arms. */
  readonly n: number;
  /** Events of both arms. */
  readonly events: number;
}

/** A rate of independent trials: variance p(1−p)/n. Where units repeat, their sums are needed (`meanDifference`). */
export function proportionMean({ n, events }: RateCounts): ArmMean {
  const rate = events / n;
  return { mean: rate, varianceOfMean: (rate * (1 - rate)) / n, units: n };
}

/**
 * Difference of two rates of independent trials: by a confidence sequence or, where an arm has fewer than 100 trials, 10
 * events or 10 non-events, by the form for small counts.
 */
export function rateDifference(
  input: SequenceOptions & {
    readonly champion: RateCounts;
    readonly challenger: RateCounts;
    readonly relative: boolean;
  },
): Estimate | SmallCounts | Insufficient | Refusal {
  const { champion, challenger } = input;
  const refusal = checkEvents('champion.', champion) ?? checkEvents('challenger.', challenger) ?? checkOptions(input);
  if (refusal !== null) return refusal;
  if (champion.n === 0 || challenger.n === 0) {
    return insufficient('nothing_measured', 'nothing was measured in an arm', champion.n + challenger.n);
  }
  const isSmall = (arm: RateCounts) => needsSmallCounts({ ...arm, units: arm.n });
  if (isSmall(champion) || isSmall(challenger)) return smallCountDifference(input);
  return differenceOfMeans({ ...input, champion: proportionMean(champion), challenger: proportionMean(challenger) });
}

/**
 * Two rates at small counts. The p-value is of the two-arm e-process on the challenger's share of events (`twoArmRate`). The
 * interval to show, two-sided always: relative, that share's confidence sequence, as a ratio of rates less 1; absolute, from
 * each rate's own sequence at α/2, since the share of events says nothing of how many there are.
 *
 * @param input.challengerShare the challenger's share of exposure; left out, its share of the trials
 */
export function smallCountDifference(input: {
  readonly champion: RateCounts;
  readonly challenger: RateCounts;
  readonly relative: boolean;
  readonly alpha: number;
  readonly sided?: Sided;
  readonly challengerShare?: number;
}): SmallCounts | Insufficient | Refusal {
  const { champion, challenger, relative, alpha } = input;
  const n = champion.n + challenger.n;
  const refusal = checkEvents('champion.', champion) ?? checkEvents('challenger.', challenger) ?? checkAlpha(alpha);
  if (refusal !== null) return refusal;
  if (champion.n === 0 || challenger.n === 0)
    return insufficient('nothing_measured', 'nothing was measured in an arm', n);
  const challengerShare = input.challengerShare ?? challenger.n / n;
  const shareRefusal = checkBetween('challengerShare', challengerShare, 0, 1);
  if (shareRefusal !== null) return shareRefusal;
  const side = input.sided === 'one' ? 'greater' : 'two';
  const evidence = eValueOf(logBetaBinomial(challenger.events, champion.events, challengerShare, side));
  const shown = relative ? ratioOfRates(input, challengerShare) : differenceOfRates(input);
  return { kind: 'small_counts', ...shown, ...evidence, alpha, n, events: champion.events + challenger.events };
}

interface Arms {
  readonly champion: RateCounts;
  readonly challenger: RateCounts;
  readonly alpha: number;
}

function ratioOfRates({ champion, challenger, alpha }: Arms, challengerShare: number) {
  const share = logOddsInterval(challenger.events, champion.events, alpha);
  const exposure = Math.log(challengerShare) - Math.log1p(-challengerShare);
  return {
    effect: champion.events === 0 ? null : Math.expm1(Math.log(challenger.events / champion.events) - exposure),
    lower: Math.expm1(share.lower - exposure),
    upper: share.upper === Number.POSITIVE_INFINITY ? null : Math.expm1(share.upper - exposure),
  };
}

function differenceOfRates({ champion, challenger, alpha }: Arms) {
  const [a, b] = [rateInterval(champion, alpha / 2), rateInterval(challenger, alpha / 2)];
  return {
    effect: challenger.events / challenger.n - champion.events / champion.n,
    lower: b.lower - a.upper,
    upper: b.upper - a.lower,
  };
}

/** The rates that the two-sided e-process of one arm has not rejected: valid at every look. @param counts checked */
export function rateInterval(
  { n, events }: RateCounts,
  alpha: number,
): { readonly lower: number; readonly upper: number } {
  const { lower, upper } = logOddsInterval(events, n - events, alpha);
  return { lower: 1 / (1 + Math.exp(-lower)), upper: 1 / (1 + Math.exp(-upper)) };
}

/** Log-odds beyond it are of rates below the smallest double. */
const MAX_LOG_ODDS = 700;

/** The log-odds between which the e-value of s successes and f failures is below 1/α. It grows from s/(s+f) to both sides. */
function logOddsInterval(s: number, f: number, alpha: number): { readonly lower: number; readonly upper: number } {
  return {
    lower: s === 0 ? Number.NEGATIVE_INFINITY : -edge(f, s, alpha),
    upper: f === 0 ? Number.POSITIVE_INFINITY : edge(s, f, alpha),
  };
}

/**
 * The log-odds above s/(s+f) at which the e-value reaches 1/α; f > 0. −s ln p − f ln q is convex in the log-odds, so that
 * Newton's method comes down from above and never passes the edge: where it no longer comes down, rounding has begun.
 */
function edge(s: number, f: number, alpha: number): number {
  let odds = MAX_LOG_ODDS;
  while (true) {
    const p = 1 / (1 + Math.exp(-odds));
    const above = logTwoSided(s, f, p, 1 / (1 + Math.exp(odds))) + Math.log(alpha);
    const next = odds - above / ((s + f) * p - s);
    if (!(next < odds)) return odds;
    odds = next;
  }
}
