import { type Kysely, sql } from 'kysely';

/**
 * Exact figures per minute, group and variant, written with the rows that they count; what gateways report of their side of
 * the ledger; and what the role `leader` needs to verify one against the other.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, HISTOGRAMS, ROLLUPS, LEDGER, ROW_SECURITY, GRANTS, DONE]) {
    await sql.raw(statement).execute(db);
  }
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

const HISTOGRAMS = `
-- Counts by bucket number, as core/histogram.ts numbers them.
CREATE FUNCTION add_histograms(a jsonb, b jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN b = '{}' THEN a WHEN a = '{}' THEN b ELSE (
    SELECT jsonb_object_agg(bucket, counted) FROM (
      SELECT bucket, sum(n::bigint) AS counted
      FROM (SELECT * FROM jsonb_each_text(a) UNION ALL SELECT * FROM jsonb_each_text(b)) AS entries (bucket, n)
      GROUP BY bucket
    ) AS added
  ) END
$$;
CREATE AGGREGATE sum_histograms(jsonb) (
  sfunc = add_histograms, stype = jsonb, initcond = '{}', combinefunc = add_histograms, parallel = safe
);
`;

const ROLLUPS = `
-- One row a gateway, so that their shippers never wait for each other. A row holds what ended with one error code (none:
-- null), so that errors by code need no table of their own. A row is updated for its minute and then never again.
CREATE TABLE rollups (
  group_id uuid NOT NULL,
  minute timestamptz NOT NULL,
  assigned_variant text NOT NULL,
  served_variant text,
  error_code text,
  gateway_id uuid NOT NULL,
  organization_id uuid NOT NULL,
  count bigint NOT NULL,
  interrupted bigint NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  cached_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  with_usage bigint NOT NULL,
  cost_micro_usd bigint NOT NULL,
  with_cost bigint NOT NULL,
  total_ns bigint NOT NULL,
  first_token_ns bigint NOT NULL,
  latency jsonb NOT NULL,
  first_token jsonb NOT NULL
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX rollups_key ON rollups
  (group_id, minute, assigned_variant, served_variant, error_code, gateway_id) NULLS NOT DISTINCT;

-- Summed over gateways. A cost is that of the "with_cost" rows: of the others it is not known.
CREATE VIEW rollup_minutes WITH (security_invoker = true) AS
  SELECT organization_id, group_id, minute, assigned_variant, served_variant, error_code,
    sum(count)::bigint AS count, sum(interrupted)::bigint AS interrupted,
    sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
    sum(cached_tokens)::bigint AS cached_tokens, sum(reasoning_tokens)::bigint AS reasoning_tokens,
    sum(with_usage)::bigint AS with_usage,
    sum(cost_micro_usd)::bigint AS cost_micro_usd, sum(with_cost)::bigint AS with_cost,
    sum(total_ns)::bigint AS total_ns, sum(first_token_ns)::bigint AS first_token_ns,
    sum_histograms(latency) AS latency, sum_histograms(first_token) AS first_token
  FROM rollups
  GROUP BY organization_id, group_id, minute, assigned_variant, served_variant, error_code;
`;

const LEDGER = `
-- "rolled" of all rows that came are in the rollups: all but those that an earlier release shipped.
ALTER TABLE ledger
  ADD COLUMN IF NOT EXISTS archived bigint NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS expired bigint NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS interrupted_removed bigint NOT NULL DEFAULT 0,
  ADD COLUMN rolled bigint NOT NULL DEFAULT 0;

-- How many spools a gateway has opened: when so many are finished, nothing of it is under way any more.
ALTER TABLE gateways ADD COLUMN spools integer NOT NULL DEFAULT 0;

-- The gateway's own side of the ledger, as of its last report. "dropped": by reason, records that never reached a spool.
CREATE TABLE gateway_ledgers (
  gateway_id uuid NOT NULL,
  group_id uuid NOT NULL,
  accepted bigint NOT NULL,
  recorded bigint NOT NULL,
  dropped jsonb NOT NULL,
  reported_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (gateway_id, group_id)
);
`;

const ROW_SECURITY = `
DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['rollups', 'ledger', 'gateway_ledgers'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
  END LOOP;
END $$;
ALTER TABLE rollups FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON rollups FOR SELECT TO ringside_application
  USING (organization_id = current_organization());
-- These two know the group only; the application sees the groups of its organization only.
CREATE POLICY own_groups ON ledger FOR SELECT TO ringside_application USING (group_id IN (SELECT id FROM groups));
CREATE POLICY own_groups ON gateway_ledgers FOR SELECT TO ringside_application
  USING (group_id IN (SELECT id FROM groups));
CREATE POLICY count_all ON rollups TO ringside_shipper USING (true) WITH CHECK (true);
CREATE POLICY count_all ON ledger TO ringside_shipper, ringside_leader USING (true) WITH CHECK (true);
CREATE POLICY report_all ON gateway_ledgers TO ringside_gateway USING (true) WITH CHECK (true);

CREATE POLICY verify_all ON rollups FOR SELECT TO ringside_leader USING (true);
CREATE POLICY verify_all ON gateway_ledgers FOR SELECT TO ringside_leader USING (true);
CREATE POLICY verify_all ON groups FOR SELECT TO ringside_leader USING (true);
CREATE POLICY verify_all ON inferences FOR SELECT TO ringside_leader USING (true);
`;

const GRANTS = `
GRANT SELECT, INSERT, UPDATE ON rollups TO ringside_shipper;
GRANT SELECT, INSERT, UPDATE ON gateway_ledgers TO ringside_gateway;
GRANT SELECT ON rollups, rollup_minutes, gateway_ledgers TO ringside_application;
GRANT SELECT ON rollups, rollup_minutes, gateway_ledgers, ledger, spools, gateways TO ringside_leader;
GRANT SELECT (id, organization_id, name) ON groups TO ringside_leader;
GRANT SELECT (id, group_id, created_at, gateway_id, outcome) ON inferences TO ringside_leader;
`;

const DONE = 'RESET ROLE; RESET search_path;';
