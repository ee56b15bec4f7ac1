import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { parseBehaviour } from './behaviour.ts';
import type { BehaviourRegistry } from './behaviour-registry.ts';
import { readBody } from './body.ts';
import { decodePath } from './decode-path.ts';
import type { Journal } from './journal.ts';

/** Everything below it steers the simulator; nothing below it is journaled. */
export const CONTROL_PREFIX = '/_sim/';
const MODELS_PREFIX = `${CONTROL_PREFIX}models/`;

const requestsQuery = z.strictObject({
  model: z.string().optional(),
  since: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(0).optional(),
});

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

type Control = (request: IncomingMessage, response: ServerResponse, path: string, query: string) => Promise<void>;

/**
 * The `/_sim/*` routes: `GET health`, `GET models`, `GET|PUT|DELETE models/{model}` (`*` is for all others; the name is
 * everything behind `models/`, percent-decoded), `GET requests?model=&since=&limit=`, `DELETE requests`.
 */
export function createControl(deps: { readonly registry: BehaviourRegistry; readonly journal: Journal }): Control {
  const { registry, journal } = deps;

  function answer(method: string, path: string, query: string, body: string): Reply {
    if (path.startsWith(MODELS_PREFIX)) {
      const model = decodePath(path.slice(MODELS_PREFIX.length));
      return model ? answerModel(method, model, body) : badRequest('the path names no model');
    }
    switch (`${method} ${path.slice(CONTROL_PREFIX.length)}`) {
      case 'GET health':
        return { status: 200, body: { status: 'ok' } };
      case 'GET models':
        return { status: 200, body: { models: registry.entries() } };
      case 'GET requests': {
        const parsed = requestsQuery.safeParse(Object.fromEntries(new URLSearchParams(query)));
        if (!parsed.success) return badRequest(z.prettifyError(parsed.error));
        return { status: 200, body: journal.read(parsed.data) };
      }
      case 'DELETE requests':
        journal.clear();
        return { status: 204, body: undefined };
      default:
        return { status: 404, body: { error: { message: `no control route ${method} ${path}` } } };
    }
  }

  function answerModel(method: string, model: string, body: string): Reply {
    switch (method) {
      case 'GET':
        return { status: 200, body: registry.of(model) };
      case 'PUT': {
        const parsed = parseBehaviour(body);
        if (parsed.kind === 'invalid') return badRequest(parsed.message);
        registry.set(model, parsed.behaviour);
        return { status: 200, body: parsed.behaviour };
      }
      case 'DELETE':
        return registry.remove(model)
          ? { status: 204, body: undefined }
          : { status: 404, body: { error: { message: `${model} has no behaviour of its own` } } };
      default:
        return { status: 405, body: { error: { message: `${method} is not for models` } } };
    }
  }

  return async (request, response, path, query) => {
    const body = await readBody(request);
    if (body === 'gone') return;
    const reply =
      body === 'too-large'
        ? badRequest('the body is too large')
        : answer(request.method ?? 'GET', path, query, body.toString('utf8'));
    if (reply.body === undefined) response.writeHead(reply.status).end();
    else response.writeHead(reply.status, { 'content-type': 'application/json' }).end(JSON.stringify(reply.body));
  };
}

function badRequest(message: string): Reply {
  return { status: 400, body: { error: { message } } };
}
