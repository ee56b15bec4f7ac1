import { type Kysely, sql } from 'kysely';

/**
 * Lists over many groups: keys of what an index finds, group by group. Planning one statement over all partitions of an organization
 * grows with the square of its groups, and goes over every partition even when the newest rows of a few fill the page.
 * docs/decisions/0015 has the figures. `search_inferences` stays for the release before, which calls it while this one starts.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, FIND, DONE]) await sql.raw(statement).execute(db);
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

const FIND = `
CREATE TYPE inference_key AS (group_id uuid, created_at timestamptz, id uuid);

-- The keys of the newest inferences of some groups that meet what is sought: any of metadata, text, unit, traceId, keyIds,
-- statusFrom, statusTo, outcome, errorCode; all of them when it is empty. It returns keys only: rows are read under row-level
-- security. Refuses groups that are not the current organization's.
CREATE FUNCTION find_inferences(wanted_groups uuid[], sought jsonb, since timestamptz, until timestamptz,
  before_at timestamptz, before_id uuid, max_keys integer)
RETURNS SETOF inference_key LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ringside, pg_temp SET jit = off AS $$
DECLARE
  organization CONSTANT uuid := current_organization();
  key_ids CONSTANT uuid[] := ARRAY(SELECT jsonb_array_elements_text(sought -> 'keyIds'))::uuid[];
  words CONSTANT text := sought ->> 'text';
  -- The places in this array are the parameters below.
  conditions CONSTANT text := 'entry.organization_id = $1 AND entry.created_at >= $2 AND entry.created_at < $3'
    || CASE WHEN before_at IS NULL THEN '' ELSE ' AND entry.created_at <= $4 AND (entry.created_at, entry.id) < ($4, $5)' END;
  of_row CONSTANT text := concat(
    CASE WHEN sought ? 'metadata' THEN ' AND entry.metadata @> ($6 -> ''metadata'')' END,
    CASE WHEN sought ? 'unit' THEN ' AND md5(entry.unit) = md5($6 ->> ''unit'') AND entry.unit = $6 ->> ''unit''' END,
    CASE WHEN sought ? 'traceId' THEN ' AND entry.trace_id = $6 ->> ''traceId''' END,
    CASE WHEN sought ? 'keyIds' THEN ' AND entry.key_id = ANY ($7)' END,
    CASE WHEN sought ? 'statusFrom' THEN ' AND entry.status >= ($6 ->> ''statusFrom'')::smallint' END,
    CASE WHEN sought ? 'statusTo' THEN ' AND entry.status <= ($6 ->> ''statusTo'')::smallint' END,
    CASE WHEN sought ? 'outcome' THEN ' AND entry.outcome = $6 ->> ''outcome''' END,
    CASE WHEN sought ? 'errorCode' THEN ' AND entry.error_code = $6 ->> ''errorCode''' END);
  oldest timestamptz := coalesce(since, '-infinity');
  group_suffix text;
  source text;
  batch inference_key[];
  found inference_key[] := '{}';
BEGIN
  IF EXISTS (
    SELECT FROM unnest(wanted_groups) AS wanted (id)
    WHERE NOT EXISTS (SELECT FROM groups WHERE groups.id = wanted.id AND groups.organization_id = organization)
  ) THEN
    RAISE EXCEPTION 'a group is not of this organization' USING ERRCODE = 'insufficient_privilege';
  END IF;
  -- A group's own table is asked, which plans what the times leave of its partitions and nothing else.
  FOR group_suffix IN SELECT 'g_' || replace(wanted.id::text, '-', '') FROM unnest(wanted_groups) AS wanted (id) LOOP
    CONTINUE WHEN to_regclass('inferences_' || group_suffix) IS NULL;
    source := CASE
      WHEN words IS NULL THEN format('%I AS entry WHERE %s%s', 'inferences_' || group_suffix, conditions, of_row)
      ELSE format('%I AS entry WHERE %s AND payload_search(entry.request, entry.response) @@ websearch_to_tsquery(''simple'', $8)',
        'inference_payloads_' || group_suffix, conditions)
        || CASE WHEN of_row = '' THEN '' ELSE format(' AND EXISTS (SELECT FROM %I AS described
          WHERE described.created_at = entry.created_at AND described.created_at >= $2 AND described.created_at < $3
            AND described.id = entry.id%s)', 'inferences_' || group_suffix, replace(of_row, 'entry.', 'described.')) END
    END;
    EXECUTE format('SELECT array_agg((group_id, created_at, id)::inference_key) FROM (
        SELECT entry.group_id, entry.created_at, entry.id FROM %s ORDER BY entry.created_at DESC, entry.id DESC LIMIT $9) AS newest', source)
      INTO batch
      USING organization, oldest, coalesce(until, 'infinity'), before_at, before_id, sought, key_ids, words, max_keys;
    CONTINUE WHEN batch IS NULL;
    found := found || batch;
    CONTINUE WHEN cardinality(found) < max_keys;
    -- What is older than a full page is in none, so other groups are not asked for it.
    found := ARRAY(SELECT one FROM unnest(found) AS one ORDER BY (one).created_at DESC, (one).id DESC LIMIT max_keys);
    oldest := greatest(oldest, (found[max_keys]).created_at);
  END LOOP;
  RETURN QUERY SELECT one.* FROM unnest(found) AS one ORDER BY one.created_at DESC, one.id DESC LIMIT max_keys;
END $$;

REVOKE ALL ON FUNCTION find_inferences FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_inferences TO ringside_application;
`;

const DONE = 'RESET ROLE; RESET search_path;';
