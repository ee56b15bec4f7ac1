import { type RawBuilder, sql } from 'kysely';
import type { ArmSums } from '#core/experiments/look.ts';
import type { ShadowPairs } from '#core/rollout/step.ts';
import { armSums } from './experiment-sums.ts';
import type { Tx } from './pool.ts';
import type { RolloutRow } from './rollouts.ts';

/** Which pairs are looked at: those of a group since a time; of an experiment, if one is named. */
export interface PairFilter {
  readonly organizationId: string;
  readonly groupId: string;
  readonly since: Date;
  readonly experimentId: string | undefined;
}

export interface PairCounts {
  readonly model: string;
  readonly pending: number;
  readonly compared: number;
  readonly givenUp: number;
  /** Pairs of which it is known whether their first attempts failed, and how many did. */
  readonly judged: number;
  readonly originalFailed: number;
  readonly shadowFailed: number;
  readonly bothFailed: number;
  /** Verdicts that are waited for, that came, and that never will. */
  readonly unscored: number;
  readonly scored: number;
  readonly unscorable: number;
  readonly firstAt: Date;
  readonly lastAt: Date;
}

/** The sums of one measure over the units of a shadow, of one value each. Null: a sum is too large for a number. */
export interface MeasureSums {
  readonly model: string;
  readonly measure: string;
  readonly pairs: number;
  readonly sums: ArmSums | null;
}

/** An output's means on both sides, pair by pair. */
export interface OutputMeans {
  readonly model: string;
  readonly output: string;
  readonly original: readonly number[];
  readonly shadow: readonly number[];
}

/** A failed first attempt is 1 on its side: `failure` is their difference, `both_failed` their product. */
const FAILURE = sql`(measures ->> 'failure')::integer`;
const BOTH = sql`(measures ->> 'both_failed')::integer`;
const COUNTS = sql`count(*) FILTER (WHERE measures ? 'failure') AS judged,
  coalesce(sum(${BOTH}), 0) + count(*) FILTER (WHERE ${FAILURE} = -1) AS "originalFailed",
  coalesce(sum(${BOTH}), 0) + count(*) FILTER (WHERE ${FAILURE} = 1) AS "shadowFailed"`;

function where({ organizationId, groupId, since, experimentId }: PairFilter): RawBuilder<unknown> {
  const ofExperiment = experimentId === undefined ? sql`` : sql` AND experiment_id = ${experimentId}`;
  return sql`organization_id = ${organizationId} AND group_id = ${groupId} AND created_at >= ${since}${ofExperiment}`;
}

/** How far pairs have been compared, and how many sides failed, by shadow. */
export async function pairCounts(tx: Tx, filter: PairFilter): Promise<PairCounts[]> {
  const { rows } = await sql<PairCounts>`
    SELECT shadow_variant AS model, count(*) FILTER (WHERE state = 'pending') AS pending,
      count(*) FILTER (WHERE state = 'compared') AS compared, count(*) FILTER (WHERE state = 'given_up') AS "givenUp",
      ${COUNTS}, coalesce(sum(${BOTH}), 0) AS "bothFailed", count(*) FILTER (WHERE evaluation = 'pending') AS unscored,
      count(*) FILTER (WHERE evaluation = 'scored') AS scored, count(*) FILTER (WHERE evaluation = 'failed') AS unscorable, min(created_at) AS "firstAt", max(created_at) AS "lastAt"
    FROM shadow_pairs WHERE ${where(filter)} GROUP BY shadow_variant ORDER BY shadow_variant COLLATE "C"`.execute(tx);
  return rows;
}

/** What came of the newest question to the evaluator that has no verdict, by shadow. */
export async function evaluationProblems(
  tx: Tx,
  filter: PairFilter,
): Promise<readonly { readonly model: string; readonly detail: string }[]> {
  const { rows } = await sql<{ model: string; detail: string }>`
    SELECT DISTINCT ON (shadow_variant) shadow_variant AS model, evaluation_detail AS detail FROM shadow_pairs
    WHERE ${where(filter)} AND evaluation IN ('pending', 'failed') AND evaluation_detail <> ''
    ORDER BY shadow_variant, evaluation_at DESC NULLS LAST`.execute(tx);
  return rows;
}

