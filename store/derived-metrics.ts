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
> & {
  readonly groupId: string;
  /** Since it began. */
  readonly waitedMs: number;
  /** Whether it was looked for before, and not found. */
  readonly wasSought: boolean;
};

const LONGEST_WAIT_S = 3_600;
const IS_DUE = sql`NOT e.is_derived AND e.shadow_of IS NULL AND (e.derive_at IS NULL OR e.derive_at <= now())`;

/** Experiments that name a metric, as the primary one or a guardrail, and have inferences that wait. For the role `leader`. */
export async function experimentsDeriving(db: Db, metric: string): Promise<DerivingExperiment[]> {
  const { rows } = await sql<DerivingExperiment>`
    SELECT r.id, r.organization_id AS "organizationId" FROM rollouts AS r
    WHERE r.started_at IS NOT NULL
      AND (r.definition #>> '{primary,metric}' = ${metric}
        OR r.definition -> 'guardrails' @> jsonb_build_array(jsonb_build_object('metric', ${metric}::text)))
      AND EXISTS (SELECT FROM experiment_inferences AS e WHERE e.experiment_id = r.id AND ${IS_DUE})
    ORDER BY r.id`.execute(db);
  return rows;
}

/** Inferences of an experiment that are due, the oldest first, locked until the transaction ends; mirrored calls count in no unit. */
export async function takeUnderived(
  tx: Tx,
  { id, organizationId }: DerivingExperiment,
  limit: number,
): Promise<UnderivedInference[]> {
  const { rows } = await sql<UnderivedInference>`
    SELECT inference_id AS "inferenceId", organization_id AS "organizationId", experiment_id AS "experimentId",
      group_id AS "groupId", phase, arm, unit, derive_at IS NOT NULL AS "wasSought",
      (1000 * extract(epoch FROM now() - created_at))::float8 AS "waitedMs"
    FROM experiment_inferences AS e WHERE organization_id = ${organizationId} AND experiment_id = ${id} AND ${IS_DUE}
    ORDER BY inference_id LIMIT ${limit} FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows;
}

/** What has become of an inference. `detail`: why there was nothing to derive from, or what is waited for; else empty. */
export interface Derivation {
  readonly inferenceId: string;
  readonly detail: string;
}

/** Writes down that inferences have given what there was to derive. */
export async function markDerived(tx: Tx, organizationId: string, derived: readonly Derivation[]): Promise<void> {
  if (derived.length === 0) return;
  await sql`UPDATE experiment_inferences AS e SET is_derived = true, derive_detail = d.detail
    FROM ${given(derived)} WHERE e.organization_id = ${organizationId} AND e.inference_id = d.inference_id`.execute(tx);
}

/** Has inferences looked at again after as long as they have waited so far, between a second and an hour. */
export async function postponeDeriving(tx: Tx, organizationId: string, waiting: readonly Derivation[]): Promise<void> {
  if (waiting.length === 0) return;
  await sql`UPDATE experiment_inferences AS e SET derive_detail = d.detail, derive_at = now()
      + least(greatest(now() - e.created_at, interval '1 second'), ${LONGEST_WAIT_S} * interval '1 second')
    FROM ${given(waiting)} WHERE e.organization_id = ${organizationId} AND e.inference_id = d.inference_id`.execute(tx);
}

function given(derivations: readonly Derivation[]) {
  return sql`unnest(${derivations.map(({ inferenceId }) => inferenceId)}::uuid[], ${derivations.map(({ detail }) => detail)}::text[])
    AS d (inference_id, detail)`;
}
