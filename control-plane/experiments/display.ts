import type { PhaseUnits } from '#core/experiments/look.ts';
import { countOf, type Histogram, mergeHistograms, quantileOf } from '#core/histogram.ts';
import { newcombe, orderStatisticRanks, wilson } from '#core/statistics/intervals.ts';
import type { ArmTotals } from '#store/experiments.ts';
import type { AnalysisView, QuantileView } from './experiment-schemas.ts';

const NS_PER_MS = 1_000_000;
const QUANTILES = [0.5, 0.95, 0.99] as const;
const NOTICE =
  'Figures of a fixed sample, by request and over all phases. They are right for one look at a size fixed beforehand, and take requests ' +
  'of one unit for independent. Nothing is decided by them.';

/** What an analysis shows beside what decides: quantiles from histograms, intervals of a fixed sample. */
export function displayOf(
  arms: number,
  phases: readonly PhaseUnits[],
  totals: readonly ArmTotals[],
): AnalysisView['display'] {
  const ofArms = <Result>(each: (arm: number) => Result) => Array.from({ length: arms }, (_, arm) => each(arm));
  const merged = (arm: number, histogram: (of: ArmTotals) => Histogram) =>
    totals
      .filter((total) => total.arm === arm)
      .reduce<Histogram>((sum, total) => mergeHistograms(sum, histogram(total)), {});
  const counts = ofArms((arm) => ({
    n: phases.reduce((sum, { requests }) => sum + (requests[arm] ?? 0), 0),
    events: phases.reduce((sum, { failures }) => sum + (failures[arm] ?? 0), 0),
  }));
  return {
    notice: NOTICE,
    latency: ofArms((arm) => quantilesOf(merged(arm, ({ latency }) => latency))),
    firstToken: ofArms((arm) => quantilesOf(merged(arm, ({ firstToken }) => firstToken))),
    errorRate: counts.map((of) => intervalOf(of.events / of.n, wilson(of))),
    errorRateDifference: counts
      .slice(1)
      .map((of) => intervalOf(of.events / of.n - counts[0]!.events / counts[0]!.n, newcombe(counts[0]!, of))),
  };
}

/** Quantiles of a histogram of nanoseconds, with the order statistics between which each lies with 95 %. */
function quantilesOf(histogram: Histogram): QuantileView[] {
  const n = countOf(histogram);
  return QUANTILES.flatMap((quantile) => {
    const ranks = orderStatisticRanks(n, quantile);
    if (ranks.kind === 'refused') return [];
    const { lower, upper } = ranks;
    return [
      {
        quantile,
        valueMs: valueMs(histogram, quantile),
        lowerMs: valueMs(histogram, shareOf(lower, n)),
        upperMs: valueMs(histogram, shareOf(upper, n)),
        ranks: { lower, upper, of: n },
      },
    ];
  });
}

/** The share at which `quantileOf` takes this rank, clear of rounding. */
function shareOf(rank: number, n: number): number {
  return (rank - 0.5) / n;
}

function valueMs(histogram: Histogram, quantile: number): number {
  return quantileOf(histogram, quantile)! / NS_PER_MS;
}

function intervalOf(value: number, interval: ReturnType<typeof wilson>) {
  return interval.kind === 'refused' ? null : { value, lower: interval.lower, upper: interval.upper };
}
