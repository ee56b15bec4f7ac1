import { sql } from 'kysely';
import { isBytes, storedColumns } from './archive-rows.ts';
import type { ArchiveColumns, RowCount } from './database.ts';
import type { Db } from './pool.ts';

/** Tables of their own that an archive is loaded into; they are not part of the log yet. */
export interface RestoreTables {
  readonly rows: string;
  readonly payloads: string;
}

/** Makes them, dropping what an earlier try left. For the role `leader`, as everything here. */
export async function beginRestore(db: Db, archiveId: string): Promise<RestoreTables> {
  const { rows } = await sql<RestoreTables>`
    SELECT rows_table AS rows, payloads_table AS payloads FROM begin_restore(${archiveId})`.execute(db);
  return rows[0]!;
}

/** Loads lines of an archive, in one statement. */
export type LineLoader = (lines: readonly string[]) => Promise<void>;

/**
 * Prepares to load lines with these columns. Columns that the tables have got since take their defaults.
 * @throws when the tables have lost a column that the archive holds
 */
export async function createLineLoader(db: Db, tables: RestoreTables, columns: ArchiveColumns): Promise<LineLoader> {
  const rowColumns = await presentColumns(db, tables.rows, columns.inferences);
  const payloadColumns = await presentColumns(db, tables.payloads, columns.payloads);
  const names = sql.join(rowColumns.map(({ name }) => sql.id(name)));
  const payloadNames = sql.join(payloadColumns.map(({ name }) => sql.id(name)));
  const values = payloadColumns.map((column) => {
    const value = sql`line->'payload'->${sql.lit(column.name)}`;
    if (!isBytes(column)) return sql`(line->'payload'->>${sql.lit(column.name)})::${sql.raw(column.type)}`;
    return sql`coalesce(convert_to(${value}->>'text', 'UTF8'), decode(${value}->>'base64', 'base64'))`;
  });
  const rowsTable = sql.id(tables.rows);
  return async (lines) => {
    // jsonb: each line is parsed once, whatever is taken from it; its numbers keep every digit.
    await sql`WITH lines AS MATERIALIZED (SELECT line FROM jsonb_array_elements(${`[${lines.join(',')}]`}::jsonb) AS line),
      added AS (INSERT INTO ${rowsTable} (${names})
        SELECT ${names} FROM lines, jsonb_populate_record(NULL::${rowsTable}, line - 'payload'))
      INSERT INTO ${sql.id(tables.payloads)} (id, group_id, created_at, organization_id, ${payloadNames})
      SELECT (line->>'id')::uuid, (line->>'group_id')::uuid, (line->>'created_at')::timestamptz,
        (line->>'organization_id')::uuid, ${sql.join(values)}
      FROM lines WHERE jsonb_typeof(line->'payload') = 'object'`.execute(db);
  };
}

async function presentColumns(db: Db, table: string, wanted: readonly string[]) {
  const present = await storedColumns(db, table);
  const missing = wanted.find((name) => !present.some((column) => column.name === name));
  if (missing !== undefined) throw new Error(`the log has no column "${missing}" any more, which the archive holds`);
  return present.filter(({ name }) => wanted.includes(name));
}

export interface Restored {
  /** What came back; less than all where rows were there already. */
  readonly counts: readonly RowCount[];
  /** As the partition that it was; otherwise row by row into partitions that have its time. */
  readonly attached: boolean;
}

/** Makes what was loaded part of the log, moves its counts in the ledger and writes an audit entry, in one statement. */
export async function finishRestore(
  db: Db,
  archiveId: string,
  how: { readonly days: number; readonly actor: string; readonly requestId: string },
): Promise<Restored> {
  const { rows } = await sql<Restored>`SELECT restored AS counts, attached
    FROM finish_restore(${archiveId}, ${how.days}, ${how.actor}, ${how.requestId})`.execute(db);
  return rows[0]!;
}

/** Drops what was loaded. */
export async function abandonRestore(db: Db, archiveId: string): Promise<void> {
  await sql`SELECT abandon_restore(${archiveId})`.execute(db);
}
