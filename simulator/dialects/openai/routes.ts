import { decodePath } from '../../decode-path.ts';
import type { Call, Dialect, Problem, Route } from '../../dialect.ts';
import { drawText } from '../../random.ts';
import { readSpeech, readTranscription, readTranslation } from './audio.ts';
import { readChat } from './chat.ts';
import { readCompletion } from './completions.ts';
import { readEmbeddings } from './embeddings.ts';
import { refuse } from './errors.ts';
import { readImageEdit, readImageGeneration, readImageVariation } from './images.ts';
import { getModel, listModels } from './models.ts';
import { readModeration } from './moderations.ts';
import { readRerank } from './rerank.ts';
import { readResponses } from './responses.ts';

const PREFIX = '/v1/';
const MODEL_PREFIX = '/v1/models/';
const BEARER = /^bearer +(\S+)\s*$/i;

interface FixedRoute {
  readonly method: 'GET' | 'POST';
  readonly route: Route;
}

const post = (read: (body: unknown) => Call | Problem): FixedRoute => {
  return { method: 'POST', route: { kind: 'route', takesBody: true, read } };
};
const postForm = (read: (body: unknown) => Call | Problem): FixedRoute => {
  return { method: 'POST', route: { kind: 'route', takesBody: true, takesForm: true, read } };
};
const get = (call: Call): FixedRoute => {
  return { method: 'GET', route: { kind: 'route', takesBody: false, read: () => call } };
};

const ROUTES: ReadonlyMap<string, FixedRoute> = new Map([
  ['/v1/chat/completions', post(readChat)],
  ['/v1/completions', post(readCompletion)],
  ['/v1/embeddings', post(readEmbeddings)],
  ['/v1/moderations', post(readModeration)],
  ['/v1/rerank', post(readRerank)],
  ['/v1/images/generations', post(readImageGeneration)],
  ['/v1/images/edits', postForm(readImageEdit)],
  ['/v1/images/variations', postForm(readImageVariation)],
  ['/v1/audio/speech', post(readSpeech)],
  ['/v1/audio/transcriptions', postForm(readTranscription)],
  ['/v1/audio/translations', postForm(readTranslation)],
  ['/v1/responses', post(readResponses)],
  ['/v1/models', get(listModels())],
]);

function findRoute(path: string): FixedRoute | undefined {
  const fixed = ROUTES.get(path);
  if (fixed || !path.startsWith(MODEL_PREFIX)) return fixed;
  const id = decodePath(path.slice(MODEL_PREFIX.length));
  return id ? get(getModel(id)) : undefined;
}

/** The OpenAI API: chats, responses, completions, embeddings, moderations, images, sound and models, below `/v1` only; and `/v1/rerank`. */
export const openaiDialect: Dialect = {
  name: 'openai',
  route({ method, path }) {
    if (!path.startsWith(PREFIX)) return undefined;
    const found = findRoute(path);
    if (!found) return { kind: 'unknown-path', method, path };
    return found.method === method ? found.route : { kind: 'wrong-method', method, path };
  },
  presentedKey: ({ headers }) => BEARER.exec(headers.authorization ?? '')?.[1],
  headers: (random, latencyMs) => ({
    'x-request-id': `req_${drawText(random, 32)}`,
    'openai-processing-ms': String(Math.round(latencyMs)),
    'openai-version': '2020-10-01',
  }),
  refuse,
  streamError: (problem) => ({ data: refuse(problem).body, tokens: 0 }),
};
