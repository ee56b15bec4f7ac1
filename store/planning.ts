import { type RawBuilder, sql } from 'kysely';
import type { ArmSums } from '#core/experiments/look.ts';
import { BUILTIN_METRICS, isBuiltin } from '#core/experiments/metrics.ts';
import { groupHashOf, lowestIdAt } from '#core/ids.ts';
import { armSums, type FlatSums, SUMS } from './experiment-sums.ts';
import { measuredRows } from './inference-measures.ts';
import type { Tx } from './pool.ts';

/** The time of a group that a plan is made from. */
export interface PlanningWindow {
  readonly organizationId: string;
  readonly groupId: string;
  readonly since: Date;
  readonly until: Date;
}

/** How many units came in a window, and how many different ones in each of its days. */
export interface UnitTraffic {
  readonly inferences: number;
  readonly units: number;
  /** Sum over days of the different units of that day. */
  readonly unitDays: number;
  /** When the first came; null: none did. */
  readonly firstAt: Date | null;
}

/** Units of a group, whatever they were assigned to: all of them would be split. */
export async function unitTraffic(tx: Tx, window: PlanningWindow): Promise<UnitTraffic> {
  const { rows } = await sql<UnitTraffic>`
    SELECT coalesce(sum(inferences), 0)::bigint AS inferences, count(DISTINCT unit) AS units, count(*) AS "unitDays", min(first) AS "firstAt"
    FROM (
      SELECT md5(row.unit) AS unit, floor(extract(epoch FROM row.created_at - ${window.since}::timestamptz) / 86400) AS day,
        count(*) AS inferences, min(row.created_at) AS first
      FROM inferences AS row WHERE ${split(window)} GROUP BY 1, 2
    ) AS days`.execute(tx);
  return rows[0]!;
}

/**
 * Sums of a metric over the units of a variant: a built-in one, or one that feedback reported of the window's inferences.
 * Null: they are no numbers.
 */
export async function variantSums(
  tx: Tx,
  window: PlanningWindow,
  variant: string,
  metric: string,
  objectives: { readonly latencyObjectiveUs: number; readonly firstTokenObjectiveUs: number },
): Promise<ArmSums | null> {
  const of = sql`${split(window)} AND row.assigned_variant = ${variant}`;
  const values = isBuiltin(metric)
    ? builtinValues(of, metric, objectives)
    : reportedValues(of, window.organizationId, metric);
  return sumsOfUnits(tx, values);
}

function builtinValues(
  of: RawBuilder<unknown>,
  metric: keyof typeof BUILTIN_METRICS,
  objectives: { readonly latencyObjectiveUs: number; readonly firstTokenObjectiveUs: number },
): RawBuilder<unknown> {
  const { sum, count } = BUILTIN_METRICS[metric];
  return sql`SELECT unit, ${sql.ref(sum)} AS s, ${sql.ref(count)} AS n
    FROM (${measuredRows(of, { ...objectives, caps: {} }, { unit: sql`md5(row.unit)` })}) AS one`;
}

/** `name=label` is the share of a label among the labels of that name. */
function reportedValues(of: RawBuilder<unknown>, organizationId: string, metric: string): RawBuilder<unknown> {
  const { value, isOf } = reportOf(organizationId, metric);
  return sql`SELECT md5(row.unit) AS unit, ${value} AS s, 1 AS n
    FROM inferences AS row JOIN feedback AS report ON report.inference_id = row.id WHERE ${of} AND ${isOf}`;
}

/** What a report of a metric adds, and which reports are of it. */
function reportOf(organizationId: string, metric: string) {
  const [name, label] = metric.split('=') as [string, string | undefined];
  const value = label === undefined ? sql`report.value` : sql`(report.label = ${label})::integer::numeric`;
  const hasValue = label === undefined ? sql`report.value IS NOT NULL` : sql`report.label IS NOT NULL`;
  return {
    value,
    isOf: sql`report.organization_id = ${organizationId} AND report.metric = ${name} AND ${hasValue}`,
  };
}

/**
 * Which inferences of a window have reports of a metric, in the order of their ids: for a log whose rows are elsewhere. By the hash of the
 * group in their ids, so that one in 4096 may be another group's of the organization. @param limit at most so many
 */
export async function reportedInferences(
  tx: Tx,
  { organizationId, groupId, since, until }: PlanningWindow,
  metric: string,
  limit: number,
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT DISTINCT report.inference_id AS id FROM feedback AS report WHERE ${reportOf(organizationId, metric).isOf}
      AND report.inference_id >= ${lowestIdAt(since.getTime())}::uuid AND report.inference_id < ${lowestIdAt(until.getTime())}::uuid
      AND substr(report.inference_id::text, 16, 3) = ${groupHashOf(groupId).toString(16).padStart(3, '0')}
    ORDER BY id LIMIT ${limit}`.execute(tx);
  return rows.map(({ id }) => id);
}

/** An inference and the unit that it is of, or a digest of its name. */
export interface UnitOfInference {
  readonly id: string;
  readonly unit: string;
}

/** As `variantSums`, of the reports of these inferences. */
export async function reportedSums(
  tx: Tx,
  organizationId: string,
  metric: string,
  inferences: readonly UnitOfInference[],
): Promise<ArmSums | null> {
  const { value, isOf } = reportOf(organizationId, metric);
  return sumsOfUnits(
    tx,
    sql`SELECT row.unit, ${value} AS s, 1 AS n
      FROM unnest(${inferences.map(({ id }) => id)}::uuid[], ${inferences.map(({ unit }) => unit)}::text[]) AS row (id, unit)
      JOIN feedback AS report ON report.inference_id = row.id WHERE ${isOf}`,
  );
}

/** @param values `unit`, `s` and `n` of each value */
async function sumsOfUnits(tx: Tx, values: RawBuilder<unknown>): Promise<ArmSums | null> {
  const { rows } = await sql<FlatSums>`
    SELECT ${SUMS} FROM (SELECT unit, sum(s)::numeric AS s, sum(n)::numeric AS n FROM (${values}) AS measured GROUP BY unit) AS units
    WHERE n > 0 HAVING count(*) > 0`.execute(tx);
  return rows[0] === undefined ? NO_SUMS : armSums(rows[0]);
}

/** Nothing was measured. */
export const NO_SUMS: ArmSums = { units: 0, n: 0, nSquares: 0, sum: 0, sumSquares: 0, products: 0 };

/** Sessions and mirrored calls are not split. */
function split({ organizationId, groupId, since, until }: PlanningWindow): RawBuilder<unknown> {
  return sql`row.organization_id = ${organizationId} AND row.group_id = ${groupId} AND row.created_at >= ${since}
    AND row.created_at < ${until} AND row.shadow_of IS NULL AND row.served_reason <> 'pinned'`;
}
