import type { ArmSums } from '#core/experiments/look.ts';
import { ratioVariance } from '#core/statistics/ratio.ts';
import { type LinearForm, type SampledUnits, samplingVariance } from './sampling.ts';

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
 *     after = Σ kept + Σ_means m·μ̂,        Var = Σ_means m²·V/U + U_m·(n̄_m)²·V
 *
 * with m inferences of U_m units that a mean stands for, from whatever variants they come (n̄_m of them a unit), and V/U the variance of
 * μ̂ over the U units that it was measured on (delta method, by unit: statistics/ratio.ts). The second term is that
 * of the units that move: their own part of chance. Of a sample of the units, what it may have missed comes on top (sampling.ts).
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
  const { before, count, after, countAfter, variance, isKnown, units } = addUp(cells, measure, share);
  if (count === 0) return { before: null, after: null, difference: null };
  const isTotal = TOTALS.has(measure);
  const [per, perAfter] = isTotal ? [share, share] : [count, countAfter];
  const beforeValue = before / per;
  if (!isKnown || perAfter <= 0) return { before: beforeValue, after: null, difference: null };
  const value = after / perAfter;
  const formOf = (of: number): LinearForm => ({ sum: 1, count: isTotal ? 0 : of });
  const scaled = ({ sum, count }: LinearForm, by: number): LinearForm => ({ sum: sum * by, count: count * by });
  const around = (estimate: number, was: LinearForm): Estimate => {
    const sampled = samplingVariance(units, formOf(value), was, share);
    const half = (Z_95 * Math.sqrt(variance + sampled)) / perAfter;
    return { value: estimate, lower: estimate - half, upper: estimate + half };
  };
  return {
    before: beforeValue,
    after: around(value, { sum: 0, count: 0 }),
    difference: around(value - beforeValue, scaled(formOf(beforeValue), perAfter / per)),
  };
}

/** What a measure was and would be, of the sample's units. */
interface Sums {
  readonly before: number;
  readonly count: number;
  readonly after: number;
  readonly countAfter: number;
  /** Of `after`, apart from the sampling of units. */
  readonly variance: number;
  /** Whether all that moves could be estimated. */
  readonly isKnown: boolean;
  readonly units: readonly SampledUnits[];
}

const KEPT: SampledUnits['after'] = { sumOfSum: 1, sumOfCount: 0, countOfCount: 1 };

function addUp(cells: readonly ReplayCell[], measure: ReplayMeasure, share: number): Sums {
  let [before, count, after, countAfter, variance] = [0, 0, 0, 0, 0];
  let isKnown = true;
  const units = new Map<ReplayCell, Omit<SampledUnits, 'pull'>>();
  const estimatorOf = estimators(cells, measure);
  const byEstimator = new Map<Estimator, number>();
  for (const cell of cells) {
    const sums = cell.measures[measure];
    before += sums.sum;
    count += sums.n;
    if (cell.actual === cell.proposed) {
      after += sums.sum;
      countAfter += sums.n;
      units.set(cell, { sums, after: KEPT, before: 1 });
      continue;
    }
    const by = estimatorOf(cell);
    if (by === null) {
      isKnown = false;
      continue;
    }
    // As many have a value there as the variant usually gives: of failures there is always one, of a cost only where prices are known.
    const values = cell.inferences * by.coverage;
    countAfter += values;
    after += values * by.mean;
    // Of a sample: the whole has 1/share times as many units that move, each with its own part of chance.
    variance += share * ownVariance(cell, values, by);
    byEstimator.set(by, (byEstimator.get(by) ?? 0) + values);
    units.set(cell, movedUnits(cell, sums, values, by));
  }
  // Whatever is estimated by the same mean shares its error.
  for (const [by, values] of byEstimator) variance += values * values * by.varianceOfMean;
  const pulls = pullsOf(byEstimator);
  const pulled = [...units].map(([cell, unit]) => ({ ...unit, pull: pulls.get(cell) ?? NO_PULL }));
  return { before, count, after, countAfter, variance, isKnown, units: pulled };
}

const NO_PULL: SampledUnits['pull'] = { sum: 0, count: 0 };

/** A unit of a mean's own cells moves it by (S − μ̂n)/Σn, and with it all that it stands for. */
function pullsOf(byEstimator: ReadonlyMap<Estimator, number>): ReadonlyMap<ReplayCell, SampledUnits['pull']> {
  const pulls = new Map<ReplayCell, SampledUnits['pull']>();
  for (const [{ cells, count, mean }, values] of byEstimator) {
    for (const cell of cells) {
      const { sum, count: ofCount } = pulls.get(cell) ?? NO_PULL;
      pulls.set(cell, { sum: sum + values / count, count: ofCount - (values / count) * mean });
    }
  }
  return pulls;
}

/** A unit gets its part of the values that move by the values that it had; where none had any, by its inferences. */
function movedUnits(
  { measures }: ReplayCell,
  sums: ArmSums,
  values: number,
  { mean }: Estimator,
): Omit<SampledUnits, 'pull'> {
  const { n, nSquares } = measures.failures;
  const [of, before] = sums.n > 0 ? [sums, 1 as const] : [{ ...NOTHING, n, nSquares }, 0 as const];
  const perCount = of.n === 0 ? 0 : values / of.n;
  return { sums: of, after: { sumOfSum: 0, sumOfCount: perCount * mean, countOfCount: perCount }, before };
}

interface Estimator {
  readonly mean: number;
  readonly varianceOfMean: number;
  /** Of one unit's part in the mean. */
  readonly unitVariance: number;
  /** Values per inference. */
  readonly coverage: number;
  /** What it was measured on, and the values there. */
  readonly cells: readonly ReplayCell[];
  readonly count: number;
}

/** For a cell that moves: the mean of its kind at the variant it goes to, or that of the variant, or null. */
function estimators(cells: readonly ReplayCell[], measure: ReplayMeasure): (cell: ReplayCell) => Estimator | null {
  const ofVariants = Map.groupBy(cells, ({ actual }) => actual);
  const overall = new Map([...ofVariants].map(([variant, some]) => [variant, estimatorFrom(some, measure)]));
  const byKind = new Map(
    [...ofVariants].map(([variant, some]) => {
      const ofKinds = [...Map.groupBy(some, ({ kind }) => kind)];
      return [variant, new Map(ofKinds.map(([kind, alike]) => [kind, estimatorFrom(alike, measure)]))];
    }),
  );
  return ({ proposed, kind }) => byKind.get(proposed)?.get(kind) ?? overall.get(proposed) ?? null;
}

function estimatorFrom(some: readonly ReplayCell[], measure: ReplayMeasure): Estimator | null {
  const sums = some.map(({ measures }) => measures[measure]).reduce(add, NOTHING);
  if (sums.units < MIN_UNITS || sums.n === 0) return null;
  const unitVariance = ratioVariance(sums);
  const inferences = some.reduce((sum, { inferences }) => sum + inferences, 0);
  return {
    mean: sums.sum / sums.n,
    varianceOfMean: unitVariance / sums.units,
    unitVariance,
    coverage: sums.n / inferences,
    cells: some,
    count: sums.n,
  };
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
