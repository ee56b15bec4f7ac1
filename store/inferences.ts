import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Database } from './database.ts';
import type { Tx } from './pool.ts';

export type InferenceRow = Selectable<Database['inferences']>;
export type PayloadRow = Pick<
  Selectable<Database['inference_payloads']>,
  'request' | 'request_sha256' | 'response' | 'response_sha256' | 'response_type'
>;

/** What a list of inferences is narrowed to. Times are half-open: `since` ≤ created < `until`. */
export interface InferenceFilter {
  /** Groups to look in; their tables are the only ones touched. */
  readonly groupIds: readonly string[];
  readonly assignedVariant: string | undefined;
  /** Statuses from … to, both included. */
  readonly status: readonly [from: number, to: number] | undefined;
  readonly outcome: string | undefined;
  readonly since: Date | undefined;
  readonly until: Date | undefined;
  /** The last row of the page before this one. */
  readonly after: { readonly createdAt: Date; readonly id: string } | undefined;
  readonly limit: number;
}

/**
 * Inferences, newest first. Each group gives its newest `limit` rows from its own index, backwards, and these are merged:
 * one query over all groups at once would sort every partition whole.
 */
export async function listInferences(tx: Tx, organizationId: string, filter: InferenceFilter): Promise<InferenceRow[]> {
  const conditions = conditionsOf(organizationId, filter);
  const { rows } = await sql<InferenceRow>`
    SELECT newest.* FROM unnest(${[...filter.groupIds]}::uuid[]) AS wanted (group_id)
    CROSS JOIN LATERAL (
      SELECT * FROM inferences WHERE group_id = wanted.group_id AND ${sql.join(conditions, sql` AND `)}
      ORDER BY created_at DESC, id DESC LIMIT ${filter.limit}
    ) AS newest
    ORDER BY created_at DESC, id DESC LIMIT ${filter.limit}`.execute(tx);
  return rows;
}

function conditionsOf(organizationId: string, filter: InferenceFilter): RawBuilder<unknown>[] {
  const conditions = [sql`organization_id = ${organizationId}`];
  if (filter.assignedVariant !== undefined) conditions.push(sql`assigned_variant = ${filter.assignedVariant}`);
  if (filter.status !== undefined) conditions.push(sql`status BETWEEN ${filter.status[0]} AND ${filter.status[1]}`);
  if (filter.outcome !== undefined) conditions.push(sql`outcome = ${filter.outcome}`);
  if (filter.since !== undefined) conditions.push(sql`created_at >= ${filter.since}`);
  if (filter.until !== undefined) conditions.push(sql`created_at < ${filter.until}`);
  if (filter.after !== undefined) {
    // The plain bound on created_at is what prunes partitions; the row comparison alone would not.
    conditions.push(sql`created_at <= ${filter.after.createdAt}`);
    conditions.push(sql`(created_at, id) < (${filter.after.createdAt}, ${filter.after.id}::uuid)`);
  }
  return conditions;
}

/** One inference, looked for in a few groups at its exact time, so that a few partitions are touched. */
export function findInference(
  tx: Tx,
  organizationId: string,
  place: { readonly id: string; readonly createdAt: Date; readonly groupIds: readonly string[] },
): Promise<InferenceRow | undefined> {
  if (place.groupIds.length === 0) return Promise.resolve(undefined);
  return tx
    .selectFrom('inferences')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('group_id', 'in', place.groupIds)
    .where('created_at', '=', place.createdAt)
    .where('id', '=', place.id)
    .executeTakeFirst();
}

/** What was captured of an inference; undefined when nothing was. */
export function findPayload(tx: Tx, row: InferenceRow): Promise<PayloadRow | undefined> {
  return tx
    .selectFrom('inference_payloads')
    .select(['request', 'request_sha256', 'response', 'response_sha256', 'response_type'])
    .where('organization_id', '=', row.organization_id)
    .where('group_id', '=', row.group_id)
    .where('created_at', '=', row.created_at)
    .where('id', '=', row.id)
    .executeTakeFirst();
}
