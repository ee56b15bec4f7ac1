import type { UpstreamHeaders } from '../upstream/handler.ts';
import type { Exchange } from './ports.ts';

/** Upstream response headers that reach the caller; everything else (cookies, server, internal ids) stays here. */
const PASSED = ['openai-version', 'openai-processing-ms', 'retry-after', 'content-encoding'] as const;

/** The headers that say what Ringside did: flat name, value list. */
export function ringsideHeaders(exchange: Exchange): string[] {
  const headers = [
    'x-ringside-inference-id',
    exchange.id,
    'x-request-id',
    exchange.id,
    'traceparent',
    exchange.traceparent,
  ];
  const { assignment } = exchange;
  if (assignment !== null) {
    headers.push('x-ringside-group', assignment.group.group.name);
    headers.push('x-ringside-variant', assignment.variant.variant.model.name);
    headers.push('x-ringside-config-version', String(assignment.organization.version));
  }
  if (exchange.dropped.length > 0) headers.push('x-ringside-dropped', droppedList(exchange.dropped));
  const { requestIdHeader } = exchange.ingress;
  if (requestIdHeader !== null) headers.push(requestIdHeader, exchange.id);
  return headers;
}

/** The head of a successful answer. */
export function answerHeaders(exchange: Exchange, upstream: UpstreamHeaders, contentType: string): string[] {
  const headers = ringsideHeaders(exchange);
  headers.push('content-type', contentType);
  // What an upstream says of itself in its own dialect means nothing in another.
  if (exchange.answering?.mayPass === false) return withUpstreamId(headers, upstream);
  for (const name of PASSED) {
    const value = upstream[name];
    if (typeof value === 'string') headers.push(name, value);
  }
  return withUpstreamId(headers, upstream);
}

function withUpstreamId(headers: string[], upstream: UpstreamHeaders): string[] {
  const requestId = upstreamRequestId(upstream);
  if (requestId !== null) headers.push('x-ringside-upstream-request-id', requestId);
  return headers;
}

/** Where providers put their id of a request. */
const REQUEST_IDS = ['x-request-id', 'request-id', 'x-amzn-requestid', 'apim-request-id'] as const;

/** The provider's id of the call; null when it gave none. */
export function upstreamRequestId(headers: Readonly<Record<string, string | string[] | undefined>>): string | null {
  for (const name of REQUEST_IDS) {
    const value = headers[name];
    if (typeof value === 'string') return value.slice(0, 200);
  }
  return null;
}

const MAX_DROPPED_CHARS = 1_000;

/** The caller's own spelling may hold anything, half a character too: what no header can hold is percent-encoded. */
function droppedList(dropped: readonly string[]): string {
  let list = '';
  for (const at of dropped) {
    if (list.length > MAX_DROPPED_CHARS) break;
    const spelled = at.slice(0, MAX_DROPPED_CHARS).toWellFormed();
    list += `${list === '' ? '' : ', '}${encodeURI(spelled).replaceAll('%5B', '[').replaceAll('%5D', ']')}`;
  }
  return list.length <= MAX_DROPPED_CHARS ? list : `${list.slice(0, MAX_DROPPED_CHARS)} ...`;
}
