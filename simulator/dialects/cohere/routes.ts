import type { Dialect, Route } from '../../dialect.ts';
import { drawText } from '../../random.ts';
import { readChat } from './chat.ts';
import { readEmbed } from './embed.ts';
import { refuse, streamError } from './errors.ts';
import { listModels } from './models.ts';

/** Its other paths are also OpenAI's; a base URL with this is Cohere's beyond doubt. */
const PREFIX = '/cohere';
const BEARER = /^bearer +(\S+)\s*$/i;

const ROUTES: ReadonlyMap<string, { readonly method: string; readonly route: Route }> = new Map([
  ['/v2/chat', { method: 'POST', route: { kind: 'route', takesBody: true, read: readChat } }],
  ['/v2/embed', { method: 'POST', route: { kind: 'route', takesBody: true, read: readEmbed } }],
  ['/v1/models', { method: 'GET', route: { kind: 'route', takesBody: false, read: () => listModels() } }],
]);

/** The Cohere API: `/v2/chat` and `/v2/embed` as they are, and these and its list of models below `/cohere`. */
export const cohereDialect: Dialect = {
  name: 'cohere',
  route({ method, path }) {
    const isPrefixed = path.startsWith(`${PREFIX}/`);
    if (!isPrefixed && path !== '/v2/chat' && path !== '/v2/embed') return undefined;
    const found = ROUTES.get(isPrefixed ? path.slice(PREFIX.length) : path);
    if (found === undefined) return { kind: 'unknown-path', method, path };
    return found.method === method ? found.route : { kind: 'wrong-method', method, path };
  },
  presentedKey: ({ headers }) => BEARER.exec(headers.authorization ?? '')?.[1],
  headers: (random) => ({ 'x-debug-trace-id': drawText(random, 32), 'x-api-warning': 'simulated' }),
  refuse,
  streamError,
};
