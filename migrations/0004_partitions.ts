import { type Kysely, sql } from 'kysely';

// Over 300 lines: functions that share a lock order are read together.

/**
 * Partitions by day, week or month, their end by retention, and archives.
 *
 * The catalogue of partitions is PostgreSQL's own: what is attached counts, so that nothing gets out of step with what an
 * operator drops by hand. A change of a group's span moves no bound that exists: a new partition begins where one before it
 * ends and ends where one after it begins. Who makes, drops or attaches a partition of a group holds the group's advisory lock.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, TABLES, CATALOGUE, PROVISIONING, LEDGER, RETENTION, RESTORING, SECURITY, DONE]) {
    await sql.raw(statement).execute(db);
  }
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

const TABLES = `
-- Of the rows that ended and left the tables: archived ones can come back, expired ones cannot. "interrupted" goes on
-- counting every inference that never ended; interrupted_removed says how many of their rows left.
ALTER TABLE ledger
  ADD COLUMN archived bigint NOT NULL DEFAULT 0,
  ADD COLUMN expired bigint NOT NULL DEFAULT 0,
  ADD COLUMN interrupted_removed bigint NOT NULL DEFAULT 0;

-- writing ──▶ verified ──partition dropped──▶ dropped ⇄ restored; damaged: it was read back and is not what was written.
CREATE TABLE archives (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  group_id uuid NOT NULL REFERENCES groups,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'writing' CHECK (state IN ('writing', 'verified', 'dropped', 'restored', 'damaged')),
  format text NOT NULL CHECK (format IN ('jsonl', 'parquet')),
  location text NOT NULL,
  -- What count_rows gives of the partition.
  counts jsonb,
  columns jsonb,
  row_count bigint,
  payload_count bigint,
  file_bytes bigint,
  file_sha256 text,
  restored_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK (state IN ('writing', 'damaged')
    OR num_nulls(counts, columns, row_count, payload_count, file_bytes, file_sha256) = 0)
);
CREATE INDEX archives_group ON archives (group_id, starts_at);
`;

const CATALOGUE = `
-- The attached partitions of a group, of both tables. Times in the bounds are written in the time zone that is set.
CREATE FUNCTION log_partitions(wanted_group uuid)
RETURNS TABLE (base text, suffix text, starts_at timestamptz, ends_at timestamptz) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ringside, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
  SELECT tables.base, substr(leaf.relname, length(tables.base) + 2), bounds[1]::timestamptz, bounds[2]::timestamptz
  FROM (VALUES ('inferences'), ('inference_payloads')) AS tables (base)
  JOIN pg_class AS parent ON parent.relname = tables.base || '_g_' || replace(wanted_group::text, '-', '')
    AND parent.relnamespace = 'ringside'::regnamespace
  JOIN pg_inherits ON inhparent = parent.oid AND NOT inhdetachpending
  JOIN pg_class AS leaf ON leaf.oid = inhrelid,
  regexp_match(pg_get_expr(leaf.relpartbound, leaf.oid), $re$FROM \\('([^']+)'\\) TO \\('([^']+)'\\)$re$) AS bounds
$$;

-- How much time a new partition of the group holds.
CREATE FUNCTION partition_span(wanted_group uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ringside, pg_temp AS $$
  SELECT coalesce((SELECT log->>'partitionBy' FROM groups
    WHERE id = wanted_group AND log->>'partitionBy' IN ('day', 'week', 'month')), 'week')
$$;

-- Rows before it are not kept; null: all are.
CREATE FUNCTION retention_cutoff(wanted_group uuid) RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ringside, pg_temp AS $$
  SELECT now() - make_interval(hours => 24 * (log->>'retentionDays')::integer) FROM groups WHERE id = wanted_group
$$;

-- The columns that a copy of a table's rows needs.
CREATE FUNCTION stored_columns(wanted regclass) RETURNS text LANGUAGE sql STABLE SET search_path = ringside, pg_temp AS $$
  SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
  WHERE attrelid = wanted AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
$$;

-- The random half of an id.
CREATE FUNCTION id_bits(id uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT ('x' || right(replace(id::text, '-', ''), 16))::bit(64)::bigint
$$;

-- How many rows a table holds by gateway, status and outcome, and which: the random halves of their ids, XORed. Rows never
-- change, but a partition may be dropped and made again, with as many others. A function of the caller's rights.
CREATE FUNCTION count_rows(wanted regclass) RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = ringside, pg_temp AS $$
DECLARE
  counts jsonb;
BEGIN
  EXECUTE format('SELECT coalesce(jsonb_agg(to_jsonb(c)), ''[]'') FROM (
    SELECT gateway_id AS "gatewayId", status, outcome, count(*) AS rows, to_hex(bit_xor(id_bits(id))) AS ids
    FROM %s GROUP BY 1, 2, 3) AS c', wanted) INTO counts;
  RETURN counts;
END $$;

-- The same counts in one order.
CREATE FUNCTION sorted_counts(counts jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(entry ORDER BY entry), '[]') FROM jsonb_array_elements(counts) AS entry
$$;
`;

const PROVISIONING = `
-- The partition of a group that holds a moment, made if there is none: built standalone, then attached. Idempotent.
CREATE FUNCTION make_partition(wanted_group uuid, moment timestamptz,
  OUT suffix text, OUT starts_at timestamptz, OUT ends_at timestamptz, OUT created boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ringside, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET lock_timeout = '5s' AS $$
DECLARE
  group_suffix text := 'g_' || replace(wanted_group::text, '-', '');
  span text;
  wanted_base text;
  parent text;
  child text;
BEGIN
  created := false;
  PERFORM provision_group(wanted_group);
  PERFORM pg_advisory_xact_lock(hashtextextended('ringside partitions ' || wanted_group, 0));
  -- In either table: what one of them lacks gets the other's bounds.
  SELECT known.suffix, known.starts_at, known.ends_at INTO suffix, starts_at, ends_at
  FROM log_partitions(wanted_group) AS known WHERE known.starts_at <= moment AND moment < known.ends_at LIMIT 1;
  IF suffix IS NULL THEN
    span := partition_span(wanted_group);
    starts_at := date_trunc(span, moment, 'UTC');
    ends_at := starts_at + ('1 ' || span)::interval;
    SELECT greatest(make_partition.starts_at, max(known.ends_at) FILTER (WHERE known.ends_at <= moment)),
      least(make_partition.ends_at, min(known.starts_at) FILTER (WHERE known.starts_at > moment))
    INTO starts_at, ends_at FROM log_partitions(wanted_group) AS known;
    suffix := group_suffix || to_char(starts_at, '"_"YYYYMMDD');
  END IF;
  FOREACH wanted_base IN ARRAY ARRAY['inferences', 'inference_payloads'] LOOP
    CONTINUE WHEN EXISTS (SELECT FROM log_partitions(wanted_group) AS known
      WHERE known.base = wanted_base AND known.suffix = make_partition.suffix);
    parent := wanted_base || '_' || group_suffix;
    child := wanted_base || '_' || suffix;
    IF EXISTS (SELECT FROM pg_class WHERE relname = child AND relnamespace = 'ringside'::regnamespace) THEN
      RAISE EXCEPTION 'partition % is detached; attach it again or drop it', child USING ERRCODE = 'duplicate_table';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING INDEXES)', child, parent);
    EXECUTE format('GRANT INSERT ON %I TO ringside_shipper', child);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, starts_at, ends_at);
    created := true;
  END LOOP;
END $$;

-- As the release before calls it: the name alone, whatever the retention.
CREATE OR REPLACE FUNCTION provision_partition(wanted_group uuid, moment timestamptz) RETURNS text LANGUAGE sql
SECURITY DEFINER SET search_path = ringside, pg_temp AS $$
  SELECT suffix FROM make_partition(wanted_group, moment)
$$;

-- Where a row of that moment goes, with the range that goes there too: its partition, made if need be, or nowhere (suffix
-- null), when its partition was dropped or would be. So a replay does not bring back what retention has removed.
CREATE FUNCTION partition_for(wanted_group uuid, moment timestamptz,
  OUT suffix text, OUT starts_at timestamptz, OUT ends_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ringside, pg_temp AS $$
DECLARE
  cutoff timestamptz := retention_cutoff(wanted_group);
BEGIN
  IF moment < cutoff AND NOT EXISTS (
    SELECT FROM log_partitions(wanted_group) AS known WHERE known.starts_at <= moment AND moment < known.ends_at)
  THEN
    SELECT coalesce(max(known.ends_at) FILTER (WHERE known.ends_at <= moment), 'epoch'),
      least(cutoff, min(known.starts_at) FILTER (WHERE known.starts_at > moment))
    INTO starts_at, ends_at FROM log_partitions(wanted_group) AS known;
    RETURN;
  END IF;
  SELECT made.suffix, made.starts_at, made.ends_at INTO suffix, starts_at, ends_at
  FROM make_partition(wanted_group, moment) AS made;
END $$;

-- Makes what a group needs from a moment until one whole span later. Returns how many partitions that took.
CREATE FUNCTION provision_ahead(wanted_group uuid, moment timestamptz DEFAULT now()) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = ringside, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  covered timestamptz := moment;
  wanted timestamptz := moment + ('1 ' || partition_span(wanted_group))::interval;
  made record;
  made_count integer := 0;
BEGIN
  WHILE covered <= wanted LOOP
    SELECT * INTO made FROM make_partition(wanted_group, covered);
    covered := made.ends_at;
    made_count := made_count + made.created::integer;
  END LOOP;
  RETURN made_count;
END $$;
`;

const LEDGER = `
-- Rows that ended and rows that never did, by gateway.
CREATE FUNCTION counts_by_gateway(counts jsonb) RETURNS TABLE (gateway_id uuid, ended bigint, interrupted bigint) LANGUAGE sql
IMMUTABLE AS $$
  SELECT (entry->>'gatewayId')::uuid,
    coalesce(sum((entry->>'rows')::bigint) FILTER (WHERE entry->>'outcome' <> 'interrupted'), 0)::bigint,
    coalesce(sum((entry->>'rows')::bigint) FILTER (WHERE entry->>'outcome' = 'interrupted'), 0)::bigint
  FROM jsonb_array_elements(counts) AS entry GROUP BY 1
$$;

-- Moves counted rows out of the tables. In one order, as shippers do: no deadlocks.
CREATE FUNCTION remove_in_ledger(wanted_group uuid, counts jsonb, as_archived boolean) RETURNS void LANGUAGE sql
SET search_path = ringside, pg_temp AS $$
  INSERT INTO ledger AS l (gateway_id, group_id, stored, archived, expired, interrupted_removed)
  SELECT gateway_id, wanted_group, -ended, CASE WHEN as_archived THEN ended ELSE 0 END,
    CASE WHEN as_archived THEN 0 ELSE ended END, interrupted
  FROM counts_by_gateway(counts) ORDER BY gateway_id
  ON CONFLICT (gateway_id, group_id) DO UPDATE SET stored = l.stored + excluded.stored, archived = l.archived + excluded.archived,
    expired = l.expired + excluded.expired, interrupted_removed = l.interrupted_removed + excluded.interrupted_removed
$$;

-- Moves restored rows back in. Some may have been dropped a second time without an archive: those had expired.
CREATE FUNCTION return_in_ledger(wanted_group uuid, counts jsonb) RETURNS void LANGUAGE sql
SET search_path = ringside, pg_temp AS $$
  SELECT FROM ledger WHERE group_id = wanted_group ORDER BY gateway_id FOR UPDATE;
  UPDATE ledger AS l SET stored = l.stored + back.ended, archived = l.archived - least(l.archived, back.ended),
    expired = l.expired - (back.ended - least(l.archived, back.ended)),
    interrupted_removed = l.interrupted_removed - back.interrupted
  FROM counts_by_gateway(counts) AS back WHERE l.group_id = wanted_group AND l.gateway_id = back.gateway_id
$$;
`;

const RETENTION = `
-- What a partition holds, to be compared with an archive; null when it is gone.
CREATE FUNCTION count_partition(wanted_group uuid, wanted_suffix text) RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = ringside, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM log_partitions(wanted_group) AS known
    WHERE known.base = 'inferences' AND known.suffix = wanted_suffix) THEN RETURN NULL; END IF;
  RETURN count_rows(('inferences_' || wanted_suffix)::regclass);
EXCEPTION WHEN undefined_table THEN
  RETURN NULL; -- dropped at this moment
END $$;

-- Drops a partition, moves its rows in the ledger and says so in the audit log, or does nothing at all. With an archive only if
-- that holds every row. Returns the counts of what was dropped; null when somebody else dropped it.
--
-- First the partition alone is closed to writers, and counted while readers go on; only then is the group's table locked, for
-- the moment of the drop. The ledger comes last: shippers that hold its rows have all their other locks already. Where a
-- shipper and we wait for each other we give up first (deadlocks are looked for after 1 s) and try again later.
CREATE FUNCTION drop_partition(wanted_group uuid, wanted_suffix text, archive uuid, request text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = ringside, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
  leaf text := 'inferences_' || wanted_suffix;
  payload_leaf text := 'inference_payloads_' || wanted_suffix;
  known record;
  kept archives;
  counts jsonb;
  payloads bigint;
  organization uuid;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('ringside partitions ' || wanted_group, 0));
  SELECT p.starts_at, p.ends_at INTO known FROM log_partitions(wanted_group) AS p
  WHERE p.base = 'inferences' AND p.suffix = wanted_suffix;
  IF NOT FOUND THEN RETURN NULL; END IF;
  PERFORM make_partition(wanted_group, known.starts_at); -- the table of payloads, should an operator have dropped that
  EXECUTE format('LOCK TABLE %I, %I IN SHARE MODE', leaf, payload_leaf);
  counts := count_rows(leaf::regclass);
  IF archive IS NOT NULL THEN
    SELECT * INTO kept FROM archives AS a WHERE a.id = archive AND a.group_id = wanted_group AND a.starts_at = known.starts_at
      AND a.ends_at = known.ends_at AND a.state IN ('verified', 'dropped', 'restored') FOR UPDATE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'archive % is not a verified one of partition %', archive, leaf USING ERRCODE = 'RS001';
    END IF;
    EXECUTE format('SELECT count(*) FROM %I', payload_leaf) INTO payloads;
    IF sorted_counts(kept.counts) <> sorted_counts(counts) OR kept.payload_count <> payloads THEN
      RAISE EXCEPTION 'partition % has changed since it was archived', leaf USING ERRCODE = 'RS001';
    END IF;
  END IF;
  EXECUTE format('DROP TABLE %I', leaf);
  EXECUTE format('DROP TABLE %I', payload_leaf);
  PERFORM remove_in_ledger(wanted_group, counts, archive IS NOT NULL);
  UPDATE archives SET state = 'dropped', restored_until = NULL, updated_at = now() WHERE id = archive;
  SELECT organization_id INTO organization FROM groups WHERE id = wanted_group;
  INSERT INTO audit_entries (organization_id, actor, action, resource, before, after, request_id)
  VALUES (organization, 'retention', 'partition.drop', 'groups/' || wanted_group,
    jsonb_build_object('partition', wanted_suffix, 'from', known.starts_at, 'until', known.ends_at, 'rows',
      (SELECT coalesce(sum((entry->>'rows')::bigint), 0) FROM jsonb_array_elements(counts) AS entry)),
    jsonb_build_object('archive', archive), request);
  RETURN counts;
END $$;
`;

const RESTORING = `
-- Two empty tables to load an archive into; what an earlier try left is dropped.
CREATE FUNCTION begin_restore(archive uuid, OUT rows_table text, OUT payloads_table text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ringside, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
  PERFORM FROM archives WHERE id = archive AND state IN ('dropped', 'restored');
  IF NOT FOUND THEN RAISE EXCEPTION 'archive % is not one of a partition that was dropped', archive USING ERRCODE = 'RS001'; END IF;
  rows_table := 'restored_' || replace(archive::text, '-', '');
  payloads_table := 'restored_payloads_' || replace(archive::text, '-', '');
  EXECUTE format('DROP TABLE IF EXISTS %I, %I', rows_table, payloads_table);
  EXECUTE format('CREATE TABLE %I (LIKE inferences INCLUDING DEFAULTS INCLUDING GENERATED)', rows_table);
  EXECUTE format('CREATE TABLE %I (LIKE inference_payloads INCLUDING DEFAULTS INCLUDING GENERATED)', payloads_table);
  EXECUTE format('GRANT SELECT, INSERT ON %I, %I TO ringside_leader', rows_table, payloads_table);
END $$;

-- Attaches what was loaded as the partition that it was, or, where its time has partitions already, adds the rows that
-- those lack. Nothing happens unless all of the archive was loaded.
CREATE FUNCTION finish_restore(archive uuid, days integer, who text, request text, OUT restored jsonb, OUT attached boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ringside, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET lock_timeout = '5s' AS $$
DECLARE
  kept archives;
  loaded text[] := ARRAY['restored_' || replace(archive::text, '-', ''), 'restored_payloads_' || replace(archive::text, '-', '')];
  bases text[] := ARRAY['inferences', 'inference_payloads'];
  payloads bigint;
  group_suffix text;
  covered timestamptz;
  names text;
BEGIN
  SELECT * INTO STRICT kept FROM archives WHERE id = archive;
  group_suffix := 'g_' || replace(kept.group_id::text, '-', '');
  PERFORM provision_group(kept.group_id);
  PERFORM pg_advisory_xact_lock(hashtextextended('ringside partitions ' || kept.group_id, 0));
  SELECT * INTO STRICT kept FROM archives WHERE id = archive FOR UPDATE;
  EXECUTE format('SELECT count(*) FROM %I', loaded[2]) INTO payloads;
  IF sorted_counts(count_rows(loaded[1]::regclass)) <> sorted_counts(kept.counts) OR payloads <> kept.payload_count THEN
    RAISE EXCEPTION 'what was loaded of archive % is not what it was made of', archive USING ERRCODE = 'RS001';
  END IF;
  attached := NOT EXISTS (SELECT FROM log_partitions(kept.group_id) AS p
    WHERE p.starts_at < kept.ends_at AND p.ends_at > kept.starts_at);
  IF attached THEN
    restored := kept.counts;
    FOR i IN 1..2 LOOP
      EXECUTE format('ALTER TABLE %I RENAME TO %I', loaded[i],
        bases[i] || '_' || group_suffix || to_char(kept.starts_at, '"_"YYYYMMDD'));
      loaded[i] := bases[i] || '_' || group_suffix || to_char(kept.starts_at, '"_"YYYYMMDD');
      EXECUTE format('REVOKE ALL ON %I FROM ringside_leader', loaded[i]);
      EXECUTE format('GRANT INSERT ON %I TO ringside_shipper', loaded[i]);
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', bases[i] || '_' || group_suffix,
        loaded[i], kept.starts_at, kept.ends_at);
    END LOOP;
  ELSE
    covered := kept.starts_at;
    WHILE covered < kept.ends_at LOOP
      SELECT made.ends_at INTO covered FROM make_partition(kept.group_id, covered) AS made;
    END LOOP;
    names := stored_columns(loaded[1]::regclass);
    EXECUTE format('WITH added AS (INSERT INTO %I (%s) SELECT %s FROM %I ON CONFLICT DO NOTHING
        RETURNING id, gateway_id, status, outcome)
      SELECT coalesce(jsonb_agg(to_jsonb(c)), ''[]'') FROM (
        SELECT gateway_id AS "gatewayId", status, outcome, count(*) AS rows, to_hex(bit_xor(id_bits(id))) AS ids
        FROM added GROUP BY 1, 2, 3) AS c',
      bases[1] || '_' || group_suffix, names, names, loaded[1]) INTO restored;
    names := stored_columns(loaded[2]::regclass);
    EXECUTE format('INSERT INTO %I (%s) SELECT %s FROM %I ON CONFLICT DO NOTHING', bases[2] || '_' || group_suffix,
      names, names, loaded[2]);
    EXECUTE format('DROP TABLE %I, %I', loaded[1], loaded[2]);
  END IF;
  PERFORM return_in_ledger(kept.group_id, restored);
  UPDATE archives SET state = 'restored', restored_until = now() + make_interval(hours => 24 * days), updated_at = now()
  WHERE id = archive;
  INSERT INTO audit_entries (organization_id, actor, action, resource, after, request_id)
  VALUES (kept.organization_id, who, 'archive.restore', 'groups/' || kept.group_id,
    jsonb_build_object('archive', archive, 'days', days, 'attached', attached, 'rows',
      (SELECT coalesce(sum((entry->>'rows')::bigint), 0) FROM jsonb_array_elements(restored) AS entry)), request);
END $$;

-- Drops what begin_restore made.
CREATE FUNCTION abandon_restore(archive uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ringside, pg_temp AS $$
BEGIN
  EXECUTE format('DROP TABLE IF EXISTS %I, %I', 'restored_' || replace(archive::text, '-', ''),
    'restored_payloads_' || replace(archive::text, '-', ''));
END $$;
`;

const SECURITY = `
REVOKE ALL ON FUNCTION log_partitions, partition_span, retention_cutoff, make_partition, partition_for, provision_ahead,
  count_partition, remove_in_ledger, return_in_ledger, drop_partition, begin_restore, finish_restore, abandon_restore FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partition_for TO ringside_shipper;
GRANT EXECUTE ON FUNCTION provision_ahead TO ringside_application, ringside_leader;
GRANT EXECUTE ON FUNCTION log_partitions, retention_cutoff, count_partition, drop_partition, begin_restore, finish_restore,
  abandon_restore TO ringside_leader;

ALTER TABLE archives ENABLE ROW LEVEL SECURITY;
ALTER TABLE archives FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON archives TO ringside_application
  USING (organization_id = current_organization()) WITH CHECK (organization_id = current_organization());
CREATE POLICY keep_all ON archives TO ringside_owner, ringside_leader USING (true) WITH CHECK (true);
CREATE POLICY read_policies ON groups FOR SELECT TO ringside_owner, ringside_leader USING (true);
CREATE POLICY archive_all ON inferences FOR SELECT TO ringside_leader USING (true);
CREATE POLICY archive_all ON inference_payloads FOR SELECT TO ringside_leader USING (true);
CREATE POLICY append_all ON audit_entries FOR INSERT TO ringside_owner WITH CHECK (true);

GRANT SELECT ON archives TO ringside_application;
GRANT SELECT, INSERT, UPDATE, DELETE ON archives TO ringside_leader;
GRANT SELECT ON groups, inferences, inference_payloads, ledger TO ringside_leader;
`;

const DONE = 'RESET ROLE; RESET search_path;';
