import type { ArmSums } from '#core/experiments/look.ts';
import { ratioVariance } from '#core/statistics/ratio.ts';

/** What is estimated. */
export const REPLAY_MEASURES = ['cost', 'outputTokens', 'failures', 'latency', 'overObjective'] as const;
export type ReplayMeasure = (typeof REPLAY_MEASURES)[number];

/** Inferences of one kind that one variant had, and that the proposed weights give to `proposed`. Sums over units. */
export interface ReplayCell {
  readonly actual: string;
  readonly proposed: string;
  /** Kinds of requests that are alike: endpoint, streamed or not, and size. */
  readonly kind: string;
  readonly inferences: number;
  readonly measures: Readonly<Record<ReplayMeasure, ArmSums>>;
}

/** An estimated number with the 95 % interval of its uncertainty. */
export interface Estimate {
  readonly value: number;
  readonly lower: number;
  readonly upper: number;
}

export interface ReplayFigure {
  /** As it was: a total, or for `failures`, `latency` and `overObjective` a mean. Null: nothing was measured. */
  readonly before: number | null;
  /** Null: a variant that would get traffic has nothing to estimate it by. */
  readonly after: Estimate | null;
  readonly difference: Estimate | null;
}

export interface Replay {
  readonly inferences: number;
  /** Of these: how many would have gone to another variant. */
  readonly moved: number;
  readonly figures: Readonly<Record<ReplayMeasure, ReplayFigure>>;
  /** Variants that would get traffic without having had enough to estimate by: their names. */
  readonly unknown: readonly string[];
}

/** Below it a kind's own mean is too uncertain, and the variant's mean over all kinds is taken. */
const MIN_UNITS = 30;
const Z_95 = 1.959963984540054;
const TOTALS: ReadonlySet<ReplayMeasure> = new Set(['cost', 'outputTokens']);
const NOTHING: ArmSums = { units: 0, n: 0, nSquares: 0, sum: 0, sumSquares: 0, products: 0 };

/**
 * What proposed weights would have done. What a variant had and keeps is taken as it was. What would move to a variant is estimated by
 * the mean that it had for inferences of the same kind, or, where it had too few of these, for all of its inferences:
 *
 *     after = Σ kept + Σ_means M·μ̂,        Var = Σ_means M²·V/U + Σ_cells U_m·(n̄_m)²·V
 *
 * with M all inferences that one mean is taken for (its error is the same for all of them, so it is not averaged out), and V/U the
 * variance of μ̂ over the U units that it was measured on (delta method, by unit: statistics/ratio.ts). The second term is that of the
 * U_m units of each cell that move, n̄_m inferences a unit: their own part of chance. Where only a share f of the units was looked at, the
 * units that were left out add (1 − f)/f²·Σ y² of a total, y being what a unit adds (Horvitz and Thompson); of a mean, its linearised form.
 * What it cannot know: that a variant behaves otherwise under another load.
 * @param share of the units that the cells hold, in (0, 1]: totals are scaled up by it
 */
export function replay(cells: readonly ReplayCell[], share: number): Replay {
  const figures = Object.fromEntries(
    REPLAY_MEASURES.map((measure) => [measure, figureOf(cells, measure, share)]),
  ) as Record<ReplayMeasure, ReplayFigure>;
  const inferences = cells.reduce((sum, cell) => sum + cell.inferences, 0);
  const moved = cells.reduce((sum, cell) => sum + (cell.actual === cell.proposed ? 0 : cell.inferences), 0);
  const scale = (count: number) => Math.round(count / share);
  return { inferences: scale(inferences), moved: scale(moved), figures, unknown: unknownVariants(cells) };
}

function unknownVariants(cells: readonly ReplayCell[]): string[] {
  const wanted = new Set(cells.filter(({ actual, proposed }) => actual !== proposed).map(({ proposed }) => proposed));
  return [...wanted].filter((variant) => overallOf(cells, variant, 'failures').units < MIN_UNITS).sort();
}

function figureOf(cells: readonly ReplayCell[], measure: ReplayMeasure, share: number): ReplayFigure {
  const measured = cells.map(({ measures }) => measures[measure]).reduce(add, NOTHING);
  if (measured.n === 0) return { before: null, after: null, difference: null };
  const isTotal = TOTALS.has(measure);
  const before = measured.sum / (isTotal ? share : measured.n);
  const parts = cells.map((cell) => partOf(cells, cell, measure));
  const known = parts.filter((part) => part !== null);
  const count = known.reduce((total, part) => total + part.count, 0);
  if (known.length < parts.length || count <= 0) return { before, after: null, difference: null };
  const per = isTotal ? share : count;
  const after = known.reduce((total, part) => total + part.sum, 0) / per;
  // What a unit adds to a mean is what it is away from it; to a total, all of it.
  const [meanBefore, meanAfter] = isTotal ? [0, 0] : [before, after];
  const perBefore = isTotal ? share : measured.n;
  const chance = chanceOf(known) / (per * per);
  const leftOut = (of: (part: Part) => Addend) =>
    (1 - share) * known.reduce((total, part) => total + squaresOf(part.sums, of(part)), 0);
  const around = (value: number, variance: number): Estimate => {
    const half = Z_95 * Math.sqrt(chance + variance);
    return { value, lower: value - half, upper: value + half };
  };
  const adds = ({ s, n, values }: Part): Addend => ({ s: s / per, n: (n - meanAfter * values) / per });
  const changes = (part: Part): Addend => {
    const { s, n } = adds(part);
    return { s: s - 1 / perBefore, n: n + meanBefore / perBefore };
  };
  return { before, after: around(after, leftOut(adds)), difference: around(after - before, leftOut(changes)) };
}

