import { type Kysely, sql } from 'kysely';

/**
 * What experiments keep is bounded: looks are thinned, and some time after the end the sums by unit become those of their arms
 * (docs/decisions/0023). And tokens are counted by what was said of them.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, BOUNDS, TOKENS, ACCESS, PARALLEL, DONE]) await sql.raw(statement).execute(db);
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

const BOUNDS = `
-- "looks_thinned_before": of the looks before it, only some are kept. "closed_at": from then on nothing more counts in the experiment,
-- neither late rows nor late feedback. "folded_at": its units are in experiment_sums, and no longer looked at in the tables of units.
ALTER TABLE rollouts
  ADD COLUMN looks_thinned_before timestamptz,
  ADD COLUMN closed_at timestamptz,
  ADD COLUMN folded_at timestamptz;

-- What was summed over the units of an experiment that is over, by metric, phase and arm: exact, as text of numeric. "history": the
-- same beside what units did before, for CUPED, where they have a history.
CREATE TABLE experiment_sums (
  experiment_id uuid NOT NULL REFERENCES rollouts ON DELETE CASCADE,
  metric text NOT NULL,
  phase integer NOT NULL,
  arm smallint NOT NULL,
  organization_id uuid NOT NULL,
  sums jsonb NOT NULL,
  history jsonb,
  PRIMARY KEY (experiment_id, metric, phase, arm)
);
`;

// Of those in "usage_n": nothing was said of the prompt's tokens, or of the answer's. The other way round, rows of the releases before
// would have to be written again.
const TOKENS = `
ALTER TABLE experiment_units
  ADD COLUMN without_input bigint NOT NULL DEFAULT 0,
  ADD COLUMN without_output bigint NOT NULL DEFAULT 0;
`;

const ACCESS = `
ALTER TABLE experiment_sums ENABLE ROW LEVEL SECURITY;
ALTER TABLE experiment_sums FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON experiment_sums TO ringside_application
  USING (organization_id = (SELECT current_organization())) WITH CHECK (organization_id = (SELECT current_organization()));
CREATE POLICY lead_all ON experiment_sums TO ringside_leader USING (true) WITH CHECK (true);
GRANT SELECT ON experiment_sums TO ringside_application;
GRANT SELECT, INSERT ON experiment_sums TO ringside_leader;
GRANT DELETE ON experiment_units, experiment_unit_metrics, experiment_history, experiment_looks TO ringside_leader;
GRANT SELECT (closed_at) ON rollouts TO ringside_shipper;
`;

// Looks ask in each of their statements whether the units are folded: what the application may see of rollouts must be as safe for parallel
// workers as what it may see of units (0015), or these statements are kept to one process.
const PARALLEL = `
ALTER POLICY own_organization ON rollouts
  USING (organization_id = (SELECT NULLIF(current_setting('ringside.organization_id', true), '')::uuid))
  WITH CHECK (organization_id = (SELECT NULLIF(current_setting('ringside.organization_id', true), '')::uuid));
`;

const DONE = 'RESET ROLE; RESET search_path;';
