import { type ErrorCode, RingsideError } from '#core/errors.ts';
import { scrub } from '#translation/wires/scrub.ts';
import type { UpstreamTarget } from '../provider.ts';

const MAX_MESSAGE = 2_000;
/** The caller's own mistakes keep their status. */
const CALLER_STATUSES = new Set([400, 409, 413, 415, 422]);

/** The protocol's error, `{"error": text}`; FastAPI's servers (KServe, MLServer) also say `detail`. */
export function readError(
  status: number,
  body: Buffer,
  retryAfter: string | undefined,
  target: Pick<UpstreamTarget, 'providerName' | 'secrets'>,
): RingsideError {
  const provider = `The provider "${target.providerName}"`;
  const said = readBody(body);
  const text = said === null ? '' : `: ${scrub(said, target.secrets).slice(0, MAX_MESSAGE)}`;
  const seconds = Number(retryAfter);
  const wait =
    retryAfter !== undefined && Number.isFinite(seconds) && seconds >= 0
      ? { retryAfterSeconds: Math.ceil(seconds) }
      : {};
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
  if (status === 503) return fail('upstream_error', `${provider} is overloaded (status ${status})${text}`, 503);
  return fail('upstream_error', `${provider} failed with status ${status}${text}`);
}

function readBody(body: Buffer): string | null {
  try {
    const value = JSON.parse(body.toString('utf8')) as { error?: unknown; detail?: unknown } | null;
    return ([value?.error, value?.detail].find((text) => typeof text === 'string') as string | undefined) ?? null;
  } catch {
    return null; // HTML and the like says nothing to a caller
  }
}
