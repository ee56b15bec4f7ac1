import type { Call } from '../../dialect.ts';

const CREATED_SECONDS = 1_735_689_600;
const CONTEXT_TOKENS = 131_072;

/** `GET /v1/models`: those with a behaviour of their own. */
export function listModels(): Call {
  return {
    kind: 'call',
    model: null,
    stream: false,
    answer: ({ models }) => {
      const data = models().map((id) => ({
        id,
        object: 'model',
        created: CREATED_SECONDS,
        owned_by: 'mistralai',
        capabilities: {
          completion_chat: !id.includes('embed'),
          completion_fim: false,
          function_calling: true,
          fine_tuning: false,
          vision: true,
          classification: false,
        },
        name: id,
        description: `The model ${id}`,
        max_context_length: CONTEXT_TOKENS,
        aliases: [],
        deprecation: null,
        default_model_temperature: 0.3,
        type: 'base',
      }));
      return { kind: 'plain', body: JSON.stringify({ object: 'list', data }), tokens: 0 };
    },
  };
}
