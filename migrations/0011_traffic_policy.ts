import { type Kysely, sql } from 'kysely';

/** How a group's requests travel: lenient translation, signs of life in streams. The release before does not read it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, COLUMN, DONE]) await sql.raw(statement).execute(db);
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';
const COLUMN = `ALTER TABLE groups ADD COLUMN traffic jsonb NOT NULL DEFAULT '{}'`;
const DONE = 'RESET ROLE; RESET search_path;';
