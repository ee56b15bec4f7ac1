import { RingsideError } from '#core/errors.ts';

/** undici's and the system's error codes, by what they mean to the caller. */
const TIMEOUTS: ReadonlyMap<string, string> = new Map([
  ['UND_ERR_CONNECT_TIMEOUT', 'did not accept a connection in time'],
  ['UND_ERR_HEADERS_TIMEOUT', 'did not begin its answer in time'],
  ['UND_ERR_BODY_TIMEOUT', 'stopped sending in the middle of its answer'],
  ['ETIMEDOUT', 'did not accept a connection in time'],
]);
const UNREACHABLE: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'refused the connection'],
  ['ENOTFOUND', 'has a host name that does not resolve'],
  ['EAI_AGAIN', 'has a host name that does not resolve at the moment'],
  ['EHOSTUNREACH', 'cannot be reached'],
  ['ENETUNREACH', 'cannot be reached'],
  ['ECONNRESET', 'reset the connection'],
  ['EPIPE', 'closed the connection'],
  ['UND_ERR_SOCKET', 'closed the connection before its answer was complete'],
  ['RINGSIDE_FORBIDDEN_ADDRESS', 'has an address that RINGSIDE_PRIVATE_UPSTREAMS does not allow'],
]);

/**
 * Turns a transport failure into our error. The text names the provider by its Ringside name and never an address, a URL or
 * a header.
 */
export function transportFailure(reason: unknown, provider: string): RingsideError {
  const code = findCode(reason);
  const timeout = TIMEOUTS.get(code);
  if (timeout !== undefined) {
    return new RingsideError('upstream_timeout', `The provider "${provider}" ${timeout}.`, { cause: reason });
  }
  const unreachable = UNREACHABLE.get(code);
  if (unreachable !== undefined) {
    return new RingsideError('upstream_unreachable', `The provider "${provider}" ${unreachable}.`, { cause: reason });
  }
  // A call that undici refuses to make is our own defect.
  if (/^UND_ERR_(INVALID|NOT_SUPPORTED)/.test(code)) return RingsideError.from(reason);
  if (/^(HPE_|UND_ERR_(RES|HEADERS_OVERFLOW))/.test(code)) {
    return new RingsideError('upstream_protocol', `The provider "${provider}" sent an answer that is not valid HTTP.`, {
      cause: reason,
    });
  }
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)) {
    return new RingsideError(
      'upstream_unreachable',
      `The TLS certificate of the provider "${provider}" is not accepted.`,
      {
        cause: reason,
      },
    );
  }
  return new RingsideError('upstream_unreachable', `The call to the provider "${provider}" failed.`, { cause: reason });
}

/** The code of an error, of its cause, or of the first of several (happy eyeballs). */
function findCode(reason: unknown): string {
  if (!(reason instanceof Error)) return '';
  const { code } = reason as { code?: unknown };
  if (typeof code === 'string') return code;
  if (reason instanceof AggregateError) return findCode(reason.errors[0]);
  return findCode(reason.cause);
}
