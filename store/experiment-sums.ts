import { type RawBuilder, sql } from 'kysely';
import type { ArmSums } from '#core/experiments/look.ts';
import { BUILTIN_METRICS, isBuiltin } from '#core/experiments/metrics.ts';
import type { CovariateSums } from '#core/statistics/cuped.ts';
import type { Tx } from './pool.ts';

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
 * The sums of metrics by phase and arm, over units that have a value: all built-in ones in one pass over the units, and all others in
 * one more. They are exact whatever their size and in whatever order the rows came.
 */
export async function metricSums(tx: Tx, ref: ExperimentRef, metrics: readonly string[]): Promise<MetricSums[]> {
  const builtin = metrics.filter(isBuiltin);
  const later = metrics.filter((metric) => !isBuiltin(metric));
  return [
    ...(builtin.length === 0 ? [] : await builtinSums(tx, ref, builtin)),
    ...(later.length === 0 ? [] : await sumsOf(tx, laterValues(ref, later))),
  ];
}

/**
 * An aggregate a column instead of a row a metric, of `bigint`, which PostgreSQL adds up in 128 bits: at 1 000 000 units and five
 * metrics it takes a tenth of what `numeric` takes over a row for each unit and metric. Columns of a metric are 0 where it has no value.
 */
async function builtinSums(
  tx: Tx,
  { organizationId, experimentId }: ExperimentRef,
  metrics: readonly (keyof typeof BUILTIN_METRICS)[],
): Promise<MetricSums[]> {
  const columns = metrics.map(
    (metric) => sql`jsonb_build_object(${sql.join(aggregatesOf(metric))}) AS ${sql.ref(metric)}`,
  );
  const { rows } = await sql<FlatPlace & Record<string, FlatSums>>`
    SELECT phase, arm, ${sql.join(columns)} FROM experiment_units
    WHERE organization_id = ${organizationId} AND experiment_id = ${experimentId}
    GROUP BY phase, arm ORDER BY phase, arm`.execute(tx);
  return metrics.flatMap((metric) =>
    rows
      .filter((row) => row[metric]!.units !== '0')
      .map((row) => ({ metric, phase: row.phase, arm: row.arm, sums: armSums(row[metric]!) })),
  );
}

/** Bits of a sum that are squared by themselves, so that no square of less than 2^57 leaves `bigint`. */
const LOW_BITS = 26;
const LOW = sql.lit(2 ** LOW_BITS - 1);
const SHIFT = sql.lit(LOW_BITS);

