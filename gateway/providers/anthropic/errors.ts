import { type ErrorCode, RingsideError } from '#core/errors.ts';
import type { JsonObject } from '#translation/chat/request.ts';
import { scrub } from '#translation/wires/scrub.ts';
import type { UpstreamTarget } from '../provider.ts';

/** Longest upstream message that is passed on. */
const MAX_MESSAGE = 2_000;
/** The caller's own mistakes keep their status. What is a matter between us and the provider becomes a 502. */
const CALLER_STATUSES = new Set([400, 409, 413, 415, 422]);

/**
 * Reads Anthropic's `{type: "error", error: {type, message}}` (or whatever else a server sent). The upstream's text is passed on
 * without the target's secrets, except where it speaks of our credentials or our account there.
 */
export function readError(
  status: number,
  body: Buffer,
  retryAfter: string | undefined,
  target: UpstreamTarget,
): RingsideError {
  const provider = `The provider "${target.providerName}"`;
  const said = readMessage(body);
  const message = said === null ? '' : `: ${scrub(said, target.secrets).slice(0, MAX_MESSAGE)}`;
  const retryAfterSeconds = parseRetryAfter(retryAfter);
  const details = retryAfterSeconds === null ? {} : { retryAfterSeconds };
  const fail = (code: ErrorCode, text: string, useStatus?: number) =>
    new RingsideError(code, text, useStatus === undefined ? details : { ...details, status: useStatus });

  if (status === 401 || status === 403) {
    return fail('upstream_error', `${provider} did not accept the credentials configured for it (status ${status}).`);
  }
  if (status === 402) return fail('upstream_error', `${provider} does not serve this account (status 402).`);
  if (CALLER_STATUSES.has(status)) {
    return fail('upstream_rejected', `${provider} refused the request${message}`, status);
  }
  if (status === 429) return fail('upstream_rate_limited', `${provider} is limiting the rate of requests${message}`);
  if (status === 408 || status === 504) {
    return fail('upstream_timeout', `${provider} timed out (status ${status})${message}`);
  }
  if (status === 503 || status === 529) {
    return fail('upstream_error', `${provider} is overloaded (status ${status})${message}`, 503);
  }
  return fail('upstream_error', `${provider} failed with status ${status}${message}`);
}

function readMessage(body: Buffer): string | null {
  try {
    const value = JSON.parse(body.toString('utf8')) as JsonObject | null;
    const error = value?.['error'] as JsonObject | string | null | undefined;
    const message = typeof error === 'object' ? error?.['message'] : (error ?? value?.['message']);
    return typeof message === 'string' ? message : null;
  } catch {
    return null; // HTML and the like says nothing to a caller
  }
}

/** Seconds from `Retry-After`, when it is a number (RFC 9110 also allows a date, which providers do not send). */
function parseRetryAfter(value: string | undefined): number | null {
  const seconds = Number(value);
  return value !== undefined && Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds) : null;
}
