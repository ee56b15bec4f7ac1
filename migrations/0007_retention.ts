import { type Kysely, sql } from 'kysely';

/**
 * Retention looks at a group's policy once more in the moment of the drop, and reaches rows in ClickHouse; rollups and entries
 * of the ledger come to an end, too.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, DUE, DROP, ROLLUPS, CLICKHOUSE, SECURITY, DONE]) {
    await sql.raw(statement).execute(db);
  }
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

const DUE = `
-- Whether the policy of now lets a partition go: its time is over, the archive that the group wants is there, and no operator
-- has restored rows of its time and named a day that is still to come.
CREATE FUNCTION partition_is_due(wanted_group uuid, starts timestamptz, ends timestamptz, archived boolean) RETURNS boolean
LANGUAGE sql STABLE SET search_path = ringside, pg_temp AS $$
  SELECT EXISTS (SELECT FROM groups WHERE id = wanted_group AND ends <= retention_cutoff(id)
      AND (archived OR coalesce(log->>'archive', 'none') = 'none'))
    AND NOT EXISTS (SELECT FROM archives AS a WHERE a.group_id = wanted_group AND a.state = 'restored'
      AND a.restored_until > now() AND a.starts_at < ends AND a.ends_at > starts)
$$;
`;

const DROP = `
-- Drops a partition, moves its rows in the ledger and says so in the audit log, or does nothing at all. With an archive only if
-- that holds every row. Returns the counts of what was dropped; null when somebody else dropped it, or when it is not due any
-- more: who asks has looked at the policy long ago, before an archive was written.
--
-- First the partition alone is closed to writers, and counted while readers go on; only then is the group's policy held as it
-- is, and the group's table locked, for the moment of the drop. The ledger comes last: shippers that hold its rows have all
-- their other locks already. Where somebody and we wait for each other we give up first (deadlocks are looked for after 1 s)
-- and try again later.
CREATE OR REPLACE FUNCTION drop_partition(wanted_group uuid, wanted_suffix text, archive uuid, request text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ringside, pg_temp SET lock_timeout = '500ms' AS $$
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
  -- Asked here too, so that nobody waits for a count that is of no use.
  IF NOT FOUND OR NOT partition_is_due(wanted_group, known.starts_at, known.ends_at, archive IS NOT NULL) THEN RETURN NULL; END IF;
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
  -- Restores are kept out by the lock above, changes of the policy by this one.
  SELECT organization_id INTO organization FROM groups WHERE id = wanted_group FOR SHARE;
  IF NOT FOUND OR NOT partition_is_due(wanted_group, known.starts_at, known.ends_at, archive IS NOT NULL) THEN RETURN NULL; END IF;
  EXECUTE format('DROP TABLE %I', leaf);
  EXECUTE format('DROP TABLE %I', payload_leaf);
  PERFORM remove_in_ledger(wanted_group, counts, archive IS NOT NULL);
  UPDATE archives SET state = 'dropped', restored_until = NULL, updated_at = now() WHERE id = archive;
  INSERT INTO audit_entries (organization_id, actor, action, resource, before, after, request_id)
  VALUES (organization, 'retention', 'partition.drop', 'groups/' || wanted_group,
    jsonb_build_object('partition', wanted_suffix, 'from', known.starts_at, 'until', known.ends_at, 'rows',
      (SELECT coalesce(sum((entry->>'rows')::bigint), 0) FROM jsonb_array_elements(counts) AS entry)),
    jsonb_build_object('archive', archive), request);
  RETURN counts;
END $$;
`;

const ROLLUPS = `
-- "rolled" goes on counting all rows that came into rollups; of so many of them the rollups have been removed since.
ALTER TABLE ledger ADD COLUMN rollups_removed bigint NOT NULL DEFAULT 0;

-- Removes the oldest rollups of a group, about as many as is said: those past its retention and keep_days, but never those
-- of a time that has a partition. Returns how many; 0: there are no more. A group that keeps its rows for ever keeps these, too.
--
-- Rollups first, then the ledger, both in one order, as shippers do.
CREATE FUNCTION expire_rollups(wanted_group uuid, keep_days integer, step_rows integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = ringside, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
  cutoff timestamptz;
  last_minute timestamptz;
  gone jsonb;
BEGIN
  SELECT now() - make_interval(hours => 24 * greatest(keep_days, (log->>'retentionDays')::integer)) INTO cutoff
  FROM groups WHERE id = wanted_group AND log->>'retentionDays' IS NOT NULL FOR SHARE;
  IF NOT FOUND THEN RETURN 0; END IF;
  SELECT least(cutoff, min(starts_at)) INTO cutoff FROM log_partitions(wanted_group);
  SELECT max(minute) INTO last_minute FROM (
    SELECT minute FROM rollups WHERE group_id = wanted_group AND minute < cutoff ORDER BY minute LIMIT step_rows
  ) AS oldest;
  IF last_minute IS NULL THEN RETURN 0; END IF;
  WITH removed AS (
    DELETE FROM rollups WHERE group_id = wanted_group AND minute <= last_minute RETURNING gateway_id, count + interrupted AS rows
  )
  SELECT jsonb_object_agg(gateway_id, jsonb_build_object('rollups', rollups, 'rows', rows)) INTO gone FROM (
    SELECT gateway_id, count(*) AS rollups, sum(rows)::bigint AS rows FROM removed GROUP BY gateway_id
  ) AS by_gateway;
  PERFORM FROM ledger WHERE group_id = wanted_group AND gone ? gateway_id::text ORDER BY gateway_id FOR UPDATE;
  UPDATE ledger SET rollups_removed = rollups_removed + (gone->gateway_id::text->>'rows')::bigint
  WHERE group_id = wanted_group AND gone ? gateway_id::text;
  RETURN (SELECT coalesce(sum((value->>'rollups')::integer), 0) FROM jsonb_each(gone));
END $$;
`;

const CLICKHOUSE = `
-- What becomes of a group's rows in ClickHouse that were made before "until". "run" tells a leader that another one has taken over.
--
--   counting ──counted──▶ deleting ──deleted, and moved in the ledger──▶ done ──a later "until"──▶ counting
CREATE TABLE clickhouse_expiry (
  group_id uuid PRIMARY KEY REFERENCES groups,
  until timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('counting', 'deleting', 'done')),
  run bigint NOT NULL,
  -- By gateway and outcome.
  counts jsonb,
  CHECK ((state = 'deleting') = (counts IS NOT NULL))
);

-- As with partitions, whole spans go; null: nothing does. There are no archives of these rows, so who wants one keeps them.
CREATE FUNCTION clickhouse_cutoff(wanted_group uuid) RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ringside, pg_temp AS $$
  SELECT date_trunc(partition_span(id), retention_cutoff(id), 'UTC') FROM groups
  WHERE id = wanted_group AND coalesce(log->>'archive', 'none') = 'none'
$$;

-- Has what is noted of a group follow a policy that keeps more by now, unless rows may be gone already. A leader that counts
-- for it has another "run" then, and stops.
CREATE FUNCTION follow_clickhouse_policy(wanted_group uuid) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = ringside, pg_temp AS $$
  UPDATE clickhouse_expiry SET until = coalesce(clickhouse_cutoff(wanted_group), '-infinity'), state = 'done', run = run + 1
  WHERE group_id = wanted_group AND state <> 'deleting' AND until > coalesce(clickhouse_cutoff(wanted_group), '-infinity')
$$;

-- Decides from when on a group's rows are kept; until is null when there is nothing to do. With counts: a run before was cut
-- off after it had counted, and its rows may be gone already. Behind the lock no shipper adds rows from before (hold_late_rows).
CREATE FUNCTION begin_clickhouse_expiry(wanted_group uuid, OUT until timestamptz, OUT run bigint, OUT counts jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ringside, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  known clickhouse_expiry;
  cutoff timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('ringside clickhouse ' || wanted_group, 0));
  SELECT * INTO known FROM clickhouse_expiry AS e WHERE e.group_id = wanted_group FOR UPDATE;
  cutoff := clickhouse_cutoff(wanted_group);
  IF known.state = 'deleting' THEN
    UPDATE clickhouse_expiry AS e SET run = e.run + 1 WHERE e.group_id = wanted_group
    RETURNING e.until, e.run, e.counts INTO until, run, counts;
  ELSIF cutoff IS NULL THEN
    PERFORM follow_clickhouse_policy(wanted_group);
  ELSIF known.state IS NULL OR known.state = 'counting' OR known.until <> cutoff THEN
    INSERT INTO clickhouse_expiry AS e (group_id, until, state, run) VALUES (wanted_group, cutoff, 'counting', 1)
    ON CONFLICT (group_id) DO UPDATE SET until = excluded.until, state = 'counting', run = e.run + 1
    RETURNING e.until, e.run INTO until, run;
  END IF;
END $$;

-- Says what is about to be deleted. False: leave it, since the policy of now keeps more, or another leader has taken over.
CREATE FUNCTION count_clickhouse_expiry(wanted_group uuid, wanted_run bigint, counted jsonb) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = ringside, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
  PERFORM FROM groups WHERE id = wanted_group FOR SHARE;
  UPDATE clickhouse_expiry SET state = 'deleting', counts = counted
  WHERE group_id = wanted_group AND run = wanted_run AND state = 'counting' AND until <= clickhouse_cutoff(wanted_group);
  RETURN FOUND;
END $$;

-- Whether what has been counted is still to be deleted, by the policy of now.
CREATE FUNCTION clickhouse_expiry_stands(wanted_group uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ringside, pg_temp AS $$
  SELECT coalesce(until <= clickhouse_cutoff(group_id), false) FROM clickhouse_expiry WHERE group_id = wanted_group
$$;

-- Moves what was deleted, "gone", in the ledger, once, and says so in the audit log. False: another leader does that.
CREATE FUNCTION finish_clickhouse_expiry(wanted_group uuid, wanted_run bigint, gone jsonb, request text) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = ringside, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  known clickhouse_expiry;
BEGIN
  SELECT * INTO known FROM clickhouse_expiry AS e
  WHERE e.group_id = wanted_group AND e.run = wanted_run AND e.state = 'deleting' FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE clickhouse_expiry SET state = 'done', counts = NULL WHERE group_id = wanted_group;
  IF gone = '[]' THEN RETURN true; END IF;
  PERFORM remove_in_ledger(wanted_group, gone, false);
  INSERT INTO audit_entries (organization_id, actor, action, resource, before, request_id)
  SELECT organization_id, 'retention', 'clickhouse.expire', 'groups/' || id, jsonb_build_object('until', known.until, 'rows',
    (SELECT sum((entry->>'rows')::bigint) FROM jsonb_array_elements(gone) AS entry)), request
  FROM groups WHERE id = wanted_group;
  RETURN true;
END $$;

-- For a shipper whose batch has, of each of these groups, rows from "oldest" on: from when on they may be stored, where that
-- matters. The policy of now decides, but for rows that a leader may be deleting. Held till its transaction ends, if rows are so old that a retention (a day or more) may end before it does.
CREATE FUNCTION hold_late_rows(wanted_groups uuid[], oldest timestamptz[]) RETURNS TABLE (group_id uuid, until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ringside, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('ringside clickhouse ' || late.id, 0)) FROM (
    SELECT id FROM unnest(wanted_groups, oldest) AS w (id, first_at) WHERE first_at < now() - interval '23 hours' ORDER BY id
  ) AS late;
  PERFORM follow_clickhouse_policy(noted.id) FROM (
    SELECT e.group_id AS id FROM clickhouse_expiry AS e
    JOIN unnest(wanted_groups, oldest) AS w (id, first_at) ON e.group_id = w.id AND w.first_at < e.until ORDER BY e.group_id
  ) AS noted;
  RETURN QUERY SELECT e.group_id, e.until FROM clickhouse_expiry AS e
    JOIN unnest(wanted_groups, oldest) AS w (id, first_at) ON e.group_id = w.id AND w.first_at < e.until;
END $$;
`;

const SECURITY = `
REVOKE ALL ON FUNCTION partition_is_due, expire_rollups, clickhouse_cutoff, follow_clickhouse_policy, begin_clickhouse_expiry,
  count_clickhouse_expiry, clickhouse_expiry_stands, finish_clickhouse_expiry, hold_late_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expire_rollups, begin_clickhouse_expiry, count_clickhouse_expiry, clickhouse_expiry_stands,
  finish_clickhouse_expiry TO ringside_leader;
GRANT SELECT ON clickhouse_expiry TO ringside_leader;
GRANT EXECUTE ON FUNCTION hold_late_rows TO ringside_shipper;
CREATE POLICY read_all ON rollups FOR SELECT TO ringside_owner USING (true);
CREATE POLICY expire_all ON rollups FOR DELETE TO ringside_owner USING (true);
-- Entries that balance, of gateways that are long gone: store/ledger-life.ts. (On the ledger the leader has a policy for all.)
CREATE POLICY expire_all ON gateway_ledgers FOR DELETE TO ringside_leader USING (true);
GRANT DELETE ON ledger, gateway_ledgers TO ringside_leader;

-- A row that is locked must pass a policy of UPDATE, too; none can be written by this one.
CREATE POLICY hold_policies ON groups FOR UPDATE TO ringside_owner USING (true) WITH CHECK (false);
`;

const DONE = 'RESET ROLE; RESET search_path;';