/** Names and aggregates of `FlatSums`, in turn; as text, which no client rounds. */
function aggregatesOf(metric: keyof typeof BUILTIN_METRICS): RawBuilder<unknown>[] {
  const { kind, sum, count } = BUILTIN_METRICS[metric];
  const [s, n] = [sql.ref(sum), sql.ref(count)];
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

/** The sums of a metric beside those of its units' history; empty where no unit has one. */
export async function historySums(tx: Tx, ref: ExperimentRef, metric: string): Promise<HistorySums[]> {
  const values = isBuiltin(metric) ? builtinValues(ref, [metric]) : laterValues(ref, [metric]);
  const { rows } = await sql<FlatPlace & FlatSums & Record<'x' | 'xSquares' | 'sumX' | 'nX', string>>`
    WITH joined AS MATERIALIZED (
      SELECT v.phase, v.arm, v.s, v.n, h.sum / h.n AS mean
      FROM (${values}) AS v LEFT JOIN experiment_history AS h
        ON h.organization_id = ${ref.organizationId} AND h.experiment_id = ${ref.experimentId} AND h.metric = v.metric
          AND h.unit = v.unit AND h.n > 0
      WHERE v.n > 0),
    centre AS (SELECT phase, avg(mean) AS mean FROM joined GROUP BY phase HAVING count(mean) > 0)
    SELECT phase, arm, ${SUMS}, coalesce(sum(x), 0)::text AS x, coalesce(sum(x * x), 0)::text AS "xSquares",
      coalesce(sum(s * x), 0)::text AS "sumX", coalesce(sum(n * x), 0)::text AS "nX"
    FROM (SELECT j.phase, j.arm, j.s, j.n, j.mean - c.mean AS x FROM joined AS j JOIN centre AS c USING (phase)) AS centred
    GROUP BY phase, arm ORDER BY phase, arm`.execute(tx);
  return rows.map((row) => {
    const sums = armSums(row);
    const history = { x: Number(row.x), xSquares: Number(row.xSquares), sumX: Number(row.sumX), nX: Number(row.nX) };
    const isSound = sums !== null && Object.values(history).every(Number.isFinite);
    return { phase: row.phase, arm: row.arm, sums: isSound ? { ...sums, ...history } : null };
  });
}

/** Of these metrics, those of which units have a history. */
export async function metricsWithHistory(tx: Tx, ref: ExperimentRef, metrics: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ metric: string }>`
    SELECT metric FROM unnest(${[...metrics]}::text[]) AS wanted (metric)
    WHERE EXISTS (SELECT FROM experiment_history AS h WHERE h.organization_id = ${ref.organizationId}
      AND h.experiment_id = ${ref.experimentId} AND h.metric = wanted.metric)`.execute(tx);
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

/** Over rows with `s` and `n`: a unit's sum of a metric, and of how many values. */
export const SUMS = sql`count(*)::text AS units, sum(n)::text AS count, sum(n * n)::text AS "countSquares", sum(s)::text AS sum,
  sum(s * s)::text AS "sumSquares", sum(s * n)::text AS products`;

async function sumsOf(tx: Tx, values: RawBuilder<unknown>): Promise<MetricSums[]> {
  const { rows } = await sql<FlatPlace & FlatSums & { metric: string }>`
    SELECT metric, phase, arm, ${SUMS} FROM (${values}) AS v WHERE n > 0
    GROUP BY metric, phase, arm ORDER BY metric, phase, arm`.execute(tx);
  return rows.map((row) => ({ metric: row.metric, phase: row.phase, arm: row.arm, sums: armSums(row) }));
}

/** S and n of each unit and metric, as `metric, phase, arm, unit, s, n`. */
function builtinValues(ref: ExperimentRef, metrics: readonly (keyof typeof BUILTIN_METRICS)[]): RawBuilder<unknown> {
  const values = metrics.map((metric) => {
    const { sum, count } = BUILTIN_METRICS[metric];
    return sql`(${metric}, u.${sql.ref(sum)}::numeric, u.${sql.ref(count)}::numeric)`;
  });
  return sql`
    SELECT m.metric, u.phase, u.arm, u.unit, m.s, m.n
    FROM experiment_units AS u CROSS JOIN LATERAL (VALUES ${sql.join(values)}) AS m (metric, s, n)
    WHERE u.organization_id = ${ref.organizationId} AND u.experiment_id = ${ref.experimentId}`;
}

function laterValues(ref: ExperimentRef, metrics: readonly string[]): RawBuilder<unknown> {
  return sql`
    SELECT m.metric, m.phase, m.arm, m.unit, m.sum AS s, m.n::numeric AS n
    FROM experiment_unit_metrics AS m
    WHERE m.organization_id = ${ref.organizationId} AND m.experiment_id = ${ref.experimentId}
      AND m.metric = ANY (${[...metrics]}::text[])`;
}

/** The nearest numbers to the exact sums; null where one is NaN or beyond what a number can be. */
export function armSums(row: FlatSums): ArmSums | null {
  const sums = {
    ...{ units: Number(row.units), n: Number(row.count), nSquares: Number(row.countSquares) },
    ...{ sum: Number(row.sum), sumSquares: Number(row.sumSquares), products: Number(row.products) },
  };
  return Object.values(sums).every(Number.isFinite) ? sums : null;
}
