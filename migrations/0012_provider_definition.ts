import { type Kysely, sql } from 'kysely';

/** How a provider of the kind `custom` is asked and read; null for every other kind. The release before does not read it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, COLUMN, DONE]) await sql.raw(statement).execute(db);
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';
const COLUMN = 'ALTER TABLE providers ADD COLUMN definition jsonb';
const DONE = 'RESET ROLE; RESET search_path;';
