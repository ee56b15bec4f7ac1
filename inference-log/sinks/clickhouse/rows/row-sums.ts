import { createHash } from 'node:crypto';
import type { Ingest } from '#core/experiments/definition.ts';
import { BUILTIN_METRICS } from '#core/experiments/metrics.ts';
import { armSums, type FlatSums } from '#store/experiment-sums.ts';
import type { LogRows } from '#store/log-rows.ts';
import type { Dimension, RowFilter } from '#store/row-sums.ts';
import { INFERENCES } from '../columns.ts';
import { type Fragment, int, join, moment, name, sql, text, texts, uuid } from '../statement.ts';
import { type Asking, countOf } from './asking.ts';
import { measuredRows } from './measured-rows.ts';
import { flatSums } from './unit-sums.ts';

const NO_DIMENSION = sql`CAST(NULL, 'Nullable(String)')`;

/** The questions of store/row-sums.ts. */
export function createRowSums(asking: Asking): Pick<LogRows, 'rowSums' | 'topValues' | 'rowFigures'> {
  return {
    async rowSums({ leftMs }, filter, ingest, metrics, by) {
      const of = metrics.map((metric) => {
        const { sum, count } = BUILTIN_METRICS[metric];
        return sql`(${text(metric)}, toInt128(${name(sum)}), toInt128(${name(count)}))`;
      });
      const rows = await asking.lines<FlatSums & { value: string | null; metric: string; phase: number; arm: number }>(
        sql`SELECT value, metric, at_phase AS phase, at_arm AS arm, ${flatSums()} FROM (
            SELECT value, measure.1 AS metric, at_phase, at_arm, of_unit, sum(measure.2) AS s, sum(measure.3) AS n
            FROM (${rowsOf(filter, ingest, by?.dimension)}) ARRAY JOIN [${join(of)}] AS measure
            WHERE ${by === undefined ? sql`true` : isOneOf(by.values)}
            GROUP BY value, metric, at_phase, at_arm, of_unit)
          WHERE n > 0 GROUP BY value, metric, at_phase, at_arm ORDER BY value, metric, at_phase, at_arm`,
        await leftMs(),
      );
      return rows.map((row) => {
        const { value, metric, phase, arm } = row;
        return { value, metric, ...{ phase: Number(phase), arm: Number(arm) }, sums: armSums(row) };
      });
    },
    async topValues({ leftMs }, filter, dimension, limit) {
      const rows = await asking.lines<{ value: string | null; different: string; rows: string }>(
        sql`SELECT value, count() OVER () AS different, sum(found) OVER () AS rows
          FROM (SELECT ${valueIn(dimension)} AS value, count() AS found FROM ${name(INFERENCES.name)} FINAL
            WHERE ${where(filter)} GROUP BY value)
          ORDER BY found DESC, value LIMIT ${int(limit)}`,
        await leftMs(),
      );
      const [first] = rows;
      return {
        values: rows.map(({ value }) => value),
        distinct: countOf(first?.different ?? 0),
        rows: countOf(first?.rows ?? 0),
      };
    },
    async rowFigures({ leftMs }, filter, ingest) {
      const rows = await asking.lines<Record<string, unknown>>(
        sql`SELECT at_phase, at_arm, uniqExact(of_unit) AS units, uniqExactIf(of_unit, failures > 0) AS failing_units, count() AS total,
            sum(failures) AS failed, sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out, sum(cost_micro_usd) AS costs,
            sum(cost_n) AS with_cost, sum(latency_n) AS timed,
            quantilesExactWeightedIf(0.5, 0.95, 0.99)(latency_us, 1, latency_n > 0) AS quantiles
          FROM (${rowsOf(filter, ingest, undefined)}) GROUP BY at_phase, at_arm ORDER BY at_phase, at_arm`,
        await leftMs(),
      );
      return rows.map((row) => {
        const n = countOf(row['timed']);
        const [p50, p95, p99] = (row['quantiles'] as readonly unknown[]).map(Number);
        return {
          ...{ phase: countOf(row['at_phase']), arm: countOf(row['at_arm']), units: countOf(row['units']) },
          ...{ failingUnits: countOf(row['failing_units']), requests: countOf(row['total']) },
          ...{ failures: countOf(row['failed']), inputTokens: countOf(row['tokens_in']) },
          ...{ outputTokens: countOf(row['tokens_out']), costMicroUsd: countOf(row['costs']) },
          withCost: countOf(row['with_cost']),
          latencyUs: n === 0 ? null : { n, p50: p50!, p95: p95!, p99: p99! },
        };
      });
    },
  };
}

function rowsOf(filter: RowFilter, ingest: Ingest, dimension: Dimension | undefined): Fragment {
  return measuredRows(where(filter), ingest, {
    value: dimension === undefined ? NO_DIMENSION : valueIn(dimension),
    of_unit: sql`unit`,
    ...('experimentId' in filter.of
      ? { at_phase: sql`assumeNotNull(experiment_phase)`, at_arm: sql`assumeNotNull(arm)` }
      : { at_phase: sql`1`, at_arm: sql`toInt64(indexOf(${texts(filter.of.variants)}, assigned_variant)) - 1` }),
  });
}

/** Pinned sessions and mirrored calls say nothing about a variant. */
function where({ organizationId, groupId, since, until, of }: RowFilter): Fragment {
  const counts =
    'experimentId' in of
      ? sql`experiment_id = ${uuid(of.experimentId)}`
      : sql`phase = ${int(of.phase)} AND hash_version = ${int(of.hashVersion)} AND has(${texts(of.variants)}, assigned_variant)`;
  return sql`organization_id = ${uuid(organizationId)} AND group_id = ${uuid(groupId)} AND created_at >= ${moment(since)}
    AND created_at < ${moment(until)} AND shadow_of IS NULL AND served_reason NOT IN ('pinned', 'shadow') AND ${counts}`;
}

function valueIn(dimension: Dimension): Fragment {
  switch (dimension.kind) {
    case 'key':
      return sql`CAST(toString(key_id), 'Nullable(String)')`;
    case 'version':
      return sql`JSONExtract(attempts, 1, 'upstreamModel', 'Nullable(String)')`;
    case 'metadata':
      return sql`JSONExtract(ifNull(metadata, ''), ${text(dimension.field)}, 'Nullable(String)')`;
    default:
      return dimension satisfies never;
  }
}

/** By digest: parameters travel in the address of a request, and values may be long. */
function isOneOf(values: readonly (string | null)[]): Fragment {
  const known = values.filter((value) => value !== null);
  const digests = known.map((value) => createHash('md5').update(value).digest('hex'));
  const named = sql`(value IS NOT NULL AND has(${texts(digests)}, lower(hex(MD5(ifNull(value, ''))))))`;
  return values.length === known.length ? named : sql`(${named} OR value IS NULL)`;
}
