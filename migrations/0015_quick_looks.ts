import { type Kysely, sql } from 'kysely';

/** Looks at experiments of many units: what they computed at each look is kept, and they may use more than one process. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, COVARIATE, PARALLEL, DONE]) await sql.raw(statement).execute(db);
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

const COVARIATE = `
-- What a unit did before the experiment, as looks use it: in whole units of 2^-28, up to 2^34, so that sums of it are exact. Looks
-- computed it themselves, and several times a unit, which was half of their time.
ALTER TABLE experiment_history ADD COLUMN x bigint
  GENERATED ALWAYS AS (CASE WHEN n > 0 THEN round(least(sum::float8 / n, 17179869184::float8) * 268435456::float8)::bigint END) STORED;
`;

// current_organization() is not marked as safe for parallel workers, which keeps every plan of the application to one process. It is
// (a setting of the transaction, of which workers get a copy), but only here does it matter: other plans stay as they are.
const PARALLEL = `
DO $$
DECLARE
  table_name text;
  own CONSTANT text := '(organization_id = (SELECT NULLIF(current_setting(''ringside.organization_id'', true), '''')::uuid))';
BEGIN
  FOREACH table_name IN ARRAY ARRAY['experiment_units', 'experiment_unit_metrics', 'experiment_history'] LOOP
    EXECUTE format('ALTER POLICY own_organization ON %I USING %s WITH CHECK %s', table_name, own, own);
  END LOOP;
END $$;
`;

const DONE = 'RESET ROLE; RESET search_path;';
