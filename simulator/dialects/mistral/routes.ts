import type { Dialect, Route } from '../../dialect.ts';
import { drawText } from '../../random.ts';
import { readChat } from './chat.ts';
import { readEmbeddings } from './embeddings.ts';
import { refuse, streamError } from './errors.ts';
import { listModels } from './models.ts';

/** All its paths are also OpenAI's: a base URL with this is Mistral's. */
const PREFIX = '/mistral';
const BEARER = /^bearer +(\S+)\s*$/i;

const ROUTES: ReadonlyMap<string, { readonly method: string; readonly route: Route }> = new Map([
  ['/v1/chat/completions', { method: 'POST', route: { kind: 'route', takesBody: true, read: readChat } }],
  ['/v1/embeddings', { method: 'POST', route: { kind: 'route', takesBody: true, read: readEmbeddings } }],
  ['/v1/models', { method: 'GET', route: { kind: 'route', takesBody: false, read: () => listModels() } }],
]);

/** The Mistral API below `/mistral`: its chat completions, embeddings and list of models. */
export const mistralDialect: Dialect = {
  name: 'mistral',
  route({ method, path }) {
    if (!path.startsWith(`${PREFIX}/`)) return undefined;
    const found = ROUTES.get(path.slice(PREFIX.length));
    if (found === undefined) return { kind: 'unknown-path', method, path };
    return found.method === method ? found.route : { kind: 'wrong-method', method, path };
  },
  presentedKey: ({ headers }) => BEARER.exec(headers.authorization ?? '')?.[1],
  headers: (random) => ({ 'mistral-correlation-id': drawText(random, 32).toLowerCase() }),
  refuse,
  streamError,
};
