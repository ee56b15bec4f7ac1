import { type ErrorCode, RingsideError } from '#core/errors.ts';
import { scrub } from '#translation/wires/scrub.ts';
import type { UpstreamTarget } from '../provider.ts';
import { isRecord } from './json.ts';

const MAX_MESSAGE = 2_000;
/** What Bedrock's exceptions mean, by name without "Exception"; anything else by its status. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  validation: 'rejected',
  conflict: 'rejected',
  resourcenotfound: 'failed',
  accessdenied: 'credentials',
  unrecognizedclient: 'credentials',
  invalidsignature: 'credentials',
  incompletesignature: 'credentials',
  missingauthenticationtoken: 'credentials',
  expiredtoken: 'credentials',
  throttling: 'limited',
  servicequotaexceeded: 'limited',
  // The model is being loaded.
  modelnotready: 'overloaded',
  serviceunavailable: 'overloaded',
  modeltimeout: 'timeout',
  modelerror: 'failed',
  modelstreamerror: 'failed',
  internalserver: 'failed',
};

type Meaning = 'rejected' | 'credentials' | 'limited' | 'overloaded' | 'timeout' | 'failed';

/**
 * Bedrock's error: `{message}` with the exception's name in the header `x-amzn-errortype`, which is not read here, or, of an exception inside
 * a stream, in `__type`. What speaks of our credentials is not passed on: it names the access key or the account.
 */
export function readError(
  status: number,
  body: Buffer,
  retryAfter: string | undefined,
  target: Pick<UpstreamTarget, 'providerName' | 'secrets'>,
): RingsideError {
  const provider = `The provider "${target.providerName}"`;
  const { name, message } = readBody(body);
  const said = message === null ? '' : `: ${scrub(message, target.secrets).slice(0, MAX_MESSAGE)}`;
  const seconds = parseRetryAfter(retryAfter);
  const fail = (code: ErrorCode, text: string, useStatus?: number) =>
    new RingsideError(code, text, {
      ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
      ...(useStatus === undefined ? {} : { status: useStatus }),
    });
  const meaning = Object.hasOwn(MEANINGS, name) ? MEANINGS[name]! : meaningOf(status);
  switch (meaning) {
    case 'rejected':
      return fail(
        'upstream_rejected',
        `${provider} refused the request${said}`,
        status >= 400 && status < 500 ? status : 400,
      );
    case 'credentials':
      return fail('upstream_error', `${provider} did not accept the credentials configured for it (status ${status}).`);
    case 'limited':
      return fail('upstream_rate_limited', `${provider} is limiting the rate of requests${said}`);
    case 'overloaded':
      return fail('upstream_error', `${provider} is overloaded (status ${status})${said}`, 503);
    case 'timeout':
      return fail('upstream_timeout', `${provider} timed out (status ${status})${said}`);
    case 'failed':
      return fail('upstream_error', `${provider} failed with status ${status}${said}`);
    default:
      return meaning satisfies never;
  }
}

function meaningOf(status: number): Meaning {
  if (status === 401 || status === 403) return 'credentials';
  if (status === 408 || status === 504) return 'timeout';
  if (status === 429) return 'limited';
  if (status === 503 || status === 529) return 'overloaded';
  // 424 is how a model's own failure comes, 404 a model that the configuration names and that is not there.
  return status >= 400 && status < 500 && status !== 404 && status !== 424 ? 'rejected' : 'failed';
}

/** The exception's name in lower case without namespace and "Exception"; empty where none is said. */
function readBody(body: Buffer): { name: string; message: string | null } {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    if (!isRecord(value)) return { name: '', message: null };
    const { __type: type, message, Message: other } = value;
    const name = typeof type === 'string' ? (type.split('#').at(-1) ?? '') : '';
    const text = [message, other].find((said) => typeof said === 'string');
    return {
      name: name
        .split(':', 1)[0]!
        .replace(/Exception$/, '')
        .toLowerCase(),
      message: (text as string | undefined) ?? null,
    };
  } catch {
    return { name: '', message: null }; // HTML and the like says nothing to a caller
  }
}

function parseRetryAfter(value: string | undefined): number | undefined {
  const seconds = Number(value);
  return value !== undefined && Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds) : undefined;
}
