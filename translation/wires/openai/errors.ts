import { type ErrorCode, RingsideError } from '#core/errors.ts';
import { scrub } from '../scrub.ts';

/** Whose error it is, and what must not be passed on of it. */
export interface ErrorSource {
  readonly providerName: string;
  readonly secrets: readonly string[];
}

/** Longest upstream message that is passed on. */
const MAX_MESSAGE = 2_000;
const MAX_PARAM = 200;
/** The caller's own mistakes keep their status. What is a matter between us and the provider becomes a 502. */
const CALLER_STATUSES = new Set([400, 409, 413, 415, 422]);

/**
 * Reads an OpenAI-shaped error body (or whatever else a compatible server sent). The upstream's text is passed on without
 * the target's secrets, except where it speaks of our credentials: that text would echo parts of the key.
 */
export function readError(
  status: number,
  body: Buffer,
  retryAfter: string | undefined,
  target: ErrorSource,
): RingsideError {
  const provider = `The provider "${target.providerName}"`;
  const said = readBody(body);
  const message = said.message === null ? '' : `: ${scrub(said.message, target.secrets).slice(0, MAX_MESSAGE)}`;
  const details = {
    ...(said.param === null ? {} : { param: scrub(said.param, target.secrets).slice(0, MAX_PARAM) }),
    ...(parseRetryAfter(retryAfter) === undefined ? {} : { retryAfterSeconds: parseRetryAfter(retryAfter)! }),
  };
  const fail = (code: ErrorCode, text: string, useStatus?: number) =>
    new RingsideError(code, text, useStatus === undefined ? details : { ...details, status: useStatus });

  if (status === 401 || status === 403) {
    return fail('upstream_error', `${provider} did not accept the credentials configured for it (status ${status}).`);
  }
  if (CALLER_STATUSES.has(status))
    return fail('upstream_rejected', `${provider} refused the request${message}`, status);
  if (status === 429) return fail('upstream_rate_limited', `${provider} is limiting the rate of requests${message}`);
  if (status === 408 || status === 504)
    return fail('upstream_timeout', `${provider} timed out (status ${status})${message}`);
  if (status === 503 || status === 529)
    return fail('upstream_error', `${provider} is overloaded (status ${status})${message}`, 503);
  return fail('upstream_error', `${provider} failed with status ${status}${message}`);
}

function readBody(body: Buffer): { message: string | null; param: string | null } {
  try {
    const value = JSON.parse(body.toString('utf8')) as { error?: unknown; message?: unknown; detail?: unknown };
    const error =
      typeof value.error === 'object' && value.error !== null ? (value.error as Record<string, unknown>) : value;
    const message = [error.message, value.error, value.message, value.detail].find((text) => typeof text === 'string');
    const param = (error as { param?: unknown }).param;
    return { message: (message as string | undefined) ?? null, param: typeof param === 'string' ? param : null };
  } catch {
    return { message: null, param: null }; // HTML and the like says nothing to a caller
  }
}

/** Seconds from `Retry-After`, when it is a number (RFC 9110 also allows a date, which providers do not send). */
function parseRetryAfter(value: string | undefined): number | undefined {
  const seconds = Number(value);
  return value !== undefined && Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds) : undefined;
}
