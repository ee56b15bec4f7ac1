import { type ErrorCode, RingsideError } from '#core/errors.ts';
import { isRecord, type JsonRecord } from '#translation/wires/exact-json.ts';
import { scrub } from '#translation/wires/scrub.ts';
import type { UpstreamTarget } from '../provider.ts';

/** Longest upstream message that is passed on. */
const MAX_MESSAGE = 2_000;
const MAX_PARAM = 200;
/** The caller's own mistakes keep their status. What is a matter between us and the provider becomes a 502. */
const CALLER_STATUSES = new Set([400, 409, 413, 415, 422]);

/**
 * Reads Google's error body ("Troubleshooting guide" and google.rpc.Status, read 2026-11); a stream that is a JSON array wraps it in a list. The
 * upstream's text is passed on without the target's secrets, except where it speaks of our credentials: Google answers 400 to a key that is
 * not valid, and says so in the reason.
 */
export function readError(
  status: number,
  body: Buffer,
  retryAfter: string | undefined,
  target: UpstreamTarget,
): RingsideError {
  const provider = `The provider "${target.providerName}"`;
  const said = readBody(body);
  const message = said.message === null ? '' : `: ${scrub(said.message, target.secrets).slice(0, MAX_MESSAGE)}`;
  const waitS = parseSeconds(retryAfter) ?? said.retryDelayS;
  const details = {
    ...(said.field === null ? {} : { param: scrub(said.field, target.secrets).slice(0, MAX_PARAM) }),
    ...(waitS === null ? {} : { retryAfterSeconds: waitS }),
  };
  const fail = (code: ErrorCode, text: string, useStatus?: number) =>
    new RingsideError(code, text, useStatus === undefined ? details : { ...details, status: useStatus });

  if (status === 401 || status === 403 || said.isAboutKey) {
    return fail('upstream_error', `${provider} did not accept the credentials configured for it (status ${status}).`);
  }
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

interface Said {
  readonly message: string | null;
  /** The field at fault. */
  readonly field: string | null;
  readonly retryDelayS: number | null;
  readonly isAboutKey: boolean;
}

const NOTHING: Said = { message: null, field: null, retryDelayS: null, isAboutKey: false };

function readBody(body: Buffer): Said {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return NOTHING; // HTML and the like says nothing to a caller
  }
  const whole: unknown = Array.isArray(value) ? value[0] : value;
  const error = isRecord(whole) ? (whole['error'] ?? whole) : null;
  if (!isRecord(error)) return { ...NOTHING, message: textOf(error) };
  const details = Array.isArray(error['details']) ? error['details'].filter(isRecord) : [];
  const detail = (name: string): JsonRecord =>
    details.find((item) => String(item['@type']).endsWith(`/google.rpc.${name}`)) ?? {};
  const violations = detail('BadRequest')['fieldViolations'];
  const violation: unknown = Array.isArray(violations) ? violations[0] : null;
  const reason = textOf(detail('ErrorInfo')['reason']);
  return {
    message: textOf(error['message']),
    field: isRecord(violation) ? textOf(violation['field']) : null,
    retryDelayS: parseSeconds(/^([\d.]+)s$/.exec(textOf(detail('RetryInfo')['retryDelay']) ?? '')?.[1]),
    isAboutKey: reason !== null && /^(?:API_KEY|ACCESS_TOKEN|CREDENTIALS)_/.test(reason),
  };
}

function parseSeconds(value: string | undefined): number | null {
  const seconds = value === undefined || value === '' ? Number.NaN : Number(value);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds) : null;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
