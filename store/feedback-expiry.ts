import { sql } from 'kysely';
import type { Db } from './pool.ts';

/**
 * The longest attribution window of any experiment of which feedback may still come, in hours; undefined: there is none. For the role
 * `leader`, as everything here.
 * @param graceHours how long after its window it still may
 */
export async function longestWindow(db: Db, graceHours: number): Promise<number | undefined> {
  const { rows } = await sql<{ hours: number | null }>`
    SELECT max((definition->>'attributionHours')::float8) AS hours FROM rollouts
    WHERE started_at IS NOT NULL AND coalesce(ended_at, 'infinity')
      > now() - ((definition->>'attributionHours')::float8 + ${graceHours}) * interval '1 hour'`.execute(db);
  return rows[0]?.hours ?? undefined;
}

/** Forgets where inferences count that are older than so many hours, the oldest first. @returns how many; at most `limit` */
export async function expireExperimentInferences(db: Db, keepHours: number, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    DELETE FROM experiment_inferences WHERE inference_id IN (
      SELECT inference_id FROM experiment_inferences WHERE created_at < now() - ${keepHours} * interval '1 hour'
      ORDER BY created_at LIMIT ${limit})`.execute(db);
  return Number(numAffectedRows ?? 0);
}

/** Every organization that has feedback older than so many days. */
export async function organizationsWithOldFeedback(db: Db, keepDays: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT DISTINCT organization_id AS id FROM groups AS g WHERE EXISTS (
      SELECT FROM feedback AS f WHERE f.organization_id = g.organization_id
        AND f.received_at < now() - ${keepDays} * interval '1 day')`.execute(db);
  return rows.map(({ id }) => id);
}

/** Removes an organization's reports that are older than so many days, the oldest first. @returns how many; at most `limit` */
export async function expireFeedback(db: Db, organizationId: string, keepDays: number, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    DELETE FROM feedback WHERE organization_id = ${organizationId} AND id IN (
      SELECT id FROM feedback WHERE organization_id = ${organizationId} AND received_at < now() - ${keepDays} * interval '1 day'
      ORDER BY received_at LIMIT ${limit})`.execute(db);
  return Number(numAffectedRows ?? 0);
}
