import { type RawBuilder, sql } from 'kysely';
import { conditionsOf, type InferenceFilter } from './inference-filter.ts';
import { soughtOf } from './inference-finding.ts';
import { NEWEST_FIRST, orderBy } from './inference-order.ts';
import type { InferencePage, InferenceRow } from './inferences.ts';
import type { Tx } from './pool.ts';
import type { Reading } from './reading.ts';

/** How many keys are asked for at once where other conditions may rule most of them out. */
const MAX_KEYS = 1_000;

interface Key {
  readonly group_id: string;
  readonly created_at: Date;
  readonly id: string;
}

/**
 * The newest inferences of a filter, by their keys: the function `find_inferences`, which checks the groups itself, gives the
 * keys of what the indexes say, and the rows of these are read under row-level security like any others; what else the filter
 * asks for is checked then. Row-level security keeps PostgreSQL from using a GIN index.
 */
export async function searchInferences(
  reading: Reading,
  organizationId: string,
  filter: InferenceFilter,
  page: InferencePage,
): Promise<InferenceRow[]> {
  const conditions = conditionsOf(organizationId, filter, ['metadata', 'text']);
  const rows: InferenceRow[] = [];
  let after: Pick<Key, 'created_at' | 'id'> | undefined =
    page.after === undefined ? undefined : { created_at: page.after.createdAt, id: page.after.id };
  // The first look asks for what the page lacks: as a rule nothing else is asked for.
  for (let wanted = page.limit; rows.length < page.limit; wanted = MAX_KEYS) {
    const keys = await reading.run((tx) => findKeys(tx, filter, after, wanted));
    rows.push(...(await reading.run((tx) => rowsOf(tx, keys, conditions))));
    if (keys.length < wanted) break;
    after = keys.at(-1)!;
  }
  return rows.slice(0, page.limit);
}

async function findKeys(
  tx: Tx,
  filter: InferenceFilter,
  after: Pick<Key, 'created_at' | 'id'> | undefined,
  limit: number,
): Promise<Key[]> {
  const { groupIds, since, until } = filter;
  const { rows } = await sql<Key>`SELECT * FROM find_inferences(
    ${[...groupIds]}::uuid[], ${JSON.stringify(soughtOf(filter))}::jsonb,
    ${since ?? null}::timestamptz, ${until ?? null}::timestamptz,
    ${after?.created_at ?? null}::timestamptz, ${after?.id ?? null}::uuid, ${limit}::integer)`.execute(tx);
  return rows;
}

/** Planning a part compares each of its partitions with each of its groups; more parts are more to parse. 4 to 12 take about as long. */
const GROUPS_PER_PART = 8;

async function rowsOf(
  tx: Tx,
  keys: readonly Key[],
  conditions: readonly RawBuilder<unknown>[],
): Promise<InferenceRow[]> {
  if (keys.length === 0) return [];
  const where = sql.join([...conditions], sql` AND `);
  const byGroup = [...Map.groupBy(keys, ({ group_id }) => group_id).values()];
  const parts: RawBuilder<unknown>[] = [];
  for (let start = 0; start < byGroup.length; start += GROUPS_PER_PART) {
    parts.push(rowsOfGroups(byGroup.slice(start, start + GROUPS_PER_PART), where));
  }
  const { rows } = await sql<InferenceRow>`
    SELECT row.* FROM (${sql.join(parts, sql` UNION ALL `)}) AS row ORDER BY ${orderBy(NEWEST_FIRST)}`.execute(tx);
  return rows;
}

function rowsOfGroups(byGroup: readonly (readonly Key[])[], where: RawBuilder<unknown>): RawBuilder<unknown> {
  const keys = byGroup.flat();
  const times = keys.map(({ created_at }) => created_at);
  const unixMs = times.map((time) => time.getTime());
  const groupIds = byGroup.map((own) => own[0]!.group_id);
  // Groups, newest and oldest rule out partitions when it is planned; what the LATERAL passes in leads into the primary key.
  return sql`(
    SELECT row.* FROM unnest(${keys.map(({ group_id }) => group_id)}::uuid[], ${times}::timestamptz[],
      ${keys.map(({ id }) => id)}::uuid[]) AS key (group_id, created_at, id)
    CROSS JOIN LATERAL (
      SELECT row.* FROM inferences AS row
      WHERE row.group_id = key.group_id AND row.created_at = key.created_at AND row.id = key.id
        AND row.group_id = ANY (${groupIds}::uuid[])
        AND row.created_at BETWEEN ${new Date(Math.min(...unixMs))} AND ${new Date(Math.max(...unixMs))} AND ${where}
      LIMIT 1
    ) AS row)`;
}
