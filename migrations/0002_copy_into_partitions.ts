import { type Kysely, sql } from 'kysely';

/**
 * The shipper copies rows straight into the partitions (COPY refuses a table with row-level security, which the parents
 * have), so it may add to them, and provision_partition now says what they are called. The application's role is granted
 * nothing on them: its way to the rows stays the parents' row-level security.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, PROVISIONING, GRANTS, DONE]) await sql.raw(statement).execute(db);
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

const PROVISIONING = `
DROP FUNCTION provision_partition(uuid, timestamptz);

-- The partition of a group that holds a moment: one ISO week, in UTC. Built standalone, then attached. Idempotent.
-- Returns what the names of both its tables have behind "inferences_" and "inference_payloads_".
CREATE FUNCTION provision_partition(wanted_group uuid, moment timestamptz) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ringside, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  starts timestamp := date_trunc('week', moment AT TIME ZONE 'UTC');
  group_suffix text := 'g_' || replace(wanted_group::text, '-', '');
  suffix text := group_suffix || to_char(starts, '"_"IYYY"w"IW');
  base text;
  parent text;
  child text;
BEGIN
  FOREACH base IN ARRAY ARRAY['inferences', 'inference_payloads'] LOOP
    parent := base || '_' || group_suffix;
    child := base || '_' || suffix;
    CONTINUE WHEN to_regclass(child) IS NOT NULL AND has_table_privilege('ringside_shipper', child, 'INSERT');
    PERFORM provision_group(wanted_group);
    PERFORM pg_advisory_xact_lock(hashtextextended(child, 0));
    -- Not to_regclass: what it did not find before the lock, it does not look up again.
    IF EXISTS (SELECT FROM pg_class WHERE relname = child AND relnamespace = 'ringside'::regnamespace) THEN
      -- One that the former function was making while this migration ran.
      EXECUTE format('GRANT INSERT ON %I TO ringside_shipper', child);
      CONTINUE;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING INDEXES)', child, parent);
    EXECUTE format('GRANT INSERT ON %I TO ringside_shipper', child);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child,
      starts AT TIME ZONE 'UTC', (starts + interval '7 days') AT TIME ZONE 'UTC');
  END LOOP;
  RETURN suffix;
END $$;
REVOKE ALL ON FUNCTION provision_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION provision_partition TO ringside_application, ringside_shipper, ringside_leader;
`;

const GRANTS = `
DO $$
DECLARE
  leaf regclass;
BEGIN
  FOR leaf IN
    SELECT tree.relid FROM (VALUES ('inferences'::regclass), ('inference_payloads'::regclass)) AS base (id),
      LATERAL pg_partition_tree(base.id) AS tree WHERE tree.isleaf
  LOOP
    EXECUTE format('GRANT INSERT ON %s TO ringside_shipper', leaf);
  END LOOP;
END $$;
`;

const DONE = 'RESET ROLE; RESET search_path;';
