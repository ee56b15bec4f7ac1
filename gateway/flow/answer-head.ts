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
  return headers;
}

/** The head of a successful answer. */
export function answerHeaders(
  exchange: Exchange,
  upstream: Readonly<Record<string, string | string[] | undefined>>,
  contentType: string,
): string[] {
  const headers = ringsideHeaders(exchange);
  headers.push('content-type', contentType);
  for (const name of PASSED) {
    const value = upstream[name];
    if (typeof value === 'string') headers.push(name, value);
  }
  const requestId = upstream['x-request-id'];
  if (typeof requestId === 'string') headers.push('x-ringside-upstream-request-id', requestId);
  return headers;
}
