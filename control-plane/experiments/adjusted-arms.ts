import type { AdjustedArm } from '#core/experiments/look.ts';
import { cupedArms } from '#core/statistics/cuped.ts';
import type { HistorySums } from '#store/experiment-sums.ts';

/**
 * The means of a phase's arms after taking away what units' history already explains (CUPED).
 *
 * @param sums of one phase
 * @returns by arm; null where an arm has too little to adjust. Undefined: history explains nothing, or there is none.
 */
export function adjustedArms(sums: readonly HistorySums[], arms: number): readonly (AdjustedArm | null)[] | undefined {
  const enough = sums.flatMap(({ arm, sums }) => (sums !== null && sums.units > 1 ? [{ arm, sums }] : []));
  const adjusted = cupedArms(enough.map(({ sums }) => sums));
  if (adjusted.kind === 'refused' || adjusted.theta === 0) return undefined;
  const byArm = new Map(enough.map(({ arm }, at) => [arm, adjusted.arms[at]!]));
  return Array.from({ length: arms }, (_, arm) => {
    const found = byArm.get(arm);
    return found === undefined ? null : { mean: found.mean, varianceOfMean: found.varianceOfMean };
  });
}
