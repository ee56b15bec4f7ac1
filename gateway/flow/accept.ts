import type { IncomingMessage, ServerResponse } from 'node:http';
import { RingsideError } from '#core/errors.ts';
import type { Ingress, IngressRoute } from '#translation/dialects/ingress.ts';
import type { Exchange, FlowDeps } from './ports.ts';

// Version ff is invalid by the standard.
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;
const NO_TRACE = '0'.repeat(32);

/** Gives a request its times and its trace context (W3C Trace Context, level 1). Its id comes with its group. */
export function accept(
  deps: FlowDeps,
  { ingress, operation, target }: IngressRoute,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Exchange {
  const header = incoming.headers['traceparent'];
  const trace = typeof header === 'string' ? TRACEPARENT.exec(header) : null;
  const known = trace !== null && trace[1] !== NO_TRACE;
  const traceId = known ? trace[1]! : deps.random.hex() + deps.random.hex();
  return {
    incoming,
    outgoing,
    operation,
    ingress,
    path: target,
    startNs: deps.clock.nowNs(),
    startUnixMs: deps.clock.unixMs(),
    id: '',
    traceId,
    traceContinued: known,
    traceparent: `00-${traceId}-${deps.random.hex()}-${known ? trace[3]! : '01'}`,
    key: null,
    heldBytes: 0,
    gathered: null,
    drawn: null,
    mirror: null,
    request: null,
    organization: null,
    group: null,
    assignment: null,
    metadata: null,
    target: null,
    answering: null,
    dropped: [],
    events: null,
    requestDigest: null,
    requestSha256: null,
    begun: false,
    ended: false,
    token: null,
    dispatchNs: null,
    attempt: null,
    attempts: [],
  };
}

/** Refuses what Node's parser lets through and what intermediaries read in two ways: several Host headers, an absolute target. */
export function checkFraming(incoming: IncomingMessage): void {
  if (incoming.url?.charCodeAt(0) !== 0x2f) {
    throw new RingsideError('bad_request', 'The request target must be a path, not a whole URL.');
  }
  let hosts = 0;
  const { rawHeaders } = incoming;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  if (hosts > 1) throw new RingsideError('bad_request', 'The request has more than one Host header.');
}

/** The key that a request presents, as `Bearer …`. */
export function presentedKey(ingress: Ingress, incoming: IncomingMessage): string | undefined {
  const url = incoming.url!;
  const at = url.indexOf('?');
  return ingress.authorization({ headers: incoming.headers, query: at === -1 ? '' : url.slice(at + 1) });
}