/** Why pairs were given up, by shadow, the most frequent reason first. */
export async function givenUpReasons(
  tx: Tx,
  filter: PairFilter,
): Promise<readonly { readonly model: string; readonly reason: string; readonly pairs: number }[]> {
  const { rows } = await sql<{ model: string; reason: string; pairs: number }>`
    SELECT shadow_variant AS model, detail AS reason, count(*) AS pairs FROM shadow_pairs
    WHERE ${where(filter)} AND state = 'given_up' GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2 LIMIT 100`.execute(tx);
  return rows;
}

/**
 * Sums of every measure over units: the value of a unit is the mean of its pairs, so that one which calls often weighs no more than
 * another. In `numeric`, so that they do not depend on the order in which pairs came.
 */
export async function measureSums(tx: Tx, filter: PairFilter): Promise<MeasureSums[]> {
  const { rows } = await sql<
    Pick<MeasureSums, 'model' | 'measure' | 'pairs'> & Record<'units' | 'sum' | 'squares', string>
  >`
    SELECT model, measure, sum(n)::bigint AS pairs, count(*)::text AS units, sum(mean)::text AS sum,
      sum(mean * mean)::text AS squares
    FROM (
      SELECT shadow_variant AS model, m.key AS measure, unit, count(*) AS n, avg(m.value::numeric) AS mean
      FROM shadow_pairs CROSS JOIN LATERAL jsonb_each_text(measures) AS m
      WHERE ${where(filter)} AND state = 'compared' GROUP BY 1, 2, 3
    ) AS by_unit
    GROUP BY model, measure ORDER BY model COLLATE "C", measure COLLATE "C"`.execute(tx);
  return rows.map(({ model, measure, pairs, units, sum, squares }) => {
    const ofValues = { units, count: units, countSquares: units, sum, sumSquares: squares, products: sum };
    return { model, measure, pairs, sums: armSums(ofValues) };
  });
}

/** The means of numeric outputs of the newest pairs, at most so many of each output. */
export async function outputMeans(tx: Tx, filter: PairFilter, limit: number): Promise<OutputMeans[]> {
  const { rows } = await sql<OutputMeans>`
    SELECT model, output, array_agg(original) AS original, array_agg(shadow) AS shadow
    FROM (
      SELECT shadow_variant AS model, substr(m.key, 8, length(m.key) - 21) AS output, m.value::float8 AS original,
        (measures ->> (substr(m.key, 1, length(m.key) - 14) || '.shadow_mean'))::float8 AS shadow,
        row_number() OVER (PARTITION BY shadow_variant, m.key ORDER BY created_at DESC, shadow_id DESC) AS place
      FROM shadow_pairs CROSS JOIN LATERAL jsonb_each_text(measures) AS m
      WHERE ${where(filter)} AND state = 'compared' AND m.key LIKE 'tensor.%.original\\_mean'
    ) AS newest
    WHERE shadow IS NOT NULL AND place <= ${limit} GROUP BY 1, 2 ORDER BY 1, 2`.execute(tx);
  return rows;
}

/** Pairs of a rollout by arm, whose first attempts are known to have failed or not; null for the champion and for arms without any. */
export async function stagePairs(tx: Tx, rollout: RolloutRow): Promise<(ShadowPairs | null)[]> {
  const { rows } = await sql<ShadowPairs & { model: string }>`
    SELECT model, sum(pairs)::bigint AS pairs, count(*) AS units, sum(mean)::float8 AS excess, sum(first)::bigint AS "firstExcess"
    FROM (
      SELECT shadow_variant AS model, unit, count(*) AS pairs, avg(${FAILURE}) AS mean,
        (array_agg(${FAILURE} ORDER BY created_at, shadow_id))[1] AS first
      FROM shadow_pairs
      WHERE organization_id = ${rollout.organization_id} AND experiment_id = ${rollout.id} AND state = 'compared'
        AND measures ? 'failure'
      GROUP BY 1, 2
    ) AS by_unit
    GROUP BY model`.execute(tx);
  return rollout.arms.map(({ model }, arm) => {
    const own = arm === 0 ? undefined : rows.find((row) => row.model === model);
    if (own === undefined) return null;
    const { pairs, units, excess, firstExcess } = own;
    return { pairs, units, excess, firstExcess };
  });
}
