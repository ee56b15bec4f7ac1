import { type Kysely, sql } from 'kysely';

/**
 * What is known of an inference's bodies beside their bytes: whether they were redacted, why they are not whole, or why they are not
 * there (the bits are those of core/capture-facts.ts). Beside the row and not the bodies, as some have none. Null in rows that are
 * older; without a default, so that no table is rewritten.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, COLUMN, DONE]) await sql.raw(statement).execute(db);
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

// Partitions that exist get it too, and those to come through LIKE.
const COLUMN = 'ALTER TABLE inferences ADD COLUMN capture_facts smallint;';

const DONE = 'RESET ROLE; RESET search_path;';