/** What a unit adds, by its own sum S and its own count n of values: `s`·S + `n`·n. */
interface Addend {
  readonly s: number;
  readonly n: number;
}

/** A cell as it would have been. */
interface Part extends Addend {
  readonly sums: ArmSums;
  readonly sum: number;
  readonly count: number;
  /** Values that it would have for each that it had. */
  readonly values: number;
  /** Null: it stays as it was. */
  readonly estimate: { readonly by: Estimator; readonly ownVariance: number } | null;
}

/** Null: there is nothing to estimate it by. */
function partOf(cells: readonly ReplayCell[], cell: ReplayCell, measure: ReplayMeasure): Part | null {
  const sums = cell.measures[measure];
  if (cell.actual === cell.proposed)
    return { sums, sum: sums.sum, count: sums.n, s: 1, n: 0, values: 1, estimate: null };
  const by = estimatorOf(cells, cell, measure);
  if (by === undefined) return null;
  // As many have a value there as the variant usually gives: of failures there is always one, of a cost only where prices are known.
  const count = cell.inferences * by.coverage;
  const values = sums.n === 0 ? 0 : count / sums.n;
  const estimate = { by, ownVariance: ownVariance(cell, count, by) };
  return { sums, sum: count * by.mean, count, s: 0, n: values * by.mean, values, estimate };
}

/** Variance of the sum of what was estimated. */
function chanceOf(parts: readonly Part[]): number {
  const estimated = parts.filter(({ estimate }) => estimate !== null);
  const own = estimated.reduce((total, { estimate }) => total + estimate!.ownVariance, 0);
  const byMean = Map.groupBy(estimated, ({ estimate }) => estimate!.by.of);
  return [...byMean.values()].reduce((total, some) => {
    const count = some.reduce((all, part) => all + part.count, 0);
    return total + count * count * some[0]!.estimate!.by.varianceOfMean;
  }, own);
}

/** Σ over units of (s·S + n·n)². */
function squaresOf({ sumSquares, products, nSquares }: ArmSums, { s, n }: Addend): number {
  return Math.max(0, s * s * sumSquares + 2 * s * n * products + n * n * nSquares);
}

interface Estimator {
  /** Which mean it is: one of a variant and kind, or of the whole variant. */
  readonly of: string;
  readonly mean: number;
  readonly varianceOfMean: number;
  /** Of one unit's part in the mean. */
  readonly unitVariance: number;
  /** Values per inference. */
  readonly coverage: number;
}

function estimatorOf(cells: readonly ReplayCell[], cell: ReplayCell, measure: ReplayMeasure): Estimator | undefined {
  const ofVariant = cells.filter(({ actual }) => actual === cell.proposed);
  const ofKind = ofVariant.filter(({ kind }) => kind === cell.kind);
  const means = [
    { of: JSON.stringify([cell.proposed, cell.kind]), some: ofKind },
    { of: JSON.stringify([cell.proposed]), some: ofVariant },
  ];
  for (const { of, some } of means) {
    const sums = some.map(({ measures }) => measures[measure]).reduce(add, NOTHING);
    if (sums.units < MIN_UNITS || sums.n === 0) continue;
    const unitVariance = ratioVariance(sums);
    const inferences = some.reduce((total, { inferences }) => total + inferences, 0);
    return {
      of,
      mean: sums.sum / sums.n,
      varianceOfMean: unitVariance / sums.units,
      unitVariance,
      coverage: sums.n / inferences,
    };
  }
  return undefined;
}

function ownVariance(cell: ReplayCell, values: number, { unitVariance }: Estimator): number {
  // Of failures every inference has a value, so that their units are all units of the cell.
  const { units } = cell.measures.failures;
  return units === 0 ? 0 : (values * values * unitVariance) / units;
}

function overallOf(cells: readonly ReplayCell[], variant: string, measure: ReplayMeasure): ArmSums {
  return cells
    .filter(({ actual }) => actual === variant)
    .map(({ measures }) => measures[measure])
    .reduce(add, NOTHING);
}

/** A unit that has inferences of several kinds is counted once for each: its parts are taken as independent. */
function add(a: ArmSums, b: ArmSums): ArmSums {
  return {
    units: a.units + b.units,
    n: a.n + b.n,
    nSquares: a.nSquares + b.nSquares,
    sum: a.sum + b.sum,
    sumSquares: a.sumSquares + b.sumSquares,
    products: a.products + b.products,
  };
}
