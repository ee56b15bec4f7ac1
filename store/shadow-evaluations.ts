import { type Selectable, sql } from 'kysely';
import type { Database } from './database.ts';
import type { Db, Tx } from './pool.ts';

export type EvaluatorRow = Selectable<Database['shadow_evaluators']>;

export interface EvaluatedGroup {
  readonly organizationId: string;
  readonly groupId: string;
}

/** A pair whose evaluator is to be asked. */
export interface ClaimedPair {
  readonly shadowId: string;
  readonly inferenceId: string;
  readonly attempts: number;
}

/** Longer than a call may take: what is not settled by then was asked by a process that died. */
const LEASE_S = 180;
const DAY_S = 86_400;

/** Groups with pairs whose evaluator is to be asked. For the role `leader`. */
export async function groupsToEvaluate(db: Db): Promise<EvaluatedGroup[]> {
  const { rows } = await sql<EvaluatedGroup>`
    SELECT DISTINCT organization_id AS "organizationId", group_id AS "groupId" FROM shadow_pairs
    WHERE evaluation = 'pending' AND evaluation_next_at <= now()`.execute(db);
  return rows;
}

/**
 * Takes pairs for one attempt each: no more than are left of a minute's calls, and nobody else takes them for three minutes. Those that
 * have waited for a day for their turn fail; that a pair was compared late, or its answers could not be read, is not its waiting.
 */
export async function claimEvaluations(
  tx: Tx,
  { organizationId, groupId }: EvaluatedGroup,
  limits: { readonly maxPerMinute: number; readonly atOnce: number },
): Promise<ClaimedPair[]> {
  // One at a time for a group: two would both see the same calls left.
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${`evaluate ${groupId}`}, 0))`.execute(tx);
  await sql`UPDATE shadow_pairs SET evaluation = 'failed', evaluation_detail = 'its turn did not come in a day; raise maxPerMinute'
    WHERE organization_id = ${organizationId} AND group_id = ${groupId} AND evaluation = 'pending'
      AND evaluation_at IS NULL AND coalesce(evaluation_since, created_at) < now() - ${DAY_S} * interval '1 second'`.execute(
    tx,
  );
  const { rows } = await sql<ClaimedPair>`
    WITH due AS (
      SELECT shadow_id FROM shadow_pairs
      WHERE organization_id = ${organizationId} AND group_id = ${groupId} AND evaluation = 'pending' AND evaluation_next_at <= now()
      ORDER BY evaluation_next_at
      LIMIT least(${limits.atOnce}::bigint, greatest(0, ${limits.maxPerMinute}::bigint - (
        SELECT count(*) FROM shadow_pairs WHERE group_id = ${groupId} AND evaluation_at > now() - interval '1 minute')))
      FOR UPDATE SKIP LOCKED)
    UPDATE shadow_pairs AS p SET evaluation_at = now(), evaluation_attempts = p.evaluation_attempts + 1,
      evaluation_next_at = now() + ${LEASE_S} * interval '1 second'
    FROM due WHERE p.shadow_id = due.shadow_id
    RETURNING p.shadow_id AS "shadowId", p.inference_id AS "inferenceId", p.evaluation_attempts AS attempts`.execute(
    tx,
  );
  return rows;
}

/** Nobody judges a group's pairs any more. */
export async function dropEvaluations(tx: Tx, { organizationId, groupId }: EvaluatedGroup): Promise<void> {
  await sql`UPDATE shadow_pairs SET evaluation = 'none'
    WHERE organization_id = ${organizationId} AND group_id = ${groupId} AND evaluation = 'pending'`.execute(tx);
}

/** Writes a verdict down. Of two that came for one pair the first one stays. */
export async function scorePair(
  tx: Tx,
  organizationId: string,
  shadowId: string,
  scored: { readonly measures: Readonly<Record<string, number>>; readonly reason: string },
): Promise<void> {
  await sql`UPDATE shadow_pairs SET evaluation = 'scored', measures = measures || ${JSON.stringify(scored.measures)}::jsonb,
      evaluation_detail = ${scored.reason}
    WHERE organization_id = ${organizationId} AND shadow_id = ${shadowId} AND evaluation = 'pending'`.execute(tx);
}

/** An attempt was in vain. @param waitMs until the next one; null: it was the last */
export async function failEvaluation(
  tx: Tx,
  organizationId: string,
  shadowId: string,
  failed: { readonly detail: string; readonly waitMs: number | null },
): Promise<void> {
  await sql`UPDATE shadow_pairs SET evaluation = ${failed.waitMs === null ? 'failed' : 'pending'}, evaluation_detail = ${failed.detail},
      evaluation_next_at = now() + ${failed.waitMs ?? 0} * interval '1 millisecond'
    WHERE organization_id = ${organizationId} AND shadow_id = ${shadowId} AND evaluation = 'pending'`.execute(tx);
}

/** Gives back what was taken for an attempt that was not made: nobody was asked, so it counts neither as one nor as a minute's call. */
export async function releaseEvaluation(
  tx: Tx,
  organizationId: string,
  shadowId: string,
  released: { readonly detail: string; readonly waitMs: number },
): Promise<void> {
  await sql`UPDATE shadow_pairs SET evaluation_attempts = greatest(0, evaluation_attempts - 1), evaluation_at = NULL,
      evaluation_since = now(), evaluation_detail = ${released.detail}, evaluation_next_at = now() + ${released.waitMs} * interval '1 millisecond'
    WHERE organization_id = ${organizationId} AND shadow_id = ${shadowId} AND evaluation = 'pending'`.execute(tx);
}

/** What a group's evaluator is called with, locked until the transaction ends. */
export async function lockEvaluator(tx: Tx, { organizationId, groupId }: EvaluatedGroup): Promise<EvaluatorRow> {
  await tx
    .insertInto('shadow_evaluators')
    .values({ group_id: groupId, organization_id: organizationId })
    .onConflict((conflict) => conflict.column('group_id').doNothing())
    .execute();
  return tx
    .selectFrom('shadow_evaluators')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('group_id', '=', groupId)
    .forUpdate()
    .executeTakeFirstOrThrow();
}

export async function updateEvaluator(
  tx: Tx,
  { organizationId, groupId }: EvaluatedGroup,
  changes: Partial<Omit<EvaluatorRow, 'group_id' | 'organization_id'>>,
): Promise<void> {
  await tx
    .updateTable('shadow_evaluators')
    .set(changes)
    .where('organization_id', '=', organizationId)
    .where('group_id', '=', groupId)
    .execute();
}
