import type { Call } from '../../dialect.ts';

/** All models were born when the simulator was. */
const CREATED_AT = '2025-01-01T00:00:00Z';
const MAX_INPUT_TOKENS = 200_000;
const MAX_TOKENS = 64_000;

function modelOf(id: string) {
  return {
    type: 'model',
    id,
    display_name: id,
    created_at: CREATED_AT,
    max_input_tokens: MAX_INPUT_TOKENS,
    max_tokens: MAX_TOKENS,
  };
}

/** `GET /v1/models`: those with a behaviour of their own. */
export function listModels(): Call {
  return {
    kind: 'call',
    model: null,
    stream: false,
    answer: ({ models }) => {
      const data = models().map(modelOf);
      const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
      return { kind: 'plain', body: JSON.stringify({ data, has_more: false, ...ends }), tokens: 0 };
    },
  };
}

/** `GET /v1/models/{id}`: every model exists, unless the simulator is strict. */
export function getModel(id: string): Call {
  const body = JSON.stringify(modelOf(id));
  return { kind: 'call', model: id, stream: false, answer: () => ({ kind: 'plain', body, tokens: 0 }) };
}
