import { type Kysely, sql } from 'kysely';

/**
 * Rollouts and the experiments that they are decided by; what counts of each inference, by unit of assignment; feedback; mirrored
 * calls. docs/decisions/0023 says how they hang together.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, LOG, ROLLOUTS, EVIDENCE, FEEDBACK, SHADOWS, ROW_SECURITY, GRANTS, DONE]) {
    await sql.raw(statement).execute(db);
  }
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

// Null in rows that no experiment counts, and in rows of the releases before; without defaults, so that no table is rewritten.
const LOG = `
ALTER TABLE inferences
  ADD COLUMN experiment_id uuid,
  ADD COLUMN experiment_phase integer,
  ADD COLUMN arm smallint,
  ADD COLUMN shadow_of uuid;
ALTER TABLE groups ADD COLUMN shadow jsonb NOT NULL DEFAULT '{}';
-- A variant of role "shadow" got nothing until now. The release that brings mirrored calls must not begin to spend money by itself:
-- in these groups none is mirrored until somebody says how many.
ALTER TABLE groups NO FORCE ROW LEVEL SECURITY;
ALTER TABLE variants NO FORCE ROW LEVEL SECURITY;
UPDATE groups SET shadow = '{"sampleBp": 0}' WHERE id IN (SELECT group_id FROM variants WHERE role = 'shadow');
ALTER TABLE variants FORCE ROW LEVEL SECURITY;
ALTER TABLE groups FORCE ROW LEVEL SECURITY;

-- Of "count" and of "interrupted": mirrored calls. They are rows, which the ledger counts, and no traffic: no other figure has them, and
-- the view leaves them out.
ALTER TABLE rollups
  ADD COLUMN shadows bigint NOT NULL DEFAULT 0,
  ADD COLUMN interrupted_shadows bigint NOT NULL DEFAULT 0;
CREATE OR REPLACE VIEW rollup_minutes WITH (security_invoker = true) AS
  SELECT organization_id, group_id, minute, assigned_variant, served_variant, error_code,
    sum(count - shadows)::bigint AS count, sum(interrupted - interrupted_shadows)::bigint AS interrupted,
    sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
    sum(cached_tokens)::bigint AS cached_tokens, sum(reasoning_tokens)::bigint AS reasoning_tokens,
    sum(with_usage)::bigint AS with_usage,
    sum(cost_micro_usd)::bigint AS cost_micro_usd, sum(with_cost)::bigint AS with_cost,
    sum(total_ns)::bigint AS total_ns, sum(first_token_ns)::bigint AS first_token_ns,
    sum_histograms(latency) AS latency, sum_histograms(first_token) AS first_token, sum(shadows)::bigint AS shadows,
    sum(interrupted_shadows)::bigint AS interrupted_shadows
  FROM rollups
  GROUP BY organization_id, group_id, minute, assigned_variant, served_variant, error_code;
`;

const ROLLOUTS = `
-- A rollout and its experiment: the same id. "definition" and "plan" do not change once it has left draft. "arms": the champion's model
-- first, then the challengers'. "ingest": what the shipper must know to count an inference. "memory": what the state machine keeps
-- beside its state. "before": the variants as they were, for the way back.
CREATE TABLE rollouts (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  group_id uuid NOT NULL REFERENCES groups,
  name text NOT NULL,
  definition jsonb NOT NULL,
  plan jsonb NOT NULL,
  arms jsonb NOT NULL,
  ingest jsonb NOT NULL DEFAULT '{}',
  state text NOT NULL,
  memory jsonb NOT NULL DEFAULT '{}',
  reason text NOT NULL DEFAULT '',
  phase integer NOT NULL DEFAULT 1,
  control jsonb NOT NULL DEFAULT '[]',
  before jsonb,
  secrets text,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  ended_at timestamptz
);
CREATE INDEX rollouts_group ON rollouts (organization_id, group_id, created_at DESC);
CREATE INDEX rollouts_active ON rollouts (id) WHERE ended_at IS NULL;
-- One at a time moves the weights of a group.
CREATE UNIQUE INDEX rollouts_running ON rollouts (group_id) WHERE started_at IS NOT NULL AND ended_at IS NULL;

-- Every step that a rollout has taken, and why. Never changed.
CREATE TABLE rollout_transitions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rollout_id uuid NOT NULL REFERENCES rollouts,
  organization_id uuid NOT NULL REFERENCES organizations,
  at timestamptz NOT NULL DEFAULT now(),
  from_state text NOT NULL,
  to_state text NOT NULL,
  event text NOT NULL,
  reason text NOT NULL,
  actor text NOT NULL,
  weights jsonb,
  phase integer NOT NULL,
  config_version bigint
);
CREATE INDEX rollout_transitions_rollout ON rollout_transitions (rollout_id, id);

-- Calls that a rollout makes to its owner's webhooks. "gate" tells one question from another, so that each is asked once.
CREATE TABLE rollout_webhooks (
  id uuid PRIMARY KEY,
  rollout_id uuid NOT NULL REFERENCES rollouts,
  organization_id uuid NOT NULL REFERENCES organizations,
  hook text NOT NULL,
  gate text NOT NULL,
  payload jsonb NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'denied', 'failed')),
  attempts integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT now(),
  detail text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (rollout_id, gate)
);
CREATE INDEX rollout_webhooks_due ON rollout_webhooks (next_at) WHERE state = 'pending';

-- Times in which no rollout goes forward; of one group, or of all (null). The way back is always open.
CREATE TABLE freeze_windows (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  group_id uuid REFERENCES groups,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
  reason text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX freeze_windows_organization ON freeze_windows (organization_id, ends_at);
`;

const EVIDENCE = `
-- Which buckets a phase compares, as gateways were told: written when the snapshot that says so is published. "weights_bp": by arm.
-- "is_mixed": their ratio has changed since, so that the phase compares nothing. "lost_before": what the group's ledger had lost
-- of each gateway until then.
CREATE TABLE experiment_phases (
  experiment_id uuid NOT NULL,
  phase integer NOT NULL,
  organization_id uuid NOT NULL,
  weights_bp jsonb NOT NULL,
  is_mixed boolean NOT NULL DEFAULT false,
  lost_before jsonb NOT NULL DEFAULT '{}',
  started_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (experiment_id, phase)
);

-- What a unit did in one phase of an experiment, in one arm: exact sums, written with the rows that they count. "unit": md5 of its
-- name. Times in microseconds; each "…_n" says how many inferences its sum is made of.
CREATE TABLE experiment_units (
  experiment_id uuid NOT NULL,
  phase integer NOT NULL,
  arm smallint NOT NULL,
  unit uuid NOT NULL,
  organization_id uuid NOT NULL,
  first_at timestamptz NOT NULL,
  requests bigint NOT NULL,
  failures bigint NOT NULL,
  over_objective bigint NOT NULL,
  latency_us bigint NOT NULL,
  latency_n bigint NOT NULL,
  first_token_us bigint NOT NULL,
  first_token_n bigint NOT NULL,
  first_token_over bigint NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  usage_n bigint NOT NULL,
  cost_micro_usd bigint NOT NULL,
  cost_n bigint NOT NULL,
  cache_hits bigint NOT NULL,
  refusals bigint NOT NULL,
  PRIMARY KEY (experiment_id, phase, arm, unit)
) WITH (fillfactor = 80);

-- The same summed over units, as far as the fast guard needs it; a row a gateway, so that their shippers never wait for each other.
-- "units" and "failing_units" count each unit once, where its first inference and its first failure were stored.
CREATE TABLE experiment_totals (
  experiment_id uuid NOT NULL,
  phase integer NOT NULL,
  arm smallint NOT NULL,
  gateway_id uuid NOT NULL,
  organization_id uuid NOT NULL,
  units bigint NOT NULL,
  failing_units bigint NOT NULL,
  requests bigint NOT NULL,
  failures bigint NOT NULL,
  latency jsonb NOT NULL DEFAULT '{}',
  first_token jsonb NOT NULL DEFAULT '{}',
  last_at timestamptz NOT NULL,
  PRIMARY KEY (experiment_id, phase, arm, gateway_id)
) WITH (fillfactor = 80);

-- Metrics that are known later than the inference: feedback, and what Ringside derives from what was captured.
CREATE TABLE experiment_unit_metrics (
  experiment_id uuid NOT NULL,
  phase integer NOT NULL,
  arm smallint NOT NULL,
  metric text NOT NULL,
  unit uuid NOT NULL,
  organization_id uuid NOT NULL,
  n bigint NOT NULL,
  sum numeric NOT NULL,
  PRIMARY KEY (experiment_id, phase, arm, metric, unit)
) WITH (fillfactor = 80);

-- Where an inference counts, for what is reported of it later; kept for the attribution window. Of a mirrored call "shadow_of" is
-- the inference that it mirrors, and "arm" that of its own model. "is_derived": what Ringside derives from its answer has been added to
-- its unit, where its experiment asks for it.
CREATE TABLE experiment_inferences (
  inference_id uuid PRIMARY KEY,
  experiment_id uuid NOT NULL,
  organization_id uuid NOT NULL,
  group_id uuid NOT NULL,
  phase integer NOT NULL,
  arm smallint NOT NULL,
  unit uuid NOT NULL,
  correlation text,
  shadow_of uuid,
  created_at timestamptz NOT NULL,
  is_derived boolean NOT NULL DEFAULT false
);
CREATE INDEX experiment_inferences_age ON experiment_inferences (created_at);
CREATE INDEX experiment_inferences_underived ON experiment_inferences (experiment_id, inference_id)
  WHERE NOT is_derived AND shadow_of IS NULL;
-- A correlation may be that of very many inferences; what is asked for is the newest of them.
CREATE INDEX experiment_inferences_correlation ON experiment_inferences (organization_id, correlation, created_at DESC, inference_id DESC)
  WHERE correlation IS NOT NULL AND shadow_of IS NULL;

-- What units did before the experiment began, for CUPED; filled once.
CREATE TABLE experiment_history (
  experiment_id uuid NOT NULL,
  unit uuid NOT NULL,
  organization_id uuid NOT NULL,
  metric text NOT NULL,
  n bigint NOT NULL,
  sum numeric NOT NULL,
  PRIMARY KEY (experiment_id, metric, unit)
);

-- Every look at an experiment: what was seen, and what was concluded from it. Never changed.
CREATE TABLE experiment_looks (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  experiment_id uuid NOT NULL,
  organization_id uuid NOT NULL,
  at timestamptz NOT NULL,
  phase integer NOT NULL,
  look jsonb NOT NULL
);
CREATE INDEX experiment_looks_experiment ON experiment_looks (experiment_id, id DESC);
`;

const FEEDBACK = `
-- What was reported of an inference. The id is the caller's or ours; a second report with it changes nothing.
--   pending ──the inference is found──▶ joined (counts in its experiment, or in none: experiment_id null)
--      └──────the window has passed──▶ unmatched
-- "at": when it was observed, as its reporter says; "received_at": when a gateway got it. "next_at": when a pending one is looked at
-- again. "inference_id" of one that named a correlation is filled in when it is joined.
CREATE TABLE feedback (
  organization_id uuid NOT NULL,
  id text NOT NULL,
  inference_id uuid,
  correlation text,
  metric text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('numeric', 'boolean', 'label', 'comment')),
  value numeric,
  label text,
  comment text,
  key_id uuid NOT NULL,
  gateway_id uuid NOT NULL,
  at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'joined', 'unmatched')),
  next_at timestamptz NOT NULL DEFAULT now(),
  joined_at timestamptz,
  experiment_id uuid,
  phase integer,
  arm smallint,
  is_shadow boolean NOT NULL DEFAULT false,
  delay_ms bigint,
  PRIMARY KEY (organization_id, id)
);
CREATE INDEX feedback_pending ON feedback (next_at) WHERE state = 'pending';
CREATE INDEX feedback_unjoined ON feedback (organization_id, metric) WHERE state <> 'joined';
CREATE INDEX feedback_received ON feedback (organization_id, received_at DESC, id DESC);
CREATE INDEX feedback_inference ON feedback (inference_id) WHERE inference_id IS NOT NULL;
CREATE INDEX feedback_experiment ON feedback (experiment_id, metric) WHERE experiment_id IS NOT NULL;
`;

const SHADOWS = `
-- A mirrored call beside the inference that it mirrors, as far as the two have been compared. "measures": differences and scores by
-- metric (core/shadow); "unit": md5 of its name. "evaluation": where the group has an evaluator, whether it has been asked for its
-- verdict, of a pair that is compared: none | pending ──▶ scored | failed. "evaluation_at": when it was asked last.
CREATE TABLE shadow_pairs (
  shadow_id uuid PRIMARY KEY,
  inference_id uuid NOT NULL,
  organization_id uuid NOT NULL,
  group_id uuid NOT NULL,
  experiment_id uuid,
  shadow_variant text NOT NULL,
  unit uuid NOT NULL,
  created_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'compared', 'given_up')),
  attempts integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT now(),
  detail text NOT NULL DEFAULT '',
  measures jsonb NOT NULL DEFAULT '{}',
  evaluation text NOT NULL DEFAULT 'none' CHECK (evaluation IN ('none', 'pending', 'scored', 'failed')),
  evaluation_attempts integer NOT NULL DEFAULT 0,
  evaluation_next_at timestamptz NOT NULL DEFAULT now(),
  evaluation_at timestamptz,
  evaluation_detail text NOT NULL DEFAULT ''
);
CREATE INDEX shadow_pairs_due ON shadow_pairs (next_at) WHERE state = 'pending';
CREATE INDEX shadow_pairs_group ON shadow_pairs (group_id, shadow_variant, created_at DESC);
CREATE INDEX shadow_pairs_unevaluated ON shadow_pairs (group_id, evaluation_next_at) WHERE evaluation = 'pending';
CREATE INDEX shadow_pairs_evaluated ON shadow_pairs (group_id, evaluation_at) WHERE evaluation_at IS NOT NULL;
CREATE INDEX shadow_pairs_age ON shadow_pairs (created_at);
CREATE INDEX shadow_pairs_experiment ON shadow_pairs (experiment_id) WHERE experiment_id IS NOT NULL;

-- What a group's evaluator is called with, as envelopes: a key of ours for the group that judges, or what calls to a webhook are signed with.
CREATE TABLE shadow_evaluators (
  group_id uuid PRIMARY KEY REFERENCES groups,
  organization_id uuid NOT NULL REFERENCES organizations,
  evaluator_group_id uuid,
  key_id uuid,
  key text,
  webhook_secret text
);
`;

const ROW_SECURITY = `
DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['rollouts', 'rollout_transitions', 'rollout_webhooks', 'freeze_windows', 'experiment_units',
    'experiment_totals', 'experiment_unit_metrics', 'experiment_inferences', 'experiment_history', 'experiment_looks', 'feedback',
    'shadow_pairs', 'experiment_phases', 'shadow_evaluators']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
    EXECUTE format('CREATE POLICY own_organization ON %I TO ringside_application
      USING (organization_id = (SELECT current_organization())) WITH CHECK (organization_id = (SELECT current_organization()))', table_name);
    EXECUTE format('CREATE POLICY lead_all ON %I TO ringside_leader USING (true) WITH CHECK (true)', table_name);
  END LOOP;
  FOREACH table_name IN ARRAY ARRAY['rollouts', 'experiment_units', 'experiment_totals', 'experiment_inferences', 'feedback', 'shadow_pairs']
  LOOP
    EXECUTE format('CREATE POLICY count_all ON %I TO ringside_shipper USING (true) WITH CHECK (true)', table_name);
  END LOOP;
  CREATE POLICY join_feedback ON api_keys FOR SELECT TO ringside_leader USING (true);
END $$;
`;

const GRANTS = `
GRANT SELECT, INSERT, UPDATE ON rollouts, rollout_webhooks, experiment_phases, shadow_evaluators TO ringside_application;
-- Deleted are drafts only: of everything else a transition speaks.
GRANT DELETE ON rollouts TO ringside_application;
GRANT SELECT, INSERT ON rollout_transitions, experiment_looks TO ringside_application;
GRANT SELECT, INSERT, UPDATE, DELETE ON freeze_windows TO ringside_application;
GRANT SELECT, INSERT, UPDATE ON experiment_history, experiment_unit_metrics, shadow_pairs TO ringside_application;
GRANT SELECT ON experiment_units, experiment_totals, experiment_inferences, feedback TO ringside_application;
GRANT UPDATE (is_derived) ON experiment_inferences TO ringside_application;

GRANT SELECT (id, organization_id, group_id, definition, ingest, started_at, ended_at) ON rollouts TO ringside_shipper;
GRANT SELECT, INSERT, UPDATE ON experiment_units, experiment_totals TO ringside_shipper;
-- It adds, and reads none of what people wrote: of feedback only whether an id is there.
GRANT INSERT ON experiment_inferences, feedback, shadow_pairs TO ringside_shipper;
GRANT SELECT (organization_id, id) ON feedback TO ringside_shipper;

GRANT SELECT, UPDATE ON rollouts, rollout_webhooks, feedback, shadow_pairs TO ringside_leader;
GRANT DELETE ON experiment_inferences, shadow_pairs, feedback TO ringside_leader;
GRANT SELECT, INSERT, UPDATE ON experiment_unit_metrics, experiment_history TO ringside_leader;
GRANT SELECT, INSERT ON rollout_transitions, experiment_looks TO ringside_leader;
GRANT SELECT ON experiment_units, experiment_totals, experiment_inferences, freeze_windows TO ringside_leader;
-- Which groups feedback may be about that names a correlation.
GRANT SELECT (id, organization_id, group_ids) ON api_keys TO ringside_leader;
`;

const DONE = 'RESET ROLE; RESET search_path;';
