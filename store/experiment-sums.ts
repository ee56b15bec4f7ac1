import { type RawBuilder, sql } from 'kysely';
import type { ArmSums } from '#core/experiments/look.ts';
import { BUILTIN_METRICS, type BuiltinMetricName, isBuiltin, type MetricKind } from '#core/experiments/metrics.ts';
import type { CovariateSums } from '#core/statistics/cuped.ts';
import { foldedHistory, foldedSums, isUnfolded } from './folded-sums.ts';
import type { Tx } from './pool.ts';
import { squaredDeviations } from './squared-deviations.ts';

/** What is summed: an experiment of an organization. */
export interface ExperimentRef {
  readonly organizationId: string;
  readonly experimentId: string;
}

/** The exact sums of a metric in one phase and arm. */
export interface MetricSums {
  readonly metric: string;
  readonly phase: number;
  readonly arm: number;
  /** Null: a sum is no number, or too large for one. Nothing may be concluded from it. */
  readonly sums: ArmSums | null;
}

/** Sums with those of what units did before: X is a unit's mean then, less the mean of all units that have one; 0 for the others. */
export interface HistorySums {
  readonly phase: number;
  readonly arm: number;
  /** Null as above. */
  readonly sums: CovariateSums | null;
}

/**
 * The sums of metrics by phase and arm, over units that have a value. They are exact whatever their size and in whatever order the rows
 * came; of an experiment that is over, they are those that its units left behind.
 */
export async function metricSums(tx: Tx, ref: ExperimentRef, metrics: readonly string[]): Promise<MetricSums[]> {
  const rows: FlatMetric[] = [];
  for (const { names, sum } of passesOver(ref, metrics)) {
    // Each by itself: the units may be folded between two statements, and a pass that finds none must not take the other one's word.
    const ofUnits = await sum(tx);
    rows.push(...(ofUnits.length > 0 ? ofUnits : await foldedSums(tx, ref, names)));
  }
  return rows.map(({ sums, ...place }) => ({ ...place, sums: armSums(sums) }));
}

/** The same from its units, as they are added up. */
export async function unitSums(tx: Tx, ref: ExperimentRef, metrics: readonly string[]): Promise<FlatMetric[]> {
  const rows: FlatMetric[] = [];
  for (const { sum } of passesOver(ref, metrics)) rows.push(...(await sum(tx)));
  return rows;
}

/** All built-in metrics are summed in one pass over the units, and all others in one more. */
function passesOver(ref: ExperimentRef, metrics: readonly string[]) {
  const builtin = metrics.filter(isBuiltin);
  const later = metrics.filter((metric) => !isBuiltin(metric));
  const passes = [
    { names: builtin, sum: (tx: Tx) => builtinSums(tx, ref, builtin) },
    { names: later, sum: (tx: Tx) => sumsOf(tx, laterValues(ref, later)) },
  ];
  return passes.filter(({ names }) => names.length > 0);
}

/**
 * An aggregate a column instead of a row a metric, of `bigint`, which PostgreSQL adds up in 128 bits: of 1 000 000 units and
 * five metrics that is 1.8 s of CPU, where `numeric` over a row for each unit and metric takes 12.5 s. Columns of a metric are 0 where it has no value.
 */
async function builtinSums(tx: Tx, ref: ExperimentRef, metrics: readonly BuiltinMetricName[]): Promise<FlatMetric[]> {
  const columns = metrics.map((metric) => {
    const { kind, sum, count } = BUILTIN_METRICS[metric];
    return sql`jsonb_build_object(${sql.join(aggregatesOf(kind, sql.ref(sum), sql.ref(count)))}) AS ${sql.ref(metric)}`;
  });
  const { rows } = await sql<FlatPlace & Record<string, FlatSums>>`
    SELECT phase, arm, ${sql.join(columns)} FROM ${UNITS} AS u
    WHERE organization_id = ${ref.organizationId} AND experiment_id = ${ref.experimentId} AND ${isUnfolded(ref)}
    GROUP BY phase, arm ORDER BY phase, arm`.execute(tx);
  return metrics.flatMap((metric) =>
    rows
      .filter((row) => row[metric]!.units !== '0')
      .map((row) => ({ metric, phase: row.phase, arm: row.arm, sums: row[metric]! })),
  );
}

/** The units, with how many inferences each sum of tokens is made of: of the reports of usage, some say nothing of one side. */
const UNITS = sql`(SELECT *, usage_n - without_input AS input_n, usage_n - without_output AS output_n FROM experiment_units)`;

/** Bits of a sum that are squared by themselves, so that no square of less than 2^57 leaves `bigint`. */
const LOW_BITS = 26;
const LOW = sql.lit(2 ** LOW_BITS - 1);
const SHIFT = sql.lit(LOW_BITS);

