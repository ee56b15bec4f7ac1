import type { Call } from '../../dialect.ts';

const METHODS = ['generateContent', 'countTokens', 'embedContent', 'batchEmbedContents'];

function modelOf(id: string) {
  return {
    name: `models/${id}`,
    version: '001',
    displayName: id,
    description: 'A simulated model',
    inputTokenLimit: 1_048_576,
    outputTokenLimit: 65_536,
    supportedGenerationMethods: METHODS,
  };
}

/** `GET …/models`: those with a behaviour of their own. */
export function listModels(): Call {
  return {
    kind: 'call',
    model: null,
    stream: false,
    answer: ({ models }) => ({ kind: 'plain', body: JSON.stringify({ models: models().map(modelOf) }), tokens: 0 }),
  };
}

/** `GET …/models/{id}`: every model exists, unless the simulator is strict. */
export function getModel(id: string): Call {
  const body = JSON.stringify(modelOf(id));
  return { kind: 'call', model: id, stream: false, answer: () => ({ kind: 'plain', body, tokens: 0 }) };
}
