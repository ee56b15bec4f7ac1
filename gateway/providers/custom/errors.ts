import { type ErrorCode, RingsideError } from '#core/errors.ts';
import { scrub } from '#translation/wires/scrub.ts';
import type { UpstreamTarget } from '../provider.ts';
import type { Lookup } from './pointer.ts';

/** A target whose definition says where an error has its text. */
export interface CustomTarget extends UpstreamTarget {
  readonly errorMessage: Lookup;
}

const MAX_MESSAGE = 2_000;
/** The caller's own mistakes keep their status. */
const CALLER_STATUSES = new Set([400, 409, 413, 415, 422]);

/** An error by its status, with the text that stands where the definition says. */
export function readError(
  status: number,
  body: Buffer,
  retryAfter: string | undefined,
  target: UpstreamTarget,
): RingsideError {
  const provider = `The provider "${target.providerName}"`;
  const said = readMessage(body, target as Partial<CustomTarget>);
  const text = said === null ? '' : `: ${scrub(said, target.secrets).slice(0, MAX_MESSAGE)}`;
  const seconds = Number(retryAfter);
  const isWait = retryAfter !== undefined && Number.isFinite(seconds) && seconds >= 0;
  const wait = isWait ? { retryAfterSeconds: Math.ceil(seconds) } : {};
  const fail = (code: ErrorCode, message: string, useStatus?: number) =>
    new RingsideError(code, message, useStatus === undefined ? wait : { ...wait, status: useStatus });

  if (status === 401 || status === 403) {
    return fail('upstream_error', `${provider} did not accept the credentials configured for it (status ${status}).`);
  }
  if (CALLER_STATUSES.has(status)) return fail('upstream_rejected', `${provider} refused the request${text}`, status);
  if (status === 429) return fail('upstream_rate_limited', `${provider} is limiting the rate of requests${text}`);
  if (status === 408 || status === 504) {
    return fail('upstream_timeout', `${provider} timed out (status ${status})${text}`);
  }
  if (status === 503 || status === 529) {
    return fail('upstream_error', `${provider} is overloaded (status ${status})${text}`, 503);
  }
  return fail('upstream_error', `${provider} failed with status ${status}${text}`);
}

function readMessage(body: Buffer, { errorMessage }: Partial<CustomTarget>): string | null {
  try {
    const message = errorMessage?.(JSON.parse(body.toString('utf8')));
    return typeof message === 'string' ? message : null;
  } catch {
    return null; // HTML and the like says nothing to a caller
  }
}
