import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { RingsideError } from '#core/errors.ts';
import type { ListedGroup, ModelList } from '#translation/dialects/model-list.ts';
import { findNotServed } from '#translation/dialects/not-served.ts';
import {
  liveBody,
  modelReadyBody,
  modelBody as oipModelBody,
  readyBody,
  serverBody,
} from '#translation/dialects/oip/metadata.ts';
import { findRoute as findOipRoute } from '#translation/dialects/oip/routes.ts';
import { modelList as openaiModels } from '#translation/dialects/openai-chat/models.ts';
import { findRoute, GOVERNED_PATHS, ingressOf } from '#translation/dialects/routes.ts';
import { type FeedbackHandler, isFeedbackPath } from './feedback/handle-feedback.ts';
import { checkFraming, presentedKey } from './flow/accept.ts';
import type { RequestHandler } from './flow/handle-request.ts';
import type { UpgradeHandler } from './flow/handle-upgrade.ts';
import type { Authenticator } from './flow/ports.ts';
import { mayUse, resolveGroup, resolveOrganization } from './flow/resolve-group.ts';
import { isSessionPath, isSessionRequest } from './realtime/request.ts';
import type { BoundOrganization } from './snapshot/bind.ts';
import { createTurns } from './turns.ts';

interface NodeBindings {
  Bindings: { incoming: IncomingMessage; outgoing: ServerResponse };
}

type GatewayContext = Context<NodeBindings>;

export interface GatewayServerDeps {
  readonly handleRequest: RequestHandler;
  readonly handleFeedback: FeedbackHandler;
  readonly upgrades: Pick<UpgradeHandler, 'handle'>;
  readonly authenticator: Authenticator;
  readonly organizations: () => ReadonlyMap<string, BoundOrganization>;
  /** Whether new work should be sent here: configured, and not draining. */
  readonly isReady: () => boolean;
  /** Our own version. */
  readonly release: string;
  readonly onDefect: (error: unknown) => void;
  /** Connections beyond this are closed at once. */
  readonly maxConnections: number;
}

/** Time to send the head of a request, and the whole of it. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 120_000;
/** Longer than the idle timeout of common load balancers (60 s), so that they and not we close an idle connection. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const CHECK_CONNECTIONS_MS = 1_000;

/** The data plane's HTTP server: Hono routes what is not hot; Node writes the governed answers. */
export function createGatewayServer(deps: GatewayServerDeps): Server {
  const app = new Hono<NodeBindings>();
  app.get('/v1/models', (c) => c.json(listModels(deps, c)));
  app.get('/v1/models/:id{.+}', (c) => c.json(showModel(deps, c, c.req.param('id'))));
  app.get('/v1beta/models', (c) => c.json(listModels(deps, c)));
  app.get('/v1beta/models/:id{.+}', (c) => c.json(showModel(deps, c, c.req.param('id'))));
  for (const path of ['/v2', '/v2/*']) app.get(path, (c) => answerOip(c, deps));
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => (deps.isReady() ? c.json({ status: 'ready' }) : c.json({ status: 'not ready' }, 503)));
  app.notFound((c) => {
    checkFraming(c.env.incoming);
    const path = c.req.path.slice(0, 200);
    if (findRoute(path) !== undefined || isFeedbackPath(path)) {
      c.header('allow', 'POST');
      return failWith(c, new RingsideError('method_not_allowed', `Use POST for ${path}.`));
    }
    if (isSessionPath(path)) return failWith(c, needsWebSocket(c));
    const notServed = findNotServed(path);
    if (notServed !== undefined) return failWith(c, new RingsideError('unsupported_operation', notServed));
    const known = `POST ${[...GOVERNED_PATHS, '/v1/feedback'].join(', ')} and GET /v1/models`;
    return failWith(
      c,
      new RingsideError('route_not_found', `There is no ${c.req.method} ${path} here; there is ${known}.`),
    );
  });
  app.onError((reason, c) => {
    const error = RingsideError.from(reason);
    if (error.code === 'internal') deps.onDefect(error.cause ?? error);
    return failWith(c, error);
  });
  const route = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  // hot
  const begin = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const governed = incoming.method === 'POST' ? findRoute(incoming.url!) : undefined;
    if (governed === undefined) beginOther(incoming, outgoing);
    else deps.handleRequest(governed, incoming, outgoing);
  };
  const beginOther = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const isFeedback = incoming.method === 'POST' && isFeedbackPath(incoming.url!);
    if (isFeedback) deps.handleFeedback(incoming, outgoing);
    else void route(incoming, outgoing);
  };
  const takeTurns = createTurns(refusePipelined);
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_CONNECTIONS_MS,
      noDelay: true,
      // All others are answered as if they had not asked: clients offer HTTP/2 so, which they do not insist on.
      shouldUpgradeCallback: isSessionRequest,
    },
    // hot
    (incoming, outgoing) => {
      if (outgoing.socket !== null) begin(incoming, outgoing);
      else takeTurns(incoming, outgoing, () => begin(incoming, outgoing));
    },
  );
  server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    deps.upgrades.handle(incoming, socket, head);
  });
  server.maxConnections = deps.maxConnections;
  // A caller that asks first gets its "continue" only with a key that is known; the others get their refusal at once.
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    if (isKnown(deps, incoming)) outgoing.writeContinue();
    server.emit('request', incoming, outgoing);
  });
  return server;
}

