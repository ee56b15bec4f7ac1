import { type Selectable, sql } from 'kysely';
import type { PairMeasures } from '#core/shadow/measures.ts';
import type { Database } from './database.ts';
import type { Db, Tx } from './pool.ts';

export type PairRow = Selectable<Database['shadow_pairs']>;

/** A pair that waits to be compared. */
export type DuePair = Pick<
  PairRow,
  'shadow_id' | 'inference_id' | 'group_id' | 'experiment_id' | 'shadow_variant' | 'unit' | 'attempts'
> & {
  /** Since the mirrored call began. */
  readonly waitedMs: number;
};

/** What has become of a pair. */
export interface SettledPair {
  readonly shadowId: string;
  readonly state: 'compared' | 'given_up';
  readonly detail: string;
  readonly measures: PairMeasures;
  /** The key of the caller, where both answers can be judged; a judge's own inferences are not, or judges of each other would never end. */
  readonly judgeableKeyId: string | null;
}

/** Begins the names of the keys that evaluators are called with. */
export const EVALUATOR_KEY_PREFIX = 'ringside-evaluator-';
const LONGEST_WAIT_S = 3_600;

/** Every organization with a pair that is due. For the role `leader`. */
export async function organizationsWithDuePairs(db: Db): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT DISTINCT organization_id AS id FROM shadow_pairs WHERE state = 'pending' AND next_at <= now()`.execute(db);
  return rows.map(({ id }) => id);
}

/** Pairs that are due, the longest due first, locked until the transaction ends; those that another one works on are left to it. */
export async function takeDuePairs(tx: Tx, organizationId: string, limit: number): Promise<DuePair[]> {
  const { rows } = await sql<DuePair>`
    SELECT shadow_id, inference_id, group_id, experiment_id, shadow_variant, unit, attempts,
      (1000 * extract(epoch FROM now() - created_at))::float8 AS "waitedMs"
    FROM shadow_pairs WHERE organization_id = ${organizationId} AND state = 'pending' AND next_at <= now()
    ORDER BY next_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows;
}

/** Writes down what has become of pairs, in one order for everyone. */
export async function settlePairs(tx: Tx, organizationId: string, settled: readonly SettledPair[]): Promise<void> {
  if (settled.length === 0) return;
  const sorted = settled.toSorted((a, b) => (a.shadowId < b.shadowId ? -1 : 1));
  await sql`
    UPDATE shadow_pairs AS p SET state = s.state, detail = s.detail, measures = s.measures, attempts = p.attempts + 1,
      evaluation_since = now(), evaluation = CASE WHEN s.key_id IS NOT NULL
        AND EXISTS (SELECT FROM groups AS g WHERE g.id = p.group_id AND jsonb_typeof(g.shadow -> 'evaluator') = 'object')
        AND NOT EXISTS (SELECT FROM api_keys AS k WHERE k.id = s.key_id AND starts_with(k.name, ${EVALUATOR_KEY_PREFIX}))
        THEN 'pending' ELSE 'none' END
    FROM unnest(${sorted.map(({ shadowId }) => shadowId)}::uuid[], ${sorted.map(({ state }) => state)}::text[],
      ${sorted.map(({ detail }) => detail)}::text[], ${sorted.map(({ measures }) => JSON.stringify(measures))}::jsonb[],
      ${sorted.map(({ judgeableKeyId }) => judgeableKeyId)}::uuid[])
      AS s (shadow_id, state, detail, measures, key_id)
    WHERE p.organization_id = ${organizationId} AND p.shadow_id = s.shadow_id AND p.state = 'pending'`.execute(tx);
}

/** Has pairs looked at again after as long as they have waited so far, between a second and an hour. */
export async function postponePairs(
  tx: Tx,
  organizationId: string,
  waiting: readonly { readonly shadowId: string; readonly detail: string }[],
): Promise<void> {
  if (waiting.length === 0) return;
  await sql`
    UPDATE shadow_pairs AS p SET attempts = p.attempts + 1, detail = s.detail, next_at = now()
      + least(greatest(now() - p.created_at, interval '1 second'), ${LONGEST_WAIT_S} * interval '1 second')
    FROM unnest(${waiting.map(({ shadowId }) => shadowId)}::uuid[], ${waiting.map(({ detail }) => detail)}::text[])
      AS s (shadow_id, detail)
    WHERE p.organization_id = ${organizationId} AND p.shadow_id = s.shadow_id`.execute(tx);
}

/** Removes pairs that are older than so many days, the oldest first. For the role `leader`. @returns how many; at most `limit` */
export async function expirePairs(db: Db, keepDays: number, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    DELETE FROM shadow_pairs WHERE shadow_id IN (
      SELECT shadow_id FROM shadow_pairs WHERE created_at < now() - ${keepDays} * interval '1 day'
      ORDER BY created_at LIMIT ${limit})`.execute(db);
  return Number(numAffectedRows ?? 0);
}
