import { type Kysely, sql } from 'kysely';

/**
 * The first schema. Everything lives in the schema `ringside`, owned by `ringside_owner` (no login, no superuser, no
 * BYPASSRLS). Processes connect as the login of DATABASE_URL and act as one of:
 *   ringside_application  control plane: one organization at a time, by row-level security
 *   ringside_gateway      reads snapshots and key digests of all organizations, reports what it serves
 *   ringside_shipper      appends to the inference log and moves its cursors
 *   ringside_leader       background jobs across organizations
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [ROLES, CONFIGURATION, CONTROL, LOG, PROVISIONING, ROW_SECURITY, GRANTS, DONE]) {
    await sql.raw(statement).execute(db);
  }
}

const ROLES = `
DO $$
DECLARE role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['ringside_owner','ringside_application','ringside_gateway','ringside_shipper','ringside_leader']
  LOOP
    BEGIN
      -- Roles belong to the server: an administrator or another database may have made them, even at this moment.
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', role_name);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
    IF NOT pg_has_role(current_user, role_name, 'SET') THEN
      EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
    END IF;
  END LOOP;
END $$;
GRANT CREATE, USAGE ON SCHEMA ringside TO ringside_owner;
GRANT USAGE ON SCHEMA ringside TO ringside_application, ringside_gateway, ringside_shipper, ringside_leader;
SET LOCAL ROLE ringside_owner;
SET LOCAL search_path = ringside;
`;

const CONFIGURATION = `
CREATE SEQUENCE config_version;
CREATE SEQUENCE key_version;

CREATE TABLE organizations (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE providers (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  name text NOT NULL,
  kind text NOT NULL,
  base_url text NOT NULL,
  credentials text,
  credential_hint text,
  header_names text[] NOT NULL DEFAULT '{}',
  timeouts jsonb NOT NULL DEFAULT '{}',
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE UNIQUE INDEX providers_name ON providers (organization_id, name) WHERE deleted_at IS NULL;

CREATE TABLE models (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  name text NOT NULL,
  meta jsonb NOT NULL DEFAULT '{}',
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE UNIQUE INDEX models_name ON models (organization_id, name) WHERE deleted_at IS NULL;

CREATE TABLE deployments (
  model_id uuid NOT NULL REFERENCES models,
  position smallint NOT NULL,
  organization_id uuid NOT NULL REFERENCES organizations,
  provider_id uuid NOT NULL REFERENCES providers,
  upstream_model text NOT NULL,
  weight integer NOT NULL DEFAULT 1 CHECK (weight >= 0),
  zone text,
  PRIMARY KEY (model_id, position)
);
CREATE INDEX deployments_provider ON deployments (provider_id);

CREATE TABLE groups (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  name text NOT NULL,
  description text NOT NULL DEFAULT '',
  salt text NOT NULL,
  hash_version integer NOT NULL DEFAULT 1,
  phase integer NOT NULL DEFAULT 1,
  capture jsonb NOT NULL,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE UNIQUE INDEX groups_name ON groups (organization_id, name) WHERE deleted_at IS NULL;

CREATE TABLE variants (
  group_id uuid NOT NULL REFERENCES groups,
  model_id uuid NOT NULL REFERENCES models,
  organization_id uuid NOT NULL REFERENCES organizations,
  position smallint NOT NULL,
  role text NOT NULL CHECK (role IN ('champion', 'challenger', 'shadow', 'fallback')),
  weight_bp integer NOT NULL CHECK (weight_bp BETWEEN 0 AND 10000),
  ranges jsonb NOT NULL,
  PRIMARY KEY (group_id, model_id)
);
CREATE INDEX variants_model ON variants (model_id);

-- Kept for ever: with a row's unit and config version they reproduce its assignment.
CREATE TABLE weight_versions (
  group_id uuid NOT NULL REFERENCES groups,
  config_version bigint NOT NULL,
  organization_id uuid NOT NULL REFERENCES organizations,
  salt text NOT NULL,
  hash_version integer NOT NULL,
  phase integer NOT NULL,
  variants jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (group_id, config_version)
);

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  name text NOT NULL,
  digest bytea NOT NULL UNIQUE,
  hint text NOT NULL,
  group_ids uuid[],
  default_unit text,
  expires_at timestamptz,
  key_version bigint NOT NULL,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE UNIQUE INDEX api_keys_name ON api_keys (organization_id, name) WHERE deleted_at IS NULL;
CREATE INDEX api_keys_key_version ON api_keys (key_version);

CREATE TABLE snapshots (
  version bigint PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  document jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX snapshots_organization ON snapshots (organization_id, version DESC);
`;

const CONTROL = `
CREATE TABLE admin_tokens (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin', 'owner')),
  digest bytea NOT NULL UNIQUE,
  hint text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  deleted_at timestamptz
);

CREATE TABLE audit_entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  at timestamptz NOT NULL DEFAULT now(),
  actor text NOT NULL,
  action text NOT NULL,
  resource text NOT NULL,
  before jsonb,
  after jsonb,
  config_version bigint,
  request_id text NOT NULL
);
CREATE INDEX audit_entries_organization ON audit_entries (organization_id, id DESC);

-- The stored answer is an envelope, because it may hold a key that is shown once.
CREATE TABLE idempotency_keys (
  organization_id uuid NOT NULL REFERENCES organizations,
  key text NOT NULL,
  fingerprint bytea NOT NULL,
  status smallint NOT NULL,
  answer text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, key)
);

CREATE TABLE gateways (
  id uuid PRIMARY KEY,
  host text NOT NULL,
  pid integer NOT NULL,
  release text NOT NULL,
  workers smallint NOT NULL,
  snapshot_version bigint NOT NULL,
  key_version bigint NOT NULL,
  started_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  stopped_at timestamptz
);

CREATE FUNCTION find_admin_token(wanted bytea)
RETURNS TABLE (id uuid, organization_id uuid, name text, role text) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ringside, pg_temp AS $$
  SELECT id, organization_id, name, role FROM admin_tokens
  WHERE digest = wanted AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > now())
$$;

-- For the first start, which knows the organization by name only.
CREATE FUNCTION find_organization(wanted text) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ringside, pg_temp AS $$
  SELECT id FROM organizations WHERE name = wanted
$$;
`;

const LOG = `
CREATE TABLE inferences (
  id uuid NOT NULL,
  group_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  organization_id uuid NOT NULL,
  schema_version smallint NOT NULL,
  gateway_id uuid NOT NULL,
  config_version bigint NOT NULL,
  key_id uuid NOT NULL,
  operation text NOT NULL,
  dialect text NOT NULL,
  streamed boolean NOT NULL,
  assigned_variant text NOT NULL,
  served_variant text,
  served_reason text NOT NULL,
  unit text NOT NULL,
  unit_source text NOT NULL,
  hash_version integer NOT NULL,
  bucket smallint NOT NULL,
  range_from smallint NOT NULL,
  range_to smallint NOT NULL,
  phase integer NOT NULL,
  status smallint NOT NULL,
  outcome text NOT NULL,
  error_code text,
  end_reason text NOT NULL,
  finish_reason text,
  attempts jsonb NOT NULL,
  input_tokens integer,
  output_tokens integer,
  cached_tokens integer,
  reasoning_tokens integer,
  cost_micro_usd bigint,
  queue_ns bigint,
  connect_ns bigint,
  first_byte_ns bigint,
  first_token_ns bigint,
  total_ns bigint NOT NULL,
  cache text,
  trace_id text NOT NULL,
  metadata jsonb,
  request_bytes bigint NOT NULL,
  response_bytes bigint NOT NULL,
  PRIMARY KEY (group_id, created_at, id)
) PARTITION BY LIST (group_id);

CREATE TABLE inference_payloads (
  id uuid NOT NULL,
  group_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  organization_id uuid NOT NULL,
  request bytea,
  request_sha256 bytea,
  response bytea,
  response_sha256 bytea,
  response_type text,
  PRIMARY KEY (group_id, created_at, id)
) PARTITION BY LIST (group_id);

-- Per spool: frames before "scan" are of no further use; end frames before "shipped" have their rows in the tables.
CREATE TABLE spools (
  id uuid PRIMARY KEY,
  gateway_id uuid NOT NULL,
  scan_segment integer NOT NULL,
  scan_offset bigint NOT NULL,
  shipped_segment integer NOT NULL,
  shipped_offset bigint NOT NULL,
  finished boolean NOT NULL DEFAULT false,
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- What the store holds of each gateway process; counted in the transaction that writes the rows.
CREATE TABLE ledger (
  gateway_id uuid NOT NULL,
  group_id uuid NOT NULL,
  stored bigint NOT NULL DEFAULT 0,
  interrupted bigint NOT NULL DEFAULT 0,
  dropped bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (gateway_id, group_id)
);
`;

const PROVISIONING = `
-- A dedicated table per group (and one for its payloads), itself partitioned by week. Idempotent.
CREATE FUNCTION provision_group(wanted_group uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ringside, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  base text;
  child text;
BEGIN
  FOREACH base IN ARRAY ARRAY['inferences', 'inference_payloads'] LOOP
    child := base || '_g_' || replace(wanted_group::text, '-', '');
    CONTINUE WHEN to_regclass(child) IS NOT NULL;
    PERFORM pg_advisory_xact_lock(hashtextextended(child, 0));
    -- Not to_regclass: what it did not find before the lock, it does not look up again.
    CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = child AND relnamespace = 'ringside'::regnamespace);
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING INDEXES) PARTITION BY RANGE (created_at)', child, base);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%L)', base, child, wanted_group);
  END LOOP;
END $$;

-- The partition of a group that holds a moment: one ISO week, in UTC. Built standalone, then attached. Idempotent.
CREATE FUNCTION provision_partition(wanted_group uuid, moment timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ringside, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  starts timestamp := date_trunc('week', moment AT TIME ZONE 'UTC');
  base text;
  parent text;
  child text;
BEGIN
  FOREACH base IN ARRAY ARRAY['inferences', 'inference_payloads'] LOOP
    parent := base || '_g_' || replace(wanted_group::text, '-', '');
    child := parent || to_char(starts, '"_"IYYY"w"IW');
    CONTINUE WHEN to_regclass(child) IS NOT NULL;
    PERFORM provision_group(wanted_group);
    PERFORM pg_advisory_xact_lock(hashtextextended(child, 0));
    -- Not to_regclass: what it did not find before the lock, it does not look up again.
    CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = child AND relnamespace = 'ringside'::regnamespace);
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING INDEXES)', child, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child,
      starts AT TIME ZONE 'UTC', (starts + interval '7 days') AT TIME ZONE 'UTC');
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION provision_group, provision_partition, find_admin_token, find_organization FROM PUBLIC;
`;

const ROW_SECURITY = `
CREATE FUNCTION current_organization() RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT NULLIF(current_setting('ringside.organization_id', true), '')::uuid
$$;

DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['providers','models','deployments','groups','variants','weight_versions','api_keys',
    'snapshots','admin_tokens','audit_entries','idempotency_keys','inferences','inference_payloads']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
    EXECUTE format('CREATE POLICY own_organization ON %I TO ringside_application
      USING (organization_id = current_organization()) WITH CHECK (organization_id = current_organization())', table_name);
  END LOOP;
END $$;
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON organizations TO ringside_application
  USING (id = current_organization()) WITH CHECK (id = current_organization());

CREATE POLICY find_by_digest ON admin_tokens FOR SELECT TO ringside_owner USING (true);
CREATE POLICY find_by_name ON organizations FOR SELECT TO ringside_owner USING (true);
CREATE POLICY serve_all ON snapshots FOR SELECT TO ringside_gateway USING (true);
CREATE POLICY serve_all ON api_keys FOR SELECT TO ringside_gateway USING (true);
CREATE POLICY append_all ON inferences FOR INSERT TO ringside_shipper WITH CHECK (true);
CREATE POLICY append_all ON inference_payloads FOR INSERT TO ringside_shipper WITH CHECK (true);
`;

const GRANTS = `
GRANT SELECT, INSERT ON organizations TO ringside_application;
GRANT SELECT, INSERT, UPDATE, DELETE ON providers, models, deployments, groups, variants, api_keys, admin_tokens,
  idempotency_keys TO ringside_application;
GRANT SELECT, INSERT, DELETE ON snapshots TO ringside_application;
GRANT SELECT, INSERT ON weight_versions, audit_entries TO ringside_application;
GRANT SELECT ON gateways, inferences, inference_payloads, ledger, spools TO ringside_application;
GRANT USAGE ON SEQUENCE config_version, key_version TO ringside_application;
GRANT EXECUTE ON FUNCTION find_admin_token, find_organization, provision_group, provision_partition TO ringside_application;

GRANT SELECT ON snapshots, api_keys TO ringside_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON gateways TO ringside_gateway;

GRANT INSERT ON inferences, inference_payloads TO ringside_shipper;
GRANT SELECT, INSERT, UPDATE, DELETE ON spools TO ringside_shipper;
GRANT SELECT, INSERT, UPDATE ON ledger TO ringside_shipper;
GRANT EXECUTE ON FUNCTION provision_group, provision_partition TO ringside_shipper, ringside_leader;
`;

// The migrator's own tables belong to the login.
const DONE = 'RESET ROLE; RESET search_path;';
