import { sql } from 'kysely';
import type { CountedInference } from './feedback-join.ts';
import type { Db, Tx } from './pool.ts';

/** An experiment that measures a derived metric, with inferences from which it is still to be derived. */
export interface DerivingExperiment {
  readonly id: string;
  readonly organizationId: string;
}

/** An inference that waits for it. */
export type UnderivedInference = Pick<
  CountedInference,
  'inferenceId' | 'organizationId' | 'experimentId' | 'phase' | 'arm' | 'unit'
> & { readonly groupId: string };

/** Experiments that name a metric, as the primary one or a guardrail, and have inferences that wait. For the role `leader`. */
export async function experimentsDeriving(db: Db, metric: string): Promise<DerivingExperiment[]> {
  const { rows } = await sql<DerivingExperiment>`
    SELECT r.id, r.organization_id AS "organizationId" FROM rollouts AS r
    WHERE r.started_at IS NOT NULL
      AND (r.definition #>> '{primary,metric}' = ${metric}
        OR r.definition -> 'guardrails' @> jsonb_build_array(jsonb_build_object('metric', ${metric}::text)))
      AND EXISTS (SELECT FROM experiment_inferences AS e WHERE e.experiment_id = r.id AND NOT e.is_derived AND e.shadow_of IS NULL)
    ORDER BY r.id`.execute(db);
  return rows;
}

/** Inferences of an experiment that wait, the oldest first, locked until the transaction ends; mirrored calls count in no unit. */
export async function takeUnderived(
  tx: Tx,
  { id, organizationId }: DerivingExperiment,
  limit: number,
): Promise<UnderivedInference[]> {
  const { rows } = await sql<UnderivedInference>`
    SELECT inference_id AS "inferenceId", organization_id AS "organizationId", experiment_id AS "experimentId",
      group_id AS "groupId", phase, arm, unit
    FROM experiment_inferences
    WHERE organization_id = ${organizationId} AND experiment_id = ${id} AND NOT is_derived AND shadow_of IS NULL
    ORDER BY inference_id LIMIT ${limit} FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows;
}

/** Writes down that inferences have given what there was to derive. */
export async function markDerived(tx: Tx, organizationId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await sql`UPDATE experiment_inferences SET is_derived = true
    WHERE organization_id = ${organizationId} AND inference_id = ANY (${[...ids]}::uuid[])`.execute(tx);
}
