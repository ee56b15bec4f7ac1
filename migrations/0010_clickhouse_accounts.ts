import { type Kysely, sql } from 'kysely';

/**
 * Retention moves only such rows of ClickHouse in the ledger as have been counted there, and rows that the policy of now keeps wait for a
 * deletion that was cut off, instead of expiring (docs/decisions/0016-clickhouse-sink.md).
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, GONE, COUNT, HOLD, ROLLUPS, SECURITY, DONE]) {
    await sql.raw(statement).execute(db);
  }
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

const GONE = `
-- Of the rows that rollups of a day count, so many are not in ClickHouse: they came late, or have been removed. The others are there.
CREATE TABLE clickhouse_gone (
  group_id uuid NOT NULL,
  day date NOT NULL,
  gateway_id uuid NOT NULL,
  ended bigint NOT NULL,
  interrupted bigint NOT NULL,
  PRIMARY KEY (group_id, day, gateway_id)
);

-- "gone": groupId, day, gatewayId, outcome and rows. In one order, and before the ledger, as everyone does. What the release before
-- has counted has no days.
CREATE FUNCTION add_clickhouse_gone(gone jsonb) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = ringside, pg_temp AS $$
  INSERT INTO clickhouse_gone AS g (group_id, day, gateway_id, ended, interrupted)
  SELECT "groupId", day, "gatewayId", coalesce(sum(rows) FILTER (WHERE outcome <> 'interrupted'), 0),
    coalesce(sum(rows) FILTER (WHERE outcome = 'interrupted'), 0)
  FROM jsonb_to_recordset(gone) AS entry ("groupId" uuid, day date, "gatewayId" uuid, outcome text, rows bigint)
  WHERE day IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
  ON CONFLICT (group_id, day, gateway_id) DO UPDATE SET ended = g.ended + excluded.ended, interrupted = g.interrupted + excluded.interrupted
$$;
`;

const COUNT = `
-- What of "found", rows in ClickHouse by gateway, day and outcome, has been counted in the ledger. The others are of a shipper that
-- died before its COMMIT; they count when their batch is shipped again. A gateway whose rollups do not hold everything (an early
-- release shipped for it) is taken at ClickHouse's word.
CREATE FUNCTION counted_in_clickhouse(wanted_group uuid, found jsonb) RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ringside, pg_temp AS $$
  WITH entries AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(found) AS entry ("gatewayId" uuid, day date, outcome text, rows bigint)
  ), rolled AS (
    SELECT gateway_id, (minute AT TIME ZONE 'UTC')::date AS day, sum(count) AS ended, sum(interrupted) AS interrupted
    FROM rollups WHERE group_id = wanted_group
      AND minute >= (SELECT min(day)::timestamp AT TIME ZONE 'UTC' FROM entries)
      AND minute < (SELECT (max(day) + 1)::timestamp AT TIME ZONE 'UTC' FROM entries)
    GROUP BY 1, 2
  ), counted AS (
    SELECT e."gatewayId", e.day, e.outcome, CASE
      WHEN e.day IS NULL OR l.rolled < l.stored + l.archived + l.expired + l.interrupted THEN e.rows
      WHEN e.outcome = 'interrupted' THEN least(e.rows, coalesce(r.interrupted, 0) - coalesce(g.interrupted, 0))
      ELSE least(e.rows, coalesce(r.ended, 0) - coalesce(g.ended, 0)) END AS rows
    FROM entries AS e
    LEFT JOIN rolled AS r ON r.gateway_id = e."gatewayId" AND r.day = e.day
    LEFT JOIN clickhouse_gone AS g ON g.group_id = wanted_group AND g.day = e.day AND g.gateway_id = e."gatewayId"
    LEFT JOIN ledger AS l ON l.group_id = wanted_group AND l.gateway_id = e."gatewayId"
  )
  SELECT coalesce(jsonb_agg(to_jsonb(counted)), '[]') FROM counted WHERE rows > 0
$$;

-- As before, but what is written down are the rows that the ledger knows. No row of that time is stored meanwhile (hold_late_rows),
-- and what comes late joins the rollups and what is gone at once, so that the difference stays.
CREATE OR REPLACE FUNCTION count_clickhouse_expiry(wanted_group uuid, wanted_run bigint, counted jsonb) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = ringside, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
  PERFORM FROM groups WHERE id = wanted_group FOR SHARE;
  UPDATE clickhouse_expiry SET state = 'deleting', counts = counted_in_clickhouse(wanted_group, counted)
  WHERE group_id = wanted_group AND run = wanted_run AND state = 'counting' AND until <= clickhouse_cutoff(wanted_group);
  RETURN FOUND;
END $$;

-- As before, and notes by day what is gone.
CREATE OR REPLACE FUNCTION finish_clickhouse_expiry(wanted_group uuid, wanted_run bigint, gone jsonb, request text) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = ringside, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  known clickhouse_expiry;
BEGIN
  SELECT * INTO known FROM clickhouse_expiry AS e
  WHERE e.group_id = wanted_group AND e.run = wanted_run AND e.state = 'deleting' FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE clickhouse_expiry SET state = 'done', counts = NULL WHERE group_id = wanted_group;
  IF gone = '[]' THEN RETURN true; END IF;
  PERFORM add_clickhouse_gone((SELECT jsonb_agg(entry || jsonb_build_object('groupId', wanted_group)) FROM jsonb_array_elements(gone) AS entry));
  PERFORM remove_in_ledger(wanted_group, gone, false);
  INSERT INTO audit_entries (organization_id, actor, action, resource, before, request_id)
  SELECT organization_id, 'retention', 'clickhouse.expire', 'groups/' || id, jsonb_build_object('until', known.until, 'rows',
    (SELECT sum((entry->>'rows')::bigint) FROM jsonb_array_elements(gone) AS entry)), request
  FROM groups WHERE id = wanted_group;
  RETURN true;
END $$;

-- A run that was cut off in the release before: outcomes as they are counted now.
UPDATE clickhouse_expiry SET counts = (
  SELECT coalesce(jsonb_agg(jsonb_build_object('gatewayId', gateway_id, 'outcome', outcome, 'rows', rows)), '[]') FROM (
    SELECT entry->>'gatewayId' AS gateway_id, CASE entry->>'outcome' WHEN 'interrupted' THEN 'interrupted' ELSE 'ended' END AS outcome,
      sum((entry->>'rows')::bigint) AS rows
    FROM jsonb_array_elements(counts) AS entry GROUP BY 1, 2
  ) AS by_outcome
) WHERE state = 'deleting';
`;

const HOLD = `
-- For a shipper whose batch has, of each of these groups, rows from "oldest" on: from when on they may be stored. The policy of now
-- decides, but for rows that a leader may be deleting: of those, it keeps what was made from "kept_from" on (null: nothing), and
-- that waits. "run" is another one once rows of the group may have been removed. A group has an entry if its rows are so old
-- that a retention (a day or more) may end before the transaction does; it is held till then.
DROP FUNCTION hold_late_rows(uuid[], timestamptz[]);
CREATE FUNCTION hold_late_rows(wanted_groups uuid[], oldest timestamptz[])
RETURNS TABLE (group_id uuid, until timestamptz, kept_from timestamptz, run bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ringside, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('ringside clickhouse ' || late.id, 0)) FROM (
    SELECT id FROM unnest(wanted_groups, oldest) AS w (id, first_at) WHERE first_at < now() - interval '23 hours' ORDER BY id
  ) AS late;
  PERFORM follow_clickhouse_policy(noted.id) FROM (
    SELECT e.group_id AS id FROM clickhouse_expiry AS e
    JOIN unnest(wanted_groups, oldest) AS w (id, first_at) ON e.group_id = w.id AND w.first_at < e.until ORDER BY e.group_id
  ) AS noted;
  RETURN QUERY SELECT w.id, coalesce(e.until, '-infinity'), CASE
      WHEN e.state = 'deleting' AND coalesce(clickhouse_cutoff(w.id), '-infinity') < e.until
      THEN coalesce(clickhouse_cutoff(w.id), '-infinity') END, coalesce(e.run, 0)
    FROM unnest(wanted_groups, oldest) AS w (id, first_at) LEFT JOIN clickhouse_expiry AS e ON e.group_id = w.id
    WHERE w.first_at < now() - interval '23 hours' OR w.first_at < e.until;
END $$;
`;

const ROLLUPS = `
-- As before, and never those of days from "kept_from" on: ClickHouse has rows from then. Null: it has none.
DROP FUNCTION expire_rollups(uuid, integer, integer);
CREATE FUNCTION expire_rollups(wanted_group uuid, keep_days integer, step_rows integer, kept_from timestamptz DEFAULT NULL)
RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = ringside, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
  cutoff timestamptz;
  last_minute timestamptz;
  gone jsonb;
BEGIN
  SELECT now() - make_interval(hours => 24 * greatest(keep_days, (log->>'retentionDays')::integer)) INTO cutoff
  FROM groups WHERE id = wanted_group AND log->>'retentionDays' IS NOT NULL FOR SHARE;
  IF NOT FOUND THEN RETURN 0; END IF;
  SELECT least(cutoff, min(starts_at), date_trunc('day', kept_from, 'UTC')) INTO cutoff FROM log_partitions(wanted_group);
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
  -- What is gone of days of which no rollup is left.
  DELETE FROM clickhouse_gone AS g WHERE g.group_id = wanted_group AND g.day <= (last_minute AT TIME ZONE 'UTC')::date
    AND NOT EXISTS (SELECT FROM rollups AS r WHERE r.group_id = wanted_group
      AND r.minute >= g.day::timestamp AT TIME ZONE 'UTC' AND r.minute < (g.day + 1)::timestamp AT TIME ZONE 'UTC');
  PERFORM FROM ledger WHERE group_id = wanted_group AND gone ? gateway_id::text ORDER BY gateway_id FOR UPDATE;
  UPDATE ledger SET rollups_removed = rollups_removed + (gone->gateway_id::text->>'rows')::bigint
  WHERE group_id = wanted_group AND gone ? gateway_id::text;
  RETURN (SELECT coalesce(sum((value->>'rollups')::integer), 0) FROM jsonb_each(gone));
END $$;
`;

const SECURITY = `
REVOKE ALL ON FUNCTION add_clickhouse_gone, counted_in_clickhouse, hold_late_rows, expire_rollups FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_late_rows, add_clickhouse_gone TO ringside_shipper;
GRANT EXECUTE ON FUNCTION expire_rollups TO ringside_leader;
`;

const DONE = 'RESET ROLE; RESET search_path;';
