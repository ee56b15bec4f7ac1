import { type Selectable, sql, type Updateable } from 'kysely';
import { isUuid } from '#core/ids.ts';
import type { Database } from './database.ts';
import type { Tx } from './pool.ts';

/** The tables whose rows have a name that is unique among the organization's live rows, a version and a soft deletion. */
type NamedTable = 'providers' | 'models' | 'groups' | 'api_keys';
type Row<Table extends NamedTable> = Selectable<Database[Table]>;

/** A slice of a list that is sorted by name: `limit` rows behind the name `after`. */
export interface NamePage {
  readonly after: string | undefined;
  readonly limit: number;
}

/** How a row that was looked up is held until the end of the transaction. `share` keeps it from being deleted meanwhile. */
export type RowLock = 'none' | 'share' | 'update';

/** The live row with this name or id, if the organization has one; an id goes before a name that happens to look the same. */
export async function findNamed<Table extends NamedTable>(
  tx: Tx,
  table: Table,
  organizationId: string,
  ref: string,
  lock: RowLock,
): Promise<Row<Table> | undefined> {
  const row = await live(tx, table, organizationId)
    .where(isUuid(ref) ? sql<boolean>`(name = ${ref} OR id = ${ref})` : sql<boolean>`name = ${ref}`)
    .orderBy(sql`(id::text = ${ref})::integer DESC`)
    .limit(1)
    .$if(lock === 'update', (query) => query.forUpdate())
    .$if(lock === 'share', (query) => query.forShare())
    .executeTakeFirst();
  return row as Row<Table> | undefined;
}

/** Live rows by name. */
export async function listNamed<Table extends NamedTable>(
  tx: Tx,
  table: Table,
  organizationId: string,
  page: NamePage,
): Promise<Row<Table>[]> {
  const rows = await live(tx, table, organizationId)
    .$if(page.after !== undefined, (query) => query.where('name', '>', page.after!))
    .orderBy('name')
    .limit(page.limit)
    .execute();
  return rows as Row<Table>[];
}

/** Changes a row and raises its version. */
export async function updateNamed<Table extends NamedTable>(
  tx: Tx,
  table: Table,
  organizationId: string,
  id: string,
  changes: Updateable<Database[Table]>,
): Promise<Row<Table>> {
  const row = await tx
    .updateTable(asOne(table))
    .set({ ...(changes as object), version: sql`version + 1`, updated_at: sql`now()` })
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
  return row as Row<Table>;
}

/** Marks a row as deleted, with changes that go with it: it stays for the log, and its name is free again. */
export async function retireNamed<Table extends NamedTable>(
  tx: Tx,
  table: Table,
  organizationId: string,
  id: string,
  changes: Updateable<Database[Table]>,
): Promise<void> {
  await tx
    .updateTable(asOne(table))
    .set({ ...(changes as object), deleted_at: sql`now()`, updated_at: sql`now()` })
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .execute();
}

function live(tx: Tx, table: NamedTable, organizationId: string) {
  return tx
    .selectFrom(asOne(table))
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null);
}

/** Kysely cannot type a query over a union of tables; all of them have the columns that are named here. */
function asOne(table: NamedTable): 'models' {
  return table as 'models';
}
