import { checkOptions, differenceOfMeans, type SequenceOptions } from '../statistics/mean-difference.ts';
import { checkEvents, needsSmallCounts, type RateCounts } from '../statistics/rate.ts';
import { type ArmMean, sumsOfValues } from '../statistics/ratio.ts';
import { type Estimate, type Insufficient, insufficient, type Refusal } from '../statistics/result.ts';
import { type RateEffect, reasonOfNull, smallCountRate } from './small-counts.ts';

/** Two rates at small counts. */
export interface SmallCounts extends RateEffect {
  readonly kind: 'small_counts';
  /** Why a number is null; null: none is. */
  readonly why: string | null;
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
 * events or 10 non-events, by the form for small counts (`smallCountRate`). Each with all of `alpha`: it is for numbers that are given once.
 * Whoever looks again while they grow past that border may err by both forms, and divides α between them, as `measure` does.
 */
export function rateDifference(
  input: SequenceOptions & {
    readonly champion: RateCounts;
    readonly challenger: RateCounts;
    readonly relative: boolean;
  },
): Estimate | SmallCounts | Insufficient | Refusal {
  const { champion, challenger, alpha, relative, sided = 'two' } = input;
  const refusal = checkEvents('champion.', champion) ?? checkEvents('challenger.', challenger) ?? checkOptions(input);
  if (refusal !== null) return refusal;
  const n = champion.n + challenger.n;
  if (champion.n === 0 || challenger.n === 0) {
    return insufficient('nothing_measured', 'nothing was measured in an arm', n);
  }
  const isSmall = (arm: RateCounts) => needsSmallCounts({ ...arm, units: arm.n });
  if (!isSmall(champion) && !isSmall(challenger)) {
    return differenceOfMeans({ ...input, champion: proportionMean(champion), challenger: proportionMean(challenger) });
  }
  const phases = [{ champion: sumsOfTrials(champion), challenger: sumsOfTrials(challenger) }];
  const found = smallCountRate({ phases, alpha, relative, sided });
  return {
    kind: 'small_counts',
    why: reasonOfNull(found),
    ...found,
    alpha,
    n,
    events: champion.events + challenger.events,
  };
}

/** Sums of trials of which each is its own unit. */
export function sumsOfTrials({ n, events }: RateCounts) {
  return sumsOfValues({ n, sum: events, sumSquares: events });
}
