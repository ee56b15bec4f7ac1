import { sql } from 'kysely';
import type { ArchiveColumns } from './database.ts';
import type { Partition } from './partitions.ts';
import type { Db } from './pool.ts';

/** A row of a partition with what was captured of it, as JSON that PostgreSQL wrote: numbers keep every digit. */
export interface ArchivedRow {
  /** The row's columns, a JSON object. */
  readonly row: string;
  /** Null when nothing was captured. */
  readonly payload: ArchivedPayload | null;
}

export interface ArchivedPayload {
  /** The columns that hold no bytes, a JSON object. */
  readonly fields: string;
  /** The others, by name. */
  readonly bytes: Readonly<Record<string, Uint8Array | null>>;
}

/** Both tables have these; a payload is stored under those of its inference. */
const KEY_COLUMNS: readonly string[] = ['id', 'group_id', 'created_at', 'organization_id'];

export interface TableColumn {
  readonly name: string;
  /** As a cast spells it. */
  readonly type: string;
}

/** The columns that a copy of a table's rows needs: those that are not generated. */
export async function storedColumns(db: Db, table: string): Promise<TableColumn[]> {
  const { rows } = await sql<TableColumn>`
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
    WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`.execute(
    db,
  );
  return rows;
}

/** The types of columns by name, as PostgreSQL spells them. */
export interface ColumnTypes {
  readonly inferences: Readonly<Record<string, string>>;
  readonly payloads: Readonly<Record<string, string>>;
}

/** What one page reads at most: rows, and bytes of payloads (one row is read whatever its size). */
export interface PageBound {
  readonly rows: number;
  readonly bytes: number;
}

interface PageRow {
  readonly row: string;
  readonly createdAt: string;
  readonly id: string;
  readonly fields: string | null;
  readonly [bytes: `bytes:${string}`]: Uint8Array | null;
}

/**
 * Reads a partition in the order of its index, page by page. Not with a cursor of the server: its snapshot would hold back
 * VACUUM for hours. What is added behind the reader's back is found when the partition is counted before its drop.
 */
export async function* readPartition(
  db: Db,
  partition: Partition,
  bound: PageBound,
): AsyncGenerator<{ columns: ArchiveColumns; types: ColumnTypes; rows: readonly ArchivedRow[] }> {
  const rowTypes = await storedColumns(db, 'inferences');
  const rowColumns = rowTypes.map(({ name }) => name);
  const payloadColumns = (await storedColumns(db, 'inference_payloads')).filter(
    ({ name }) => !KEY_COLUMNS.includes(name),
  );
  const columns: ArchiveColumns = { inferences: rowColumns, payloads: payloadColumns.map(({ name }) => name) };
  const types: ColumnTypes = { inferences: typesByName(rowTypes), payloads: typesByName(payloadColumns) };
  let after: { createdAt: string; id: string } | undefined;
  for (;;) {
    const page = await readPage(db, partition, { rowColumns, payloadColumns, bound, after });
    yield { columns, types, rows: page.map((found) => archivedRow(found, payloadColumns)) };
    const last = page.at(-1);
    if (last === undefined) return;
    after = last;
  }
}

interface PageWanted {
  readonly rowColumns: readonly string[];
  readonly payloadColumns: readonly TableColumn[];
  readonly bound: PageBound;
  readonly after: { readonly createdAt: string; readonly id: string } | undefined;
}

async function readPage(db: Db, partition: Partition, wanted: PageWanted): Promise<PageRow[]> {
  const { groupId, startsAt, endsAt } = partition;
  const { after, bound } = wanted;
  const bytesColumns = wanted.payloadColumns.filter(isBytes);
  const fields = wanted.payloadColumns
    .filter((column) => !isBytes(column))
    .flatMap(({ name }) => [sql`${name}::text`, sql.ref(`p.${name}`)]);
  const behind =
    after === undefined ? sql`` : sql` AND (created_at, id) > (${after.createdAt}::timestamptz, ${after.id}::uuid)`;
  // The plain bound is what the index is entered by.
  const from = after === undefined ? sql`${startsAt}::timestamptz` : sql`${after.createdAt}::timestamptz`;
  // One lookup a row, whatever the planner knows of the tables: a hash of all payloads for each page would take hours.
  const { rows } = await sql<PageRow>`
    SELECT sized.* FROM (
      SELECT row_to_json(i)::text AS "row", i.created_at::text AS "createdAt", i.id,
        CASE WHEN p.id IS NOT NULL THEN json_build_object(${sql.join(fields)})::text END AS fields,
        ${sql.join(bytesColumns.map(({ name }) => sql`${sql.ref(`p.${name}`)} AS ${sql.id(`bytes:${name}`)}`))},
        sum(${sql.join(
          bytesColumns.map(({ name }) => sql`coalesce(octet_length(${sql.ref(`p.${name}`)}), 0)`),
          sql` + `,
        )}) OVER walk AS running, row_number() OVER walk AS nth, i.created_at AS moment
      FROM (
        SELECT ${sql.join(wanted.rowColumns.map((name) => sql.id(name)))} FROM inferences
        WHERE group_id = ${groupId} AND created_at >= ${from} AND created_at < ${endsAt}${behind}
        ORDER BY created_at, id LIMIT ${bound.rows}
      ) AS i
      LEFT JOIN LATERAL (
        SELECT * FROM inference_payloads AS found WHERE group_id = ${groupId} AND found.created_at = i.created_at
          AND found.id = i.id AND found.created_at >= ${startsAt} AND found.created_at < ${endsAt} LIMIT 1
      ) AS p ON true
      WINDOW walk AS (ORDER BY i.created_at, i.id)
    ) AS sized WHERE running <= ${bound.bytes} OR nth = 1 ORDER BY moment, id`.execute(db);
  return rows;
}

function archivedRow(page: PageRow, payloadColumns: readonly TableColumn[]): ArchivedRow {
  if (page.fields === null) return { row: page.row, payload: null };
  const bytes = payloadColumns.filter(isBytes).map(({ name }) => [name, page[`bytes:${name}`] ?? null] as const);
  return { row: page.row, payload: { fields: page.fields, bytes: Object.fromEntries(bytes) } };
}

function typesByName(columns: readonly TableColumn[]): Record<string, string> {
  return Object.fromEntries(columns.map(({ name, type }) => [name, type]));
}

/** Whether a column's values are bytes. */
export function isBytes({ type }: TableColumn): boolean {
  return type === 'bytea';
}
