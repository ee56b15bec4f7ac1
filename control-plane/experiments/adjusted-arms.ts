import type { AdjustedArm } from '#core/experiments/look.ts';
import type { HistorySums } from '#store/experiment-sums.ts';

/**
 * The means of a phase's arms after taking away what units' history already explains (CUPED), for a ratio ΣS/Σn. Each unit stands for
 * Y = R + (S − R·n)/n̄, whose mean is the ratio R and whose variance is that of the delta method; θ = Cov(Y, X)/Var(X) is one for all
 * arms, so that it cannot make a difference between them; then Ȳ − θX̄, with Var(Y) + θ²Var(X) − 2θCov(Y, X).
 *
 * @param sums of one phase
 * @returns by arm; null where an arm has nothing to adjust. Undefined: history explains nothing, or nobody has one.
 */
export function adjustedArms(sums: readonly HistorySums[], arms: number): readonly (AdjustedArm | null)[] | undefined {
  const parts = sums.filter(({ sums: { units } }) => units > 1).map(partOf);
  const allCrossed = parts.reduce((sum, { crossed }) => sum + crossed, 0);
  const allSquares = parts.reduce((sum, { xSquares }) => sum + xSquares, 0);
  if (!(allSquares > 0) || allCrossed === 0) return undefined;
  const theta = allCrossed / allSquares;
  return Array.from({ length: arms }, (_, arm) => {
    const part = parts.find((one) => one.arm === arm);
    if (part === undefined) return null;
    const { ratio, xMean, ySquares, xSquares, crossed, units } = part;
    // Rounding can bring what history explains wholly below nothing.
    const residual = Math.max(0, ySquares + theta * theta * xSquares - 2 * theta * crossed);
    return { mean: ratio - theta * xMean, varianceOfMean: residual / (units - 1) / units };
  });
}

/** Σ(Y − Ȳ)², Σ(X − X̄)² and Σ(Y − Ȳ)(X − X̄) of an arm, from its sums. */
function partOf({ arm, sums, x, xSquares, sumX, countX }: HistorySums) {
  const { units, n, nSquares, sum, sumSquares, products } = sums;
  const ratio = sum / n;
  const meanCount = n / units;
  return {
    ...{ arm, units, ratio, xMean: x / units },
    ySquares: (sumSquares - 2 * ratio * products + ratio * ratio * nSquares) / (meanCount * meanCount),
    xSquares: xSquares - (x * x) / units,
    // Σ(Y − Ȳ) is 0, so X need not be centred here.
    crossed: (sumX - ratio * countX) / meanCount,
  };
}