/** Names and aggregates of `FlatSums`, in turn, over whole numbers; as text, which no client rounds. */
function aggregatesOf(kind: MetricKind, s: RawBuilder<unknown>, n: RawBuilder<unknown>): RawBuilder<unknown>[] {
  // Of a rate, a unit has no more than it has requests. Other sums are taken apart: s = h·2^26 + l.
  const [h, l] = [sql`(${s} >> ${SHIFT})`, sql`(${s} & ${LOW})`];
  const weight = (bits: number) => sql.lit(2 ** bits);
  const squares =
    kind === 'rate'
      ? sql`sum(${s} * ${s})`
      : sql`sum(${h} * ${h}) * ${weight(2 * LOW_BITS)} + sum(${h} * ${l}) * ${weight(LOW_BITS + 1)} + sum(${l} * ${l})`;
  const products =
    kind === 'rate' ? sql`sum(${s} * ${n})` : sql`sum(${h} * ${n}) * ${weight(LOW_BITS)} + sum(${l} * ${n})`;
  const text = (value: RawBuilder<unknown>) => sql`(${value})::text`;
  return [
    ...[sql`'units'`, text(sql`count(*) FILTER (WHERE ${n} > 0)`), sql`'count'`, text(sql`sum(${n})`)],
    ...[sql`'countSquares'`, text(sql`sum(${n} * ${n})`), sql`'sum'`, text(sql`sum(${s})`)],
    ...[sql`'sumSquares'`, text(squares), sql`'products'`, text(products)],
  ];
}

const X_SCALE = 2 ** 28;
const MAX_X = 2 ** 34;

/**
 * The covariate of a unit that had `n` values with a `sum` of that much before the experiment: their mean, in whole units of 2^-28 and up to
 * 2^34, so that sums of it are exact. Null where there were none. It is kept in `experiment_history.x`.
 */
export function covariateOf(n: RawBuilder<unknown>, sum: RawBuilder<unknown>): RawBuilder<unknown> {
  const [most, scale] = [sql.lit(MAX_X), sql.lit(X_SCALE)];
  return sql`CASE WHEN ${n} > 0 THEN round(least((${sum})::float8 / ${n}, ${most}::float8) * ${scale}::float8)::bigint END`;
}

/**
 * The sums of a built-in metric beside those of its units' history; empty where no unit has one. X is a whole number,
 * so its sums are exact too; rows of the releases before lack it. Any fixed function of the time before is a fair covariate. It is centred after it has been summed:
 *
 *     Σ(X − c) = ΣX − cm      Σ(X − c)² = ΣX² − 2cΣX + c²m      ΣS(X − c) = ΣSX − cΣS      over the m units that have a history
 */
export async function historySums(tx: Tx, ref: ExperimentRef, metric: BuiltinMetricName): Promise<HistorySums[]> {
  const ofUnits = await unitHistorySums(tx, ref, metric);
  const rows = ofUnits.length > 0 ? ofUnits : await foldedHistory(tx, ref, metric);
  return rows.map((row) => {
    const sums = armSums(row.sums);
    const xOf = (value: string) => Number(value) / X_SCALE;
    const history = { x: xOf(row.x), xSquares: xOf(row.xSquares) / X_SCALE, sumX: xOf(row.sumX), nX: xOf(row.nX) };
    const isSound = sums !== null && Object.values(history).every(Number.isFinite);
    return { phase: row.phase, arm: row.arm, sums: isSound ? { ...sums, ...history } : null };
  });
}

/** The same from its units, as they are added up. */
export async function unitHistorySums(tx: Tx, ref: ExperimentRef, metric: BuiltinMetricName): Promise<FlatHistory[]> {
  const { kind, sum, count } = BUILTIN_METRICS[metric];
  const { rows } = await sql<FlatHistory>`
    WITH units AS (
      SELECT u.phase, u.arm, u.${sql.ref(sum)} AS s, u.${sql.ref(count)} AS n,
        coalesce(h.x, ${covariateOf(sql`h.n`, sql`h.sum`)}) AS x
      FROM ${UNITS} AS u LEFT JOIN experiment_history AS h
        ON h.organization_id = ${ref.organizationId} AND h.experiment_id = ${ref.experimentId} AND h.metric = ${metric}
          AND h.unit = u.unit
      WHERE u.organization_id = ${ref.organizationId} AND u.experiment_id = ${ref.experimentId} AND u.${sql.ref(count)} > 0
        AND ${isUnfolded(ref)}),
    arms AS (
      SELECT phase, arm, jsonb_build_object(${sql.join(aggregatesOf(kind, sql.ref('s'), sql.ref('n')))}) AS sums, count(x) AS m,
        coalesce(sum(x), 0) AS x, coalesce(sum(x::numeric * x), 0) AS xx, coalesce(sum(s::numeric * x), 0) AS sx,
        coalesce(sum(n::numeric * x), 0) AS nx, coalesce(sum(s) FILTER (WHERE x IS NOT NULL), 0) AS s,
        coalesce(sum(n) FILTER (WHERE x IS NOT NULL), 0) AS n
      FROM units GROUP BY phase, arm),
    centred AS (
      SELECT *, round(sum(x) OVER (PARTITION BY phase) / nullif(sum(m) OVER (PARTITION BY phase), 0)) AS c FROM arms)
    SELECT phase, arm, sums, (x - c * m)::text AS x, (xx - 2 * c * x + c * c * m)::text AS "xSquares",
      (sx - c * s)::text AS "sumX", (nx - c * n)::text AS "nX"
    FROM centred WHERE c IS NOT NULL ORDER BY phase, arm`.execute(tx);
  return rows;
}

