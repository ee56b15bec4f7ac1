import { type RawBuilder, sql } from 'kysely';
import type { Ingest } from '#core/experiments/definition.ts';
import type { ArmSums } from '#core/experiments/look.ts';
import { BUILTIN_METRICS, type BuiltinMetricName } from '#core/experiments/metrics.ts';
import { armSums, type FlatSums, SUMS } from './experiment-sums.ts';
import { measuredRows } from './inference-measures.ts';
import type { Tx } from './pool.ts';

/** Which rows of the log are compared. Times are half-open. */
export interface RowFilter {
  readonly organizationId: string;
  readonly groupId: string;
  readonly since: Date;
  readonly until: Date;
  /** Rows that count in an experiment; or all that a split of the group has assigned in one of its phases. */
  readonly of:
    | { readonly experimentId: string }
    | { readonly phase: number; readonly hashVersion: number; readonly variants: readonly string[] };
}

/** What rows are told apart by, beside their arm. */
export type Dimension =
  | { readonly kind: 'key' }
  /** The upstream model that the first attempt asked for. */
  | { readonly kind: 'version' }
  | { readonly kind: 'metadata'; readonly field: string };

/** The exact sums of a metric over the units of some rows. */
export interface RowSums {
  /** Of the dimension; null: the row has none. */
  readonly value: string | null;
  readonly metric: string;
  readonly phase: number;
  readonly arm: number;
  readonly sums: ArmSums | null;
}

/** What some rows of one phase and arm are, for showing. */
export interface RowFigures {
  readonly phase: number;
  readonly arm: number;
  readonly units: number;
  readonly failingUnits: number;
  readonly requests: number;
  readonly failures: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costMicroUsd: number;
  /** How many requests have a cost. */
  readonly withCost: number;
  /** Of first attempts that succeeded; null where there is none. */
  readonly latencyUs: { readonly n: number; readonly p50: number; readonly p95: number; readonly p99: number } | null;
}

const NO_DIMENSION = sql`NULL::text`;

/** The sums of built-in metrics by value of a dimension, phase and arm, in one statement. @param values the wanted ones; undefined: all */
export async function rowSums(
  tx: Tx,
  filter: RowFilter,
  ingest: Ingest,
  metrics: readonly BuiltinMetricName[],
  by?: { readonly dimension: Dimension; readonly values: readonly (string | null)[] },
): Promise<RowSums[]> {
  const of = metrics.map((metric) => {
    const { sum, count } = BUILTIN_METRICS[metric];
    return sql`(${metric}, ${sql.ref(sum)}, ${sql.ref(count)})`;
  });
  const { rows } = await sql<Omit<RowSums, 'sums'> & FlatSums>`
    SELECT value, metric, phase, arm, ${SUMS} FROM (
      SELECT value, metric, phase, arm, unit, sum(s)::numeric AS s, sum(n)::numeric AS n
      FROM (${rowsOf(filter, ingest, by?.dimension)}) AS measured CROSS JOIN LATERAL (VALUES ${sql.join(of)}) AS m (metric, s, n)
      WHERE ${by === undefined ? sql`true` : isOneOf(by.values)}
      GROUP BY value, metric, phase, arm, unit) AS v
    WHERE n > 0 GROUP BY value, metric, phase, arm ORDER BY value COLLATE "C", metric COLLATE "C", phase, arm`.execute(
    tx,
  );
  return rows.map((row) => {
    const { value, metric, phase, arm } = row;
    return { value, metric, phase, arm, sums: armSums(row) };
  });
}

/** The most frequent values of a dimension first, `limit` of them. */
export async function topValues(
  tx: Tx,
  filter: RowFilter,
  dimension: Dimension,
  limit: number,
): Promise<{ values: (string | null)[]; distinct: number; rows: number }> {
  const { rows } = await sql<{ value: string | null; distinct: number; rows: number }>`
    SELECT value, count(*) OVER () AS distinct, (sum(count(*)) OVER ())::bigint AS rows
    FROM (SELECT ${valueIn(dimension)} AS value FROM inferences AS row WHERE ${where(filter)}) AS v
    GROUP BY value ORDER BY count(*) DESC, value COLLATE "C" LIMIT ${limit}`.execute(tx);
  const [first] = rows;
  return { values: rows.map(({ value }) => value), distinct: first?.distinct ?? 0, rows: first?.rows ?? 0 };
}

