import type { Call } from '../../dialect.ts';

const CREATED_SECONDS = 1_735_689_600;

function list(entryOf: (id: string) => object): Call {
  return {
    kind: 'call',
    model: null,
    stream: false,
    answer: ({ models }) => {
      return { kind: 'plain', body: JSON.stringify({ object: 'list', data: models().map(entryOf) }), tokens: 0 };
    },
  };
}

/** The router's list: with the providers of each model. */
export function listRouterModels(): Call {
  const provider = (name: string, status: string, contextLength: number) => {
    return {
      provider: name,
      status,
      context_length: contextLength,
      supports_tools: true,
      supports_structured_output: true,
    };
  };
  return list((id) => ({
    id,
    object: 'model',
    created: CREATED_SECONDS,
    owned_by: id.split('/', 1)[0],
    providers: [
      provider('large', 'live', 131_072),
      provider('small', 'live', 32_768),
      provider('gone', 'error', 8_192),
    ],
  }));
}

/** TGI lists the model that it has; here, those with a behaviour. */
export function listTgiModels(): Call {
  return list((id) => ({ id, object: 'model', created: CREATED_SECONDS, owned_by: id }));
}