/** Of these metrics, those of which units have a history: built-in ones alone can have one. */
export async function metricsWithHistory(
  tx: Tx,
  ref: ExperimentRef,
  metrics: readonly string[],
): Promise<BuiltinMetricName[]> {
  const { rows } = await sql<{ metric: BuiltinMetricName }>`
    SELECT metric FROM unnest(${metrics.filter(isBuiltin)}::text[]) AS wanted (metric)
    WHERE EXISTS (SELECT FROM experiment_history AS h WHERE h.organization_id = ${ref.organizationId}
      AND h.experiment_id = ${ref.experimentId} AND h.metric = wanted.metric)
      OR EXISTS (SELECT FROM experiment_sums AS s WHERE s.organization_id = ${ref.organizationId}
        AND s.experiment_id = ${ref.experimentId} AND s.metric = wanted.metric AND s.history IS NOT NULL)`.execute(tx);
  return rows.map(({ metric }) => metric);
}

interface FlatPlace {
  readonly phase: number;
  readonly arm: number;
}

/** As PostgreSQL writes them: `numeric`, which no client rounds. */
export interface FlatSums {
  readonly units: string;
  readonly count: string;
  readonly countSquares: string;
  readonly sum: string;
  readonly sumSquares: string;
  readonly products: string;
}

export interface FlatMetric extends FlatPlace {
  readonly metric: string;
  readonly sums: FlatSums;
}

/** With those of the covariate, in units of 2^-28. */
export interface FlatHistory extends FlatPlace {
  readonly sums: FlatSums;
  readonly x: string;
  readonly xSquares: string;
  readonly sumX: string;
  readonly nX: string;
}

/** Over rows with `s` and `n`: a unit's sum of a metric, and of how many values. */
export const SUMS = sql`count(*)::text AS units, sum(n)::text AS count, sum(n * n)::text AS "countSquares", sum(s)::text AS sum,
  sum(s * s)::text AS "sumSquares", sum(s * n)::text AS products`;

async function sumsOf(tx: Tx, values: RawBuilder<unknown>): Promise<FlatMetric[]> {
  const { rows } = await sql<FlatPlace & FlatSums & { metric: string }>`
    SELECT metric, phase, arm, ${SUMS} FROM (${values}) AS v WHERE n > 0
    GROUP BY metric, phase, arm ORDER BY metric, phase, arm`.execute(tx);
  return rows.map(({ metric, phase, arm, ...sums }) => ({ metric, phase, arm, sums }));
}

/** S and n of each unit and metric, as `metric, phase, arm, unit, s, n`. */
function laterValues(ref: ExperimentRef, metrics: readonly string[]): RawBuilder<unknown> {
  return sql`
    SELECT m.metric, m.phase, m.arm, m.unit, m.sum AS s, m.n::numeric AS n
    FROM experiment_unit_metrics AS m
    WHERE m.organization_id = ${ref.organizationId} AND m.experiment_id = ${ref.experimentId}
      AND m.metric = ANY (${[...metrics]}::text[]) AND ${isUnfolded(ref)}`;
}

/** The nearest numbers to the exact sums, and what units deviate, from the sums themselves; null where one is NaN or beyond what a number can be. */
export function armSums(row: FlatSums): ArmSums | null {
  const sums = {
    ...{ units: Number(row.units), n: Number(row.count), nSquares: Number(row.countSquares) },
    ...{ sum: Number(row.sum), sumSquares: Number(row.sumSquares), products: Number(row.products) },
  };
  if (!Object.values(sums).every(Number.isFinite)) return null;
  return sums.n === 0 ? sums : { ...sums, deviations: squaredDeviations(row) };
}
