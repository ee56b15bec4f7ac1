import { sql } from 'kysely';
import type { Histogram } from '#core/histogram.ts';
import type { Tx } from './pool.ts';

/** What rollups say of an assigned variant. */
export interface RollupFigures {
  readonly model: string;
  readonly requests: number;
  /** Those that ended with an error. */
  readonly failures: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costMicroUsd: number;
  readonly withCost: number;
  /** Of nanoseconds, of whole inferences. */
  readonly latency: Histogram;
}

/** Figures of a group by assigned variant from its rollups, from a whole minute on. */
export async function rollupFigures(
  tx: Tx,
  of: { readonly organizationId: string; readonly groupId: string; readonly since: Date; readonly until: Date },
): Promise<RollupFigures[]> {
  const { rows } = await sql<RollupFigures>`
    SELECT assigned_variant AS model, sum(count - shadows + interrupted - interrupted_shadows)::bigint AS requests,
      coalesce(sum(count - shadows) FILTER (WHERE error_code IS NOT NULL), 0)::bigint AS failures,
      sum(input_tokens)::bigint AS "inputTokens", sum(output_tokens)::bigint AS "outputTokens",
      sum(cost_micro_usd)::bigint AS "costMicroUsd", sum(with_cost)::bigint AS "withCost", sum_histograms(latency) AS latency
    FROM rollups WHERE organization_id = ${of.organizationId} AND group_id = ${of.groupId}
      AND minute >= date_trunc('minute', ${of.since}::timestamptz) AND minute < ${of.until}
    GROUP BY assigned_variant ORDER BY assigned_variant`.execute(tx);
  return rows;
}

export interface ShadowFigures {
  readonly model: string;
  readonly pending: number;
  readonly compared: number;
  readonly givenUp: number;
}

/** How far the mirrored calls of a group have been compared, by variant. */
export async function shadowFigures(
  tx: Tx,
  organizationId: string,
  groupId: string,
  since: Date,
): Promise<ShadowFigures[]> {
  const { rows } = await sql<ShadowFigures>`
    SELECT shadow_variant AS model, count(*) FILTER (WHERE state = 'pending') AS pending,
      count(*) FILTER (WHERE state = 'compared') AS compared, count(*) FILTER (WHERE state = 'given_up') AS "givenUp"
    FROM shadow_pairs WHERE organization_id = ${organizationId} AND group_id = ${groupId} AND created_at >= ${since}
    GROUP BY shadow_variant ORDER BY shadow_variant`.execute(tx);
  return rows;
}
