import { RingsideError } from '#core/errors.ts';
import type { UpstreamTarget } from '../providers/provider.ts';
import type { SessionCall } from '../upstream/session-socket.ts';
import { connectionNamed } from './hop-by-hop.ts';
import type { Exchange } from './ports.ts';
import { unusable } from './unusable-target.ts';

/** Callers' headers that are passed on with a handshake. Everything else stays here. */
const FORWARDED = ['openai-beta', 'openai-safety-identifier'] as const;

/** The handshake with the upstream: its own credentials and model, and of the caller's what is listed. */
export function adaptSession(exchange: Exchange, target: UpstreamTarget, protocols: readonly string[]): SessionCall {
  if (target.access?.kind === 'unusable') throw unusable(target.providerName);
  const { session } = target;
  if (session === undefined) throw noSessions(exchange, target);
  const headers: Record<string, string> = { traceparent: exchange.traceparent };
  const { headers: callers } = exchange.incoming;
  const hop = connectionNamed(callers.connection);
  for (const name of FORWARDED) {
    const value = callers[name];
    if (typeof value === 'string' && !hop.has(name)) headers[name] = value;
  }
  return {
    endpoint: target.endpoint,
    path: session.path,
    // The provider's own go over the caller's.
    headers: { ...headers, ...session.headers },
    protocols,
    timeoutMs: target.firstByteTimeoutMs,
  };
}

function noSessions({ group }: Exchange, { kind, providerName }: UpstreamTarget): RingsideError {
  return new RingsideError(
    'unsupported_operation',
    `The model group "${group!.group.name}" is served by the provider "${providerName}" (${kind}) here, which has no realtime sessions.`,
    { param: 'model' },
  );
}
