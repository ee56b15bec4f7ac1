import { type Kysely, sql } from 'kysely';

/** Durability, full-spool policy, partitions, retention and archive of a group's log. Groups that exist get the defaults. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, COLUMN, DONE]) await sql.raw(statement).execute(db);
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';
const COLUMN = `ALTER TABLE groups ADD COLUMN log jsonb NOT NULL DEFAULT '{}'`;
const DONE = 'RESET ROLE; RESET search_path;';
