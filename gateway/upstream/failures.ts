import { RingsideError } from '#core/errors.ts';

/** What our own client reports; the system's codes stand beside them. */
export type FailureCode =
  | 'RINGSIDE_CONNECT_TIMEOUT'
  | 'RINGSIDE_FIRST_BYTE_TIMEOUT'
  | 'RINGSIDE_IDLE_TIMEOUT'
  | 'RINGSIDE_CLOSED'
  | 'RINGSIDE_PROTOCOL'
  | 'RINGSIDE_FORBIDDEN_ADDRESS'
  | 'RINGSIDE_POOL_FULL'
  | 'RINGSIDE_STOPPED';

/** A failure that the client found itself; the message names no address, URL or header. */
export class UpstreamFailure extends Error {
  override name = 'UpstreamFailure';
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Error codes by what they mean to the caller. */
const TIMEOUTS: ReadonlyMap<string, string> = new Map([
  ['RINGSIDE_CONNECT_TIMEOUT', 'did not accept a connection in time'],
  ['RINGSIDE_FIRST_BYTE_TIMEOUT', 'did not begin its answer in time'],
  ['RINGSIDE_IDLE_TIMEOUT', 'stopped sending in the middle of its answer'],
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
  ['RINGSIDE_CLOSED', 'closed the connection before its answer was complete'],
  ['RINGSIDE_FORBIDDEN_ADDRESS', 'has an address that RINGSIDE_PRIVATE_UPSTREAMS does not allow'],
]);

/**
 * Turns a transport failure into our error. The text names the provider by its Ringside name and never an address, a URL or
 * a header.
 * @param server what was called, if not the provider itself
 */
export function transportFailure(reason: unknown, provider: string, server = `provider "${provider}"`): RingsideError {
  const code = findCode(reason);
  const timeout = TIMEOUTS.get(code);
  if (timeout !== undefined) {
    return new RingsideError('upstream_timeout', `The ${server} ${timeout}.`, { cause: reason });
  }
  const unreachable = UNREACHABLE.get(code);
  if (unreachable !== undefined) {
    return new RingsideError('upstream_unreachable', `The ${server} ${unreachable}.`, { cause: reason });
  }
  if (code === 'RINGSIDE_POOL_FULL') {
    const message = `The gateway has as many connections to the ${server} as it may; try again.`;
    return new RingsideError('overloaded', message, { retryAfterSeconds: 1, cause: reason });
  }
  // A call that cannot be written down is our own defect.
  if (reason instanceof RangeError || reason instanceof TypeError || reason instanceof RingsideError) {
    return RingsideError.from(reason);
  }
  if (code === 'RINGSIDE_PROTOCOL') {
    return new RingsideError('upstream_protocol', `The ${server} sent an answer that is not valid HTTP.`, {
      cause: reason,
    });
  }
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)) {
    const message = `The TLS certificate of the ${server} is not accepted.`;
    return new RingsideError('upstream_unreachable', message, { cause: reason });
  }
  return new RingsideError('upstream_unreachable', `The call to the ${server} failed.`, { cause: reason });
}

/** The code of an error, of its cause, or of the first of several (happy eyeballs). */
function findCode(reason: unknown): string {
  if (!(reason instanceof Error)) return '';
  const { code } = reason as { code?: unknown };
  if (typeof code === 'string') return code;
  if (reason instanceof AggregateError) return findCode(reason.errors[0]);
  return findCode(reason.cause);
}
