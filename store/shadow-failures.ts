import { sql } from 'kysely';
import { ingestSchema } from '#core/experiments/definition.ts';
import type { ShadowPairs } from '#core/rollout/step.ts';
import { measuredRows } from './inference-measures.ts';
import type { Tx } from './pool.ts';
import type { RolloutRow } from './rollouts.ts';

/** A mirrored call starts after its inference, which may have begun before the rollout did. */
const LONGEST_INFERENCE_MS = 3_600_000;

/** Pairs of a rollout by arm, with the first attempts of either side that failed; null for the champion and for arms without any. */
export async function shadowPairsOf(tx: Tx, rollout: RolloutRow): Promise<(ShadowPairs | null)[]> {
  const { id, organization_id: organizationId, group_id: groupId, arms, ingest, started_at: startedAt } = rollout;
  if (startedAt === null) return arms.map(() => null);
  const since = new Date(startedAt.getTime() - LONGEST_INFERENCE_MS);
  const rows = measuredRows(
    sql`row.organization_id = ${organizationId} AND row.group_id = ${groupId} AND row.created_at >= ${since}
      AND (row.id IN (SELECT shadow_id FROM pairs) OR row.id IN (SELECT inference_id FROM pairs))`,
    ingestSchema.parse(ingest),
    { id: sql`row.id` },
  );
  const found = await sql<ShadowPairs & { model: string }>`
    WITH pairs AS MATERIALIZED (
      SELECT shadow_id, inference_id, shadow_variant FROM shadow_pairs
      WHERE organization_id = ${organizationId} AND experiment_id = ${id}
    ), measured AS MATERIALIZED (${rows})
    SELECT shadow_variant AS model, count(*) AS pairs, sum(mirrored.failures)::bigint AS "challengerErrors",
      sum(original.failures)::bigint AS "championErrors"
    FROM pairs JOIN measured AS mirrored ON mirrored.id = shadow_id JOIN measured AS original ON original.id = inference_id
    GROUP BY shadow_variant`.execute(tx);
  return arms.map(({ model }, arm) => (arm === 0 ? null : (found.rows.find((row) => row.model === model) ?? null)));
}
