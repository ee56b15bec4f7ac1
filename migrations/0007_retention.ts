import { type Kysely, sql } from 'kysely';

/** Retention looks at a group's policy once more in the moment of the drop; rollups and entries of the ledger come to an end, too. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, DUE, DROP, ROLLUPS, SECURITY, DONE]) {
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

const SECURITY = `
REVOKE ALL ON FUNCTION partition_is_due, expire_rollups FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expire_rollups TO ringside_leader;
CREATE POLICY read_all ON rollups FOR SELECT TO ringside_owner USING (true);
CREATE POLICY expire_all ON rollups FOR DELETE TO ringside_owner USING (true);
-- Entries that balance, of gateways that are long gone: store/ledger-life.ts. (On the ledger the leader has a policy for all.)
CREATE POLICY expire_all ON gateway_ledgers FOR DELETE TO ringside_leader USING (true);
GRANT DELETE ON ledger, gateway_ledgers TO ringside_leader;

-- A row that is locked must pass a policy of UPDATE, too; none can be written by this one.
CREATE POLICY hold_policies ON groups FOR UPDATE TO ringside_owner USING (true) WITH CHECK (false);
`;

const DONE = 'RESET ROLE; RESET search_path;';
