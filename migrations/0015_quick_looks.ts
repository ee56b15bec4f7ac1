import { type Kysely, sql } from 'kysely';

/** Looks at experiments of many units: what they computed at each look is kept, and they may use more than one process. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, LOCKS, COVARIATE, PARALLEL, DONE]) await sql.raw(statement).execute(db);
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

// All that this and the next two migrations change, in the order in which looks and shippers take it. Otherwise who holds the units and waits
// for the history would be waited for, in a circle.
const LOCKS = `
LOCK TABLE rollouts, experiment_units, experiment_unit_metrics, experiment_history, experiment_inferences, shadow_pairs
  IN ACCESS EXCLUSIVE MODE;
`;

const COVARIATE = `
-- What a unit did before the experiment, as looks use it (store/experiment-sums.ts). Looks computed it themselves, and several times a unit,
-- which was half of their time. Null in rows of the releases before: of these they go on computing it. (A generated column would have
-- every row written anew, 4 s for 300 000, in which nothing of experiments could be stored.)
ALTER TABLE experiment_history ADD COLUMN x bigint;
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
