import type { Call, Dialect, Problem, Route } from '../../dialect.ts';
import { drawText } from '../../random.ts';
import { refuseAsRouter, refuseAsTgi, routerStreamError, tgiStreamError } from './errors.ts';
import { listRouterModels, listTgiModels } from './models.ts';
import { readRouterChat } from './router-chat.ts';
import { readTgiChat } from './tgi-chat.ts';

const BEARER = /^bearer +(\S+)\s*$/i;
const presentedKey: Dialect['presentedKey'] = ({ headers }) => BEARER.exec(headers.authorization ?? '')?.[1];

/** All paths are also OpenAI's: what follows the prefix of the base URL. */
function routesBelow(prefix: string, readChat: (body: unknown) => Call | Problem, models: Call): Dialect['route'] {
  const routes: ReadonlyMap<string, { readonly method: string; readonly route: Route }> = new Map([
    [`${prefix}/v1/chat/completions`, { method: 'POST', route: { kind: 'route', takesBody: true, read: readChat } }],
    [`${prefix}/v1/models`, { method: 'GET', route: { kind: 'route', takesBody: false, read: () => models } }],
  ]);
  return ({ method, path }) => {
    if (!path.startsWith(`${prefix}/`)) return undefined;
    const found = routes.get(path);
    if (found === undefined) return { kind: 'unknown-path', method, path };
    return found.method === method ? found.route : { kind: 'wrong-method', method, path };
  };
}

/** The router of Hugging Face's Inference Providers, below `/huggingface`. */
export const huggingfaceDialect: Dialect = {
  name: 'huggingface',
  route: routesBelow('/huggingface', readRouterChat, listRouterModels()),
  presentedKey,
  headers: (random) => ({ 'x-request-id': drawText(random, 24), 'x-inference-provider': 'simulated' }),
  refuse: refuseAsRouter,
  streamError: routerStreamError,
};

/** A server of Text Generation Inference, below `/tgi`. */
export const tgiDialect: Dialect = {
  name: 'tgi',
  route: routesBelow('/tgi', readTgiChat, listTgiModels()),
  presentedKey,
  headers: (_, latencyMs) => ({ 'x-compute-type': 'simulated', 'x-total-time': String(Math.round(latencyMs)) }),
  refuse: refuseAsTgi,
  streamError: tgiStreamError,
};
