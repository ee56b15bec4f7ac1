import { type Kysely, sql } from 'kysely';

/**
 * Full text in every dialect: where its requests and answers have what people wrote or read, streams put together. Until now only the
 * shape of OpenAI's chats was known. Indexes that exist keep the words that they have: their rows were nearly all of that shape, and
 * building them anew would hold up the log. Partitions that end from now on, and those without an index, are read in the new way.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [BEGIN, TEXT, GRANTS, DONE]) await sql.raw(statement).execute(db);
}

const BEGIN = 'SET LOCAL ROLE ringside_owner; SET LOCAL search_path = ringside;';

const TEXT = `
-- What one event of a stream adds to the text. A new part begins on a new line, so that its words do not run into those before.
CREATE FUNCTION spoken_piece(piece jsonb) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT CASE
    WHEN piece ? 'choices' THEN concat(piece #>> '{choices,0,delta,content}', piece #>> '{choices,0,delta,refusal}',
      piece #>> '{choices,0,delta,tool_calls,0,function,arguments}', piece #>> '{choices,0,text}')
    WHEN piece ? 'candidates' THEN concat((
      SELECT string_agg(spoken #>> '{}', '')
      FROM jsonb_path_query(piece, '$.candidates[0].content.parts[*] ? (!(@.thought == true)).text', '{}', true) AS spoken
    ), (
      SELECT string_agg(E'\\n' || (spoken #>> '{}'), '')
      FROM jsonb_path_query(piece, '$.candidates[0].content.parts[*].functionCall.args.**', '{}', true) AS spoken
      WHERE jsonb_typeof(spoken) = 'string'
    ))
    WHEN piece ->> 'type' IN ('content_block_start', 'response.output_item.added', 'response.content_part.added') THEN E'\\n'
    WHEN piece ->> 'type' = 'content_block_delta' THEN concat(piece #>> '{delta,text}', piece #>> '{delta,partial_json}')
    -- Sound is base64, and thoughts are not spoken.
    WHEN piece ->> 'type' LIKE 'response.%.delta' AND piece ->> 'type' NOT LIKE '%audio.delta'
      AND piece ->> 'type' NOT LIKE 'response.reasoning%' AND jsonb_typeof(piece -> 'delta') = 'string' THEN piece ->> 'delta'
  END
$$;

CREATE OR REPLACE FUNCTION spoken_text(body text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  document jsonb;
BEGIN
  IF body LIKE 'data:%' OR body LIKE 'event:%' OR body LIKE ':%' THEN
    RETURN (
      SELECT string_agg(ringside.spoken_piece(piece), '' ORDER BY place)
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
  -- Gemini streams as an array of responses, too.
  IF jsonb_typeof(document) = 'array' THEN
    RETURN (
      SELECT string_agg(ringside.spoken_piece(piece), '' ORDER BY place)
      FROM jsonb_array_elements(document) WITH ORDINALITY AS pieces (piece, place)
    );
  END IF;
  -- Only the paths of the keys that are there are walked.
  RETURN (
    SELECT string_agg(spoken #>> '{}', E'\\n')
    FROM (VALUES
      -- chats of OpenAI and Anthropic, and answers of tools in them
      ('messages', '$.messages[*].content[*]'::jsonpath), ('messages', '$.messages[*].content[*].text'),
      ('messages', '$.messages[*].content[*].input.**'), ('messages', '$.messages[*].content[*].content[*]'),
      ('messages', '$.messages[*].content[*].content[*].text'), ('messages', '$.messages[*].tool_calls[*].function.arguments'),
      ('system', '$.system[*]'), ('system', '$.system[*].text'), ('content', '$.content[*].text'), ('content', '$.content[*].input.**'),
      ('choices', '$.choices[*].message.content[*]'), ('choices', '$.choices[*].message.content[*].text'),
      ('choices', '$.choices[*].message.refusal'), ('choices', '$.choices[*].message.tool_calls[*].function.arguments'),
      ('choices', '$.choices[*].text'),
      -- Responses; prompts and texts of the other endpoints
      ('instructions', '$.instructions'), ('input', '$.input[*]'), ('input', '$.input[*].text'), ('input', '$.input[*].content[*]'),
      ('input', '$.input[*].content[*].text'), ('input', '$.input[*].arguments'), ('input', '$.input[*].output[*]'),
      ('input', '$.input[*].output[*].text'), ('output', '$.output[*].content[*].text'), ('output', '$.output[*].content[*].refusal'),
      ('output', '$.output[*].arguments'), ('prompt', '$.prompt[*]'), ('query', '$.query'), ('documents', '$.documents[*]'),
      ('documents', '$.documents[*].text'), ('text', '$.text'),
      -- Gemini
      ('systemInstruction', '$.systemInstruction.parts[*].text'), ('system_instruction', '$.system_instruction.parts[*].text'),
      ('contents', '$.contents[*].parts[*].text'), ('contents', '$.contents[*].parts[*].functionCall.args.**'),
      ('contents', '$.contents[*].parts[*].functionResponse.response.**'),
      ('content', '$.content.parts[*].text'), ('requests', '$.requests[*].content.parts[*].text'),
      ('generateContentRequest', '$.generateContentRequest.contents[*].parts[*].text'),
      ('candidates', '$.candidates[*].content.parts[*] ? (!(@.thought == true)).text'),
      ('candidates', '$.candidates[*].content.parts[*].functionCall.args.**'),
      -- texts in tensors
      ('inputs', '$.inputs[*].data.**'), ('outputs', '$.outputs[*].data.**')
    ) AS places (key, place),
      LATERAL jsonb_path_query(document, place, '{}', true) AS spoken
    WHERE document ? key AND jsonb_typeof(spoken) = 'string'
  );
END $$;
`;

// Whoever writes into an index computes it.
const GRANTS = 'GRANT EXECUTE ON FUNCTION spoken_piece TO PUBLIC;';

const DONE = 'RESET ROLE; RESET search_path;';
