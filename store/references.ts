import { type Expression, type SqlBool, sql } from 'kysely';
import { isUuid } from '#core/ids.ts';

/** A slice of a list that is sorted by name: `limit` rows behind the name `after`. */
export interface NamePage {
  readonly after: string | undefined;
  readonly limit: number;
}

/** How a row that was looked up is held until the end of the transaction. `share` keeps it from being deleted meanwhile. */
export type RowLock = 'none' | 'share' | 'update';

/** Matches rows of a table with `id` and `name` by either. */
export function referredTo(ref: string): Expression<SqlBool> {
  return isUuid(ref) ? sql<boolean>`(name = ${ref} OR id = ${ref})` : sql<boolean>`name = ${ref}`;
}

/** Puts the row whose id was asked for before one whose name happens to look the same. */
export function idFirst(ref: string): Expression<unknown> {
  return sql`(id::text = ${ref})::integer DESC`;
}
