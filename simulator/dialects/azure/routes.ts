import { decodePath } from '../../decode-path.ts';
import type { Call, Dialect, Problem, Route } from '../../dialect.ts';
import { drawText } from '../../random.ts';
import { readChat } from './chat.ts';
import { refuse, streamError } from './errors.ts';

const BEARER = /^bearer +(\S+)\s*$/i;
const DEPLOYMENT = /^\/openai\/deployments\/([^/]+)\/chat\/completions$/;
const CREATED_SECONDS = 1_735_689_600;

/** Azure OpenAI: the API without versions below `/openai/v1`, and the dated one, which wants its version in the query. */
export const azureDialect: Dialect = {
  name: 'azure',
  route({ method, path, query }) {
    if (!path.startsWith('/openai/')) return undefined;
    const found = findRoute(path, new URLSearchParams(query).get('api-version'));
    if (found === undefined) return { kind: 'unknown-path', method, path };
    return found.method === method ? found.route : { kind: 'wrong-method', method, path };
  },
  presentedKey: ({ headers }) => {
    const key = headers['api-key'];
    return typeof key === 'string' ? key : BEARER.exec(headers.authorization ?? '')?.[1];
  },
  headers: (random) => ({
    'apim-request-id': drawText(random, 32).toLowerCase(),
    'x-ms-region': 'Simulated',
    'x-ratelimit-remaining-requests': '99',
  }),
  refuse,
  streamError,
};

function findRoute(path: string, version: string | null): { method: string; route: Route } | undefined {
  const post = (read: (body: unknown) => Call | Problem) => {
    return { method: 'POST', route: { kind: 'route', takesBody: true, read } } as const;
  };
  if (path === '/openai/v1/chat/completions') return post((body) => readChat(body, null));
  if (path === '/openai/v1/models') {
    return { method: 'GET', route: { kind: 'route', takesBody: false, read: () => listModels() } };
  }
  const deployment = DEPLOYMENT.exec(path)?.[1];
  const name = deployment === undefined ? undefined : decodePath(deployment);
  if (!name || version === null || version === '') return undefined;
  return post((body) => readChat(body, name));
}

/** The models of the resource: those with a behaviour of their own. */
function listModels(): Call {
  return {
    kind: 'call',
    model: null,
    stream: false,
    answer: ({ models }) => {
      const data = models().map((id) => ({
        id,
        object: 'model',
        created: CREATED_SECONDS,
        status: 'succeeded',
        lifecycle_status: 'generally-available',
        capabilities: { chat_completion: true, inference: true, embeddings: false, fine_tune: false },
      }));
      return { kind: 'plain', body: JSON.stringify({ object: 'list', data }), tokens: 0 };
    },
  };
}
