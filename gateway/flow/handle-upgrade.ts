import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { RingsideError } from '#core/errors.ts';
import type { IngressRoute } from '#translation/dialects/ingress.ts';
import { openai } from '#translation/dialects/openai/ingress.ts';
import { takeCallerSocket } from '../realtime/caller-socket.ts';
import { readSessionRequest, sessionKey } from '../realtime/request.ts';
import type { SessionOpener } from '../upstream/session-socket.ts';
import { accept, checkFraming } from './accept.ts';
import { pickTarget } from './adapt-request.ts';
import { adaptSession } from './adapt-session.ts';
import { admit } from './admit.ts';
import { assign } from './assign.ts';
import { readMetadata } from './metadata.ts';
import type { Exchange, FlowDeps, Mirrors } from './ports.ts';
import { recordBegin } from './record.ts';
import { resolveGroup, resolveOrganization } from './resolve-group.ts';
import { Session, type SessionTiming } from './session.ts';

/** Serves sessions over WebSocket: each is one inference. */
export interface UpgradeHandler {
  /** Takes over a connection whose request asks for a session. */
  handle(incoming: IncomingMessage, socket: Socket, head: Buffer): void;
  /** Refuses new sessions from here on. */
  stop(): void;
  /** Ends what is open. */
  cut(): void;
}

export interface UpgradeDeps extends FlowDeps {
  readonly mirrors: Mirrors;
  readonly openSession: SessionOpener;
  readonly timing: SessionTiming;
  /** At a time. A session holds more memory than a call: up to two messages and what waits behind them, for each direction. */
  readonly maxSessions: number;
}

const ROUTE: IngressRoute = {
  ingress: openai,
  operation: 'realtime',
  target: { model: null, stream: true, framing: 'sse' },
};
const NO_BODY = Buffer.alloc(0);

export function createUpgradeHandler(deps: UpgradeDeps): UpgradeHandler {
  const sessions = new Set<Session>();
  let isStopping = false;
  const begin = (session: Session, exchange: Exchange) => {
    checkFraming(exchange.incoming);
    exchange.key = deps.authenticator.authenticate(sessionKey(exchange.incoming));
    exchange.organization = resolveOrganization(deps.organizations(), exchange.key);
    if (isStopping) throw overloaded('The gateway is stopping; connect again.');
    if (sessions.size > deps.maxSessions) throw overloaded('There are as many sessions as there may be; try again.');
    connect(deps, session, exchange);
  };
  return {
    handle(incoming, socket, head) {
      let caller: ReturnType<typeof takeCallerSocket>;
      try {
        caller = takeCallerSocket(incoming, socket, head);
      } catch {
        // It was sent behind a request that is not answered yet: there is no place for an answer to it.
        return void socket.destroy();
      }
      const exchange = accept(deps, ROUTE, incoming, caller.outgoing);
      const session = new Session(deps, exchange, caller, socket);
      sessions.add(session);
      socket.once('close', () => sessions.delete(session));
      try {
        begin(session, exchange);
      } catch (reason) {
        session.refuse(reason);
      }
    },
    stop() {
      isStopping = true;
    },
    cut() {
      for (const session of sessions) session.stop();
    },
  };
}

/** The rooms from the handshake to the upstream, in order. */
function connect(deps: UpgradeDeps, session: Session, exchange: Exchange): void {
  const key = exchange.key!;
  const organization = exchange.organization!;
  const { parsed, protocols } = readSessionRequest(exchange.incoming);
  exchange.request = parsed;
  exchange.metadata = readMetadata(exchange.incoming.headers, null);
  const group = resolveGroup(organization, key, parsed.model);
  exchange.group = group;
  exchange.assignment = assign(deps, exchange, organization, group, key, parsed.user);
  admit(deps, exchange.assignment.variant.terms);
  const target = pickTarget(exchange.assignment, exchange.id);
  exchange.target = target;
  const call = adaptSession(exchange, target, protocols);
  recordBegin(deps, exchange, NO_BODY);
  // Which counts it: a session is never mirrored.
  if (group.mirror !== null) deps.mirrors.draw(exchange, NO_BODY);
  session.connect(call);
}

function overloaded(message: string): RingsideError {
  return new RingsideError('overloaded', message, { retryAfterSeconds: 1 });
}
