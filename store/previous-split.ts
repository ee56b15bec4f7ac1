import { sql } from 'kysely';
import type { WeightVersionVariant } from './database.ts';
import type { Tx } from './pool.ts';

/** A split that a group had. */
export interface PreviousSplit {
  readonly configVersion: number;
  readonly variants: readonly WeightVersionVariant[];
}

/**
 * The split that a group had before the present one: the newest that differs in a model, a role or a weight. What rollouts passed
 * through on their way is left out, so that a promotion is taken back whole and a rollback never leads to a challenger's trial.
 */
export async function previousSplit(
  tx: Tx,
  organizationId: string,
  groupId: string,
): Promise<PreviousSplit | undefined> {
  const { rows } = await sql<PreviousSplit>`
    WITH splits AS (
      SELECT config_version, variants,
        (SELECT jsonb_agg(v - 'ranges' - 'model' ORDER BY v ->> 'modelId') FROM jsonb_array_elements(variants) AS v) AS shape
      FROM weight_versions WHERE organization_id = ${organizationId} AND group_id = ${groupId}
    ), present AS (SELECT config_version, shape FROM splits ORDER BY config_version DESC LIMIT 1)
    SELECT splits.config_version AS "configVersion", splits.variants FROM splits, present
    WHERE splits.config_version < present.config_version AND splits.shape IS DISTINCT FROM present.shape
      AND splits.shape IS NOT NULL
      AND NOT EXISTS (
        SELECT FROM rollout_transitions AS t JOIN rollouts AS r ON r.id = t.rollout_id
        WHERE r.organization_id = ${organizationId} AND r.group_id = ${groupId}
          AND t.config_version = splits.config_version AND t.to_state <> 'promoted')
    ORDER BY splits.config_version DESC LIMIT 1`.execute(tx);
  return rows[0];
}
