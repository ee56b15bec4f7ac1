import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Database } from './database.ts';
import { conditionsOf, type InferenceFilter } from './inference-filter.ts';
import { isFoundByKey } from './inference-finding.ts';
import { behind, type InferenceOrder, type InferencePlace, orderBy } from './inference-order.ts';
import { searchInferences } from './inference-search.ts';
import { lastOf, stepsOf } from './inference-steps.ts';
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
  const read = newestFirst && isFoundByKey(filter) ? searchInferences : readInferences;
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

async function readInferences(
  reading: Reading,
  organizationId: string,
  filter: InferenceFilter,
  page: InferencePage,
): Promise<InferenceRow[]> {
  const { order, after } = page;
  const conditions = [...conditionsOf(organizationId, filter), ...(after === undefined ? [] : behind(order, after))];
  const where = sql.join(conditions, sql` AND `);
  const { groupIds } = filter;
  const statement = sql<InferenceRow>`${groupIds.length === 1 ? ofGroup(groupIds[0]!, where, page) : ofGroups(groupIds, where, page)}`;
  return (await reading.run((tx) => statement.execute(tx))).rows;
}

type Part = RawBuilder<unknown>;

function ofGroup(groupId: string, where: Part, { order, limit }: InferencePage): Part {
  return sql`SELECT row.* FROM inferences AS row WHERE row.group_id = ${groupId} AND ${where}
    ORDER BY ${orderBy(order)} LIMIT ${limit}`;
}

/** Planning goes over each partition once for each group that the condition names, so with the square of their number. */
const GROUPS_AT_ONCE = 16;
/** The parts of a statement repeat its parameters, of which PostgreSQL takes 65 535. */
const MAX_PARTS = 100;

/**
 * Each group gives its first `limit` rows from its own indexes, and these are merged: one query over all groups at once would
 * sort every partition whole. The condition on the groups is what rules out other groups' partitions when it is planned.
 */
function ofGroups(groupIds: readonly string[], where: Part, { order, limit }: InferencePage): Part {
  const parts: Part[] = [];
  const atOnce = Math.max(GROUPS_AT_ONCE, Math.ceil(groupIds.length / MAX_PARTS));
  for (let start = 0; start < groupIds.length; start += atOnce) {
    const some = groupIds.slice(start, start + atOnce);
    parts.push(sql`(
      SELECT row.* FROM unnest(${some}::uuid[]) AS wanted (group_id)
      CROSS JOIN LATERAL (
        SELECT row.* FROM inferences AS row
        WHERE row.group_id = wanted.group_id AND row.group_id = ANY (${some}::uuid[]) AND ${where}
        ORDER BY ${orderBy(order)} LIMIT ${limit}
      ) AS row
      ORDER BY ${orderBy(order)} LIMIT ${limit})`);
  }
  return sql`SELECT row.* FROM (${sql.join(parts, sql` UNION ALL `)}) AS row ORDER BY ${orderBy(order)} LIMIT ${limit}`;
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
