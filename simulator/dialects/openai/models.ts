import type { Call } from '../../dialect.ts';

/** All models were born when the simulator was. */
const CREATED_SECONDS = 1_735_689_600;

function modelOf(id: string) {
  return { id, object: 'model', created: CREATED_SECONDS, owned_by: 'simulator' };
}

/** `GET /v1/models`: those with a behaviour of their own. */
export function listModels(): Call {
  return {
    kind: 'call',
    model: null,
    stream: false,
    answer: ({ models }) => {
      const body = JSON.stringify({ object: 'list', data: models().map(modelOf) });
      return { kind: 'plain', body, tokens: 0 };
    },
  };
}

/** `GET /v1/models/{id}`: every model exists, unless the simulator is strict. */
export function getModel(id: string): Call {
  const body = JSON.stringify(modelOf(id));
  return { kind: 'call', model: id, stream: false, answer: () => ({ kind: 'plain', body, tokens: 0 }) };
}