/** Health and metadata of the Open Inference Protocol. Liveness and readiness are asked for without a key, as every probe does. */
function answerOip(c: Context<NodeBindings>, deps: GatewayServerDeps): Response | Promise<Response> {
  const found = findOipRoute(c.req.path);
  const json = (text: string, status = 200) => c.body(text, status as 200, { 'content-type': 'application/json' });
  switch (found?.kind) {
    case undefined:
    case 'infer':
      return c.notFound();
    case 'live':
      return json(liveBody(true));
    case 'ready':
      return json(readyBody(deps.isReady()), deps.isReady() ? 200 : 503);
    case 'server':
      return json(serverBody(deps.release));
    case 'model':
    case 'model-ready': {
      const { organization, key } = caller(deps, c.env.incoming);
      const { group } = resolveGroup(organization, key, found.group);
      return json(found.kind === 'model' ? oipModelBody(group.name) : modelReadyBody(group.name, true));
    }
    default:
      return found satisfies never;
  }
}

function needsWebSocket(c: GatewayContext): RingsideError {
  if (c.req.method !== 'GET') {
    c.header('allow', 'GET');
    return new RingsideError('method_not_allowed', 'Open a WebSocket at /v1/realtime, with GET.');
  }
  c.header('upgrade', 'websocket');
  return new RingsideError('bad_request', 'Realtime sessions need a WebSocket: send "Upgrade: websocket".', {
    status: 426,
  });
}

function refusePipelined(outgoing: ServerResponse): void {
  const message = 'Too many requests wait on this connection for the answer to the first; use more connections.';
  const { url, headers } = outgoing.req;
  const body = ingressOf(url!, headers).errorBody(new RingsideError('overloaded', message));
  outgoing.writeHead(503, { 'content-type': 'application/json', connection: 'close' }).end(body);
}

function isKnown(deps: GatewayServerDeps, incoming: IncomingMessage): boolean {
  try {
    deps.authenticator.authenticate(presentedKey(ingressOf(incoming.url!, incoming.headers), incoming));
    return true;
  } catch {
    return false; // the request's own handler says why
  }
}

function listModels(deps: GatewayServerDeps, c: GatewayContext): object {
  const groups = allowedGroups(deps, c.env.incoming).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return modelListFor(c).list(groups, new URLSearchParams(c.env.incoming.url!.split('?', 2)[1]));
}

function showModel(deps: GatewayServerDeps, c: GatewayContext, name: string): object {
  const { organization, key } = caller(deps, c.env.incoming);
  const { group } = resolveGroup(organization, key, name);
  const listed = { name: group.name, createdUnixS: group.createdUnixS, organization: organization.name };
  return modelListFor(c).one(listed);
}

function modelListFor({ env: { incoming } }: GatewayContext): ModelList {
  return ingressOf(incoming.url!, incoming.headers).modelList ?? openaiModels;
}

function caller(deps: GatewayServerDeps, incoming: IncomingMessage) {
  checkFraming(incoming);
  const key = deps.authenticator.authenticate(presentedKey(ingressOf(incoming.url!, incoming.headers), incoming));
  return { key, organization: resolveOrganization(deps.organizations(), key) };
}

function allowedGroups(deps: GatewayServerDeps, incoming: IncomingMessage): ListedGroup[] {
  const { key, organization } = caller(deps, incoming);
  return [...organization.groups.values()]
    .filter((bound) => mayUse(key, bound))
    .map(({ group }) => ({ name: group.name, createdUnixS: group.createdUnixS, organization: organization.name }));
}

function failWith(c: GatewayContext, error: RingsideError): Response {
  if (error.retryAfterSeconds !== undefined) c.header('retry-after', String(error.retryAfterSeconds));
  return c.body(ingressOf(c.req.path, c.env.incoming.headers).errorBody(error), error.status as 500, {
    'content-type': 'application/json',
  });
}
