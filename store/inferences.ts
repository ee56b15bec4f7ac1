import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Database } from './database.ts';
import { conditionsOf, type InferenceFilter } from './inference-filter.ts';
import { behind, type InferenceOrder, type InferencePlace, orderBy } from './inference-order.ts';
import { searchInferences } from './inference-search.ts';
import { isSearch, lastOf, stepsOf } from './inference-steps.ts';
import type { Tx } from './pool.ts';
import type { Reading } from './reading.ts';

export type InferenceRow = Selectable<Database['inferences']>;
export type PayloadRow = Pick<
  Selectable<Database['inference_payloads']>,
  'id' | 'request' | 'request_sha256' | 'response' | 'response_sha256' | 'response_type'
>;

/** Which part of a sorted list is wanted. */
export interface InferencePage {
  readonly order: InferenceOrder;
  /** The last row of the page before this one. */
  readonly after: InferencePlace | undefined;
  readonly limit: number;
}

/**
 * The inferences of a page, in order.
 *
 * Newest first over many groups the work is bounded by time: the last hours, the last days, … until the page is full, because a
 * condition that few rows meet would otherwise read whole partitions of each group that has none.
 */
export async function listInferences(
  reading: Reading,
  organizationId: string,
  filter: InferenceFilter,
  page: InferencePage,
): Promise<InferenceRow[]> {
  const { order } = page;
  const newestFirst = order.sort === 'time' && order.direction === 'desc';
  const read = newestFirst && isSearch(filter) ? searchInferences : readInferences;
  if (filter.groupIds.length === 0) return [];
  if (filter.groupIds.length === 1) return read(reading, organizationId, filter, page);
  const now = await reading.run(clock);
  if (!newestFirst) return read(reading, organizationId, { ...filter, until: lastOf(filter, now) }, page);
  const rows: InferenceRow[] = [];
  for (const step of stepsOf(filter, page, now)) {
    const missing = page.limit - rows.length;
    rows.push(...(await read(reading, organizationId, { ...filter, ...step }, { ...page, limit: missing })));
    if (rows.length >= page.limit) break;
  }
  return rows;
}

async function clock(tx: Tx): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`SELECT now() AS now`.execute(tx);
  return rows[0]!.now;
}

/**
 * Each group gives its first `limit` rows from its own indexes, and these are merged: one query over all groups at once would
 * sort every partition whole. The condition on all groups is what rules out other groups' partitions when it is planned.
 */
async function readInferences(
  reading: Reading,
  organizationId: string,
  filter: InferenceFilter,
  { order, after, limit }: InferencePage,
): Promise<InferenceRow[]> {
  const conditions = [...conditionsOf(organizationId, filter), ...(after === undefined ? [] : behind(order, after))];
  const statement = sql<InferenceRow>`${readStatement(filter.groupIds, conditions, order, limit)}`;
  return (await reading.run((tx) => statement.execute(tx))).rows;
}

function readStatement(
  groupIds: readonly string[],
  conditions: readonly RawBuilder<unknown>[],
  order: InferenceOrder,
  limit: number,
): RawBuilder<unknown> {
  const where = sql.join(conditions, sql` AND `);
  const [only, ...others] = groupIds;
  if (others.length === 0) {
    return sql`SELECT row.* FROM inferences AS row WHERE row.group_id = ${only} AND ${where}
      ORDER BY ${orderBy(order)} LIMIT ${limit}`;
  }
  return sql`
    SELECT row.* FROM unnest(${[...groupIds]}::uuid[]) AS wanted (group_id)
    CROSS JOIN LATERAL (
      SELECT row.* FROM inferences AS row
      WHERE row.group_id = wanted.group_id AND row.group_id = ANY (${[...groupIds]}::uuid[]) AND ${where}
      ORDER BY ${orderBy(order)} LIMIT ${limit}
    ) AS row
    ORDER BY ${orderBy(order)} LIMIT ${limit}`;
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

/** What was captured of some inferences, by id; those of which nothing was are missing. */
export async function findPayloads(
  tx: Tx,
  organizationId: string,
  rows: readonly Pick<InferenceRow, 'id' | 'group_id' | 'created_at'>[],
): Promise<Map<string, PayloadRow>> {
  if (rows.length === 0) return new Map();
  const unique = <Value>(values: readonly Value[]) => [...new Set(values)];
  // Times too, as they prune partitions and lead into the primary key.
  const found = await tx
    .selectFrom('inference_payloads')
    .select(['id', 'request', 'request_sha256', 'response', 'response_sha256', 'response_type'])
    .where('organization_id', '=', organizationId)
    .where('group_id', 'in', unique(rows.map((row) => row.group_id)))
    .where(
      'created_at',
      'in',
      unique(rows.map((row) => row.created_at.getTime())).map((unixMs) => new Date(unixMs)),
    )
    .where(
      'id',
      'in',
      rows.map((row) => row.id),
    )
    .execute();
  return new Map(found.map((payload) => [payload.id, payload]));
}
