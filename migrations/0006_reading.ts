import { type Kysely, sql } from 'kysely';

/**
 * Reading the log: indexes for what `GET /inferences` narrows a list to, full text, and the one way around row-level security,
 * which keeps PostgreSQL from using a GIN index. docs/decisions/0015 has the plans, the costs and what was rejected.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, INDEXES, POLICIES, TEXT, SEARCH, CLOSED, GRANTS, DONE]) {
    await sql.raw(statement).execute(db);
  }
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

// Partitions that exist get them too, and those to come through LIKE … INCLUDING INDEXES.
const INDEXES = `
CREATE INDEX inferences_trouble ON inferences (created_at, id)
  WHERE outcome <> 'completed' OR status >= 400::smallint OR error_code IS NOT NULL;
-- Of its digest: a unit of 1024 characters can be longer than what a B-tree takes. md5 is leakproof, so row-level security lets it be used.
CREATE INDEX inferences_unit ON inferences (md5(unit), created_at);
CREATE INDEX inferences_trace ON inferences (trace_id);
CREATE INDEX inferences_key ON inferences (key_id, created_at);
CREATE INDEX inferences_metadata ON inferences USING gin (metadata jsonb_path_ops) WHERE metadata IS NOT NULL;
CREATE INDEX audit_entries_version ON audit_entries (organization_id, config_version) WHERE config_version IS NOT NULL;
`;

// As a subquery it is asked once a statement and not once a row. The owner's are for the functions below, which check for themselves.
const POLICIES = `
ALTER POLICY own_organization ON inferences
  USING (organization_id = (SELECT current_organization())) WITH CHECK (organization_id = (SELECT current_organization()));
ALTER POLICY own_organization ON inference_payloads
  USING (organization_id = (SELECT current_organization())) WITH CHECK (organization_id = (SELECT current_organization()));
CREATE POLICY search_own ON groups FOR SELECT TO ringside_owner USING (organization_id = current_organization());
CREATE POLICY search_checked ON inferences FOR SELECT TO ringside_owner USING (true);
CREATE POLICY search_checked ON inference_payloads FOR SELECT TO ringside_owner USING (true);
`;

const TEXT = `
-- Captured bytes as text, whatever they are. A character that the end of the capture cut in two is left out; of what is no
-- UTF-8 at all the ASCII words remain.
CREATE FUNCTION captured_text(bytes bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  kept integer := least(octet_length(bytes), 262144);
BEGIN
  FOR cut IN 0..3 LOOP
    BEGIN
      RETURN convert_from(substring(bytes FOR greatest(kept - cut, 0)), 'UTF8');
    EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
      NULL;
    END;
  END LOOP;
  RETURN translate(encode(substring(bytes FOR kept), 'escape'), '\\', ' ');
END $$;

-- Null for what is no JSON, or cannot be stored as jsonb.
CREATE FUNCTION captured_json(document text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN document::jsonb;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END $$;

-- What people wrote or read, of one side: messages, prompts and answers, not the names and numbers around them. The pieces of a
-- streamed answer are joined. A JSON text that the capture cut short is taken as it is, without its escapes.
CREATE FUNCTION spoken_text(body text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  document jsonb;
BEGIN
  IF body LIKE 'data:%' OR body LIKE 'event:%' OR body LIKE ':%' THEN
    RETURN (
      SELECT string_agg(coalesce(piece #>> '{choices,0,delta,content}', piece #>> '{choices,0,text}', ''), '' ORDER BY place)
      FROM (
        SELECT place, ringside.captured_json(substr(line, 6)) AS piece
        FROM string_to_table(body, E'\\n') WITH ORDINALITY AS lines (line, place) WHERE line LIKE 'data:%{%'
      ) AS pieces
    );
  END IF;
  document := ringside.captured_json(body);
  IF document IS NULL THEN
    RETURN regexp_replace(body, '\\\\(u[0-9a-fA-F]{4}|.)', ' ', 'g');
  END IF;
  RETURN (
    SELECT string_agg(spoken #>> '{}', E'\\n')
    FROM unnest(ARRAY['$.messages[*].content[*]', '$.messages[*].content[*].text', '$.prompt[*]', '$.input[*]',
      '$.choices[*].message.content', '$.choices[*].message.tool_calls[*].function.arguments', '$.choices[*].text']::jsonpath[]) AS places (place),
      LATERAL jsonb_path_query(document, place, '{}', true) AS spoken
    WHERE jsonb_typeof(spoken) = 'string'
  );
END $$;

-- The words of both sides, in any language, so neither stems nor stop words. Its cost keeps the planner from computing it for
-- rows that another condition rules out.
CREATE FUNCTION payload_search(request bytea, response bytea) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE COST 20000
SET search_path = pg_catalog, ringside AS $$
DECLARE
  words text := coalesce(ringside.spoken_text(ringside.captured_text(request)), '') || E'\\n'
    || coalesce(ringside.spoken_text(ringside.captured_text(response)), '');
BEGIN
  RETURN to_tsvector('simple', left(words, 200000));
EXCEPTION WHEN program_limit_exceeded THEN
  RETURN to_tsvector('simple', left(words, 20000)); -- a tsvector holds 1 MB
END $$;
`;

const SEARCH = `
-- The keys of the newest inferences of some groups that hold some metadata or words. It returns keys only: rows are read under
-- row-level security. Refuses groups that are not the current organization's.
CREATE FUNCTION search_inferences(wanted_groups uuid[], wanted_metadata jsonb, wanted_text text, since timestamptz,
  until timestamptz, before_at timestamptz, before_id uuid, max_keys integer)
RETURNS TABLE (group_id uuid, created_at timestamptz, id uuid) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = ringside, pg_temp AS $$
DECLARE
  in_text CONSTANT text := 'payload_search(entry.request, entry.response) @@ websearch_to_tsquery(''simple'', $7)';
  in_metadata CONSTANT text := 'entry.metadata @> $6';
  also_in_metadata CONSTANT text := 'EXISTS (SELECT FROM inferences AS described WHERE described.group_id = entry.group_id
    AND described.group_id = ANY ($1) AND described.created_at = entry.created_at AND described.id = entry.id AND described.metadata @> $6)';
  source text := CASE WHEN wanted_text IS NULL THEN 'inferences' ELSE 'inference_payloads' END;
  condition text := CASE
    WHEN wanted_text IS NULL THEN in_metadata
    WHEN wanted_metadata IS NULL THEN in_text
    ELSE in_text || ' AND ' || also_in_metadata
  END;
BEGIN
  IF EXISTS (
    SELECT FROM unnest(wanted_groups) AS wanted (id)
    WHERE NOT EXISTS (SELECT FROM groups WHERE groups.id = wanted.id AND groups.organization_id = current_organization())
  ) THEN
    RAISE EXCEPTION 'a group is not of this organization' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF wanted_text IS NULL AND wanted_metadata IS NULL THEN
    RAISE EXCEPTION 'nothing is searched for' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  IF before_at IS NOT NULL THEN
    condition := condition || ' AND entry.created_at <= $4 AND (entry.created_at, entry.id) < ($4, $5)';
  END IF;
  -- Built anew each time, so that the groups and times that it is given rule out partitions when it is planned.
  RETURN QUERY EXECUTE format(
    'SELECT found.* FROM unnest($1) AS wanted (group_id) CROSS JOIN LATERAL (
       SELECT entry.group_id, entry.created_at, entry.id FROM %I AS entry
       WHERE entry.group_id = wanted.group_id AND entry.group_id = ANY ($1) AND entry.organization_id = $9
         AND entry.created_at >= $2 AND entry.created_at < $3 AND %s
       ORDER BY entry.created_at DESC, entry.id DESC LIMIT $8
     ) AS found ORDER BY found.created_at DESC, found.id DESC LIMIT $8', source, condition)
  USING wanted_groups, coalesce(since, '-infinity'), coalesce(until, 'infinity'), before_at, before_id, wanted_metadata,
    wanted_text, max_keys, current_organization();
END $$;
`;

const CLOSED = `
-- Gives one partition that has ended, and gets no more rows but stragglers, the indexes that would cost too much while it
-- fills: full text, and latency. Returns its name; null when all have them. Writers of that partition wait meanwhile.
CREATE FUNCTION index_closed_partition(settled interval DEFAULT '1 hour') RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ringside, pg_temp SET datestyle = 'ISO' SET lock_timeout = '5s' AS $$
DECLARE
  leaf record;
BEGIN
  -- One at a time, whoever asks.
  IF NOT pg_try_advisory_xact_lock(hashtextextended('ringside.index_closed_partition', 0)) THEN
    RETURN NULL;
  END IF;
  -- The oldest tables first. Reading a bound is slow, so only those that lack their index are asked for it.
  FOR leaf IN
    SELECT part.oid AS id, part.relname AS name, base.name AS base, wanted.name AS wanted
    FROM (VALUES ('inferences', 'latency_'), ('inference_payloads', 'search_')) AS base (name, prefix),
      LATERAL pg_partition_tree(base.name::regclass) AS tree
      JOIN pg_class AS part ON part.oid = tree.relid AND part.relkind = 'r',
      LATERAL (SELECT base.prefix || substr(part.relname, length(base.name) + 2) AS name) AS wanted
    WHERE tree.isleaf
      AND NOT EXISTS (SELECT FROM pg_class AS built WHERE built.relname = wanted.name AND built.relnamespace = part.relnamespace)
    ORDER BY part.oid
  LOOP
    CONTINUE WHEN substring(pg_get_expr((SELECT relpartbound FROM pg_class WHERE oid = leaf.id), leaf.id)
      FROM $re$TO \\('([^']+)'\\)$re$)::timestamptz >= now() - settled;
    IF leaf.base = 'inferences' THEN
      EXECUTE format('CREATE INDEX %I ON %I (total_ns, created_at, id)', leaf.wanted, leaf.name);
    ELSE
      EXECUTE format('CREATE INDEX %I ON %I USING gin (payload_search(request, response))', leaf.wanted, leaf.name);
    END IF;
    EXECUTE format('ANALYZE %I', leaf.name);
    RETURN leaf.name;
  END LOOP;
  RETURN NULL;
END $$;
`;

// Those that compute text from text are everybody's: who writes into an index needs them.
const GRANTS = `
REVOKE ALL ON FUNCTION search_inferences, index_closed_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_inferences TO ringside_application;
GRANT EXECUTE ON FUNCTION index_closed_partition TO ringside_leader;
`;

const DONE = 'RESET ROLE; RESET search_path;';
