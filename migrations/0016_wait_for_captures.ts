import { type Kysely, sql } from 'kysely';

/**
 * What is derived from an inference may have to wait for its row and bodies: where these are in ClickHouse, another replica may have
 * them first. "derive_at": when it is looked for again; null: it was not looked for yet. "derive_detail": what is waited for, or why
 * there was nothing to derive from. "evaluation_since": from when on a pair waits for its evaluator's turn, as it was compared late or its
 * answers could not be read; null: since it was made.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, COLUMNS, DONE]) await sql.raw(statement).execute(db);
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

// A constant default rewrites no table.
const COLUMNS = `
ALTER TABLE experiment_inferences ADD COLUMN derive_at timestamptz, ADD COLUMN derive_detail text NOT NULL DEFAULT '';
ALTER TABLE shadow_pairs ADD COLUMN evaluation_since timestamptz;
GRANT UPDATE (derive_at, derive_detail) ON experiment_inferences TO ringside_application;
`;

const DONE = 'RESET ROLE; RESET search_path;';