/** Units, requests, failures, latencies, tokens and cost by phase and arm. */
export async function rowFigures(tx: Tx, filter: RowFilter, ingest: Ingest): Promise<RowFigures[]> {
  type Flat = Omit<RowFigures, 'latencyUs'> & { latencyN: number; quantiles: number[] | null };
  const { rows } = await sql<Flat>`
    SELECT phase, arm, count(DISTINCT unit) AS units, count(DISTINCT unit) FILTER (WHERE failures > 0) AS "failingUnits",
      count(*) AS requests, sum(failures)::bigint AS failures, sum(input_tokens)::bigint AS "inputTokens",
      sum(output_tokens)::bigint AS "outputTokens", sum(cost_micro_usd)::bigint AS "costMicroUsd", sum(cost_n)::bigint AS "withCost",
      sum(latency_n)::bigint AS "latencyN",
      (percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY latency_us) FILTER (WHERE latency_n > 0))::float8[] AS quantiles
    FROM (${rowsOf(filter, ingest, undefined)}) AS measured GROUP BY phase, arm ORDER BY phase, arm`.execute(tx);
  return rows.map(({ latencyN, quantiles, ...row }) => {
    const [p50, p95, p99] = quantiles ?? [];
    return { ...row, latencyUs: p99 === undefined ? null : { n: latencyN, p50: p50!, p95: p95!, p99 } };
  });
}

/** How many inferences of a group began in a time, from their rollups: what looking at the rows would cost. */
export async function countRows(tx: Tx, groupId: string, since: Date, until: Date): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT coalesce(sum(count + interrupted), 0)::bigint AS count FROM rollups
    WHERE group_id = ${groupId} AND minute >= date_trunc('minute', ${since}::timestamptz) AND minute < ${until}`.execute(
    tx,
  );
  return rows[0]!.count;
}

function rowsOf(filter: RowFilter, ingest: Ingest, dimension: Dimension | undefined): RawBuilder<unknown> {
  return measuredRows(where(filter), ingest, {
    value: dimension === undefined ? NO_DIMENSION : valueIn(dimension),
    unit: sql`row.unit`,
    ...('experimentId' in filter.of
      ? { phase: sql`row.experiment_phase`, arm: sql`row.arm` }
      : { phase: sql`1`, arm: sql`array_position(${[...filter.of.variants]}::text[], row.assigned_variant) - 1` }),
  });
}

/** Pinned sessions and mirrored calls say nothing about a variant. */
function where({ organizationId, groupId, since, until, of }: RowFilter): RawBuilder<unknown> {
  const counts =
    'experimentId' in of
      ? sql`row.experiment_id = ${of.experimentId}`
      : sql`row.phase = ${of.phase} AND row.hash_version = ${of.hashVersion}
          AND row.assigned_variant = ANY (${[...of.variants]}::text[])`;
  return sql`row.organization_id = ${organizationId} AND row.group_id = ${groupId} AND row.created_at >= ${since}
    AND row.created_at < ${until} AND row.shadow_of IS NULL AND row.served_reason NOT IN ('pinned', 'shadow') AND ${counts}`;
}

function valueIn(dimension: Dimension): RawBuilder<unknown> {
  switch (dimension.kind) {
    case 'key':
      return sql`row.key_id::text`;
    case 'version':
      return sql`row.attempts -> 0 ->> 'upstreamModel'`;
    case 'metadata':
      return sql`row.metadata ->> ${dimension.field}`;
    default:
      return dimension satisfies never;
  }
}

function isOneOf(values: readonly (string | null)[]): RawBuilder<unknown> {
  const known = values.filter((value) => value !== null);
  const named = sql`value = ANY (${known}::text[])`;
  return values.length === known.length ? named : sql`(${named} OR value IS NULL)`;
}
