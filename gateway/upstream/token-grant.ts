import { z } from 'zod';
import { RingsideError } from '#core/errors.ts';
import type { SnapshotProvider } from '#core/snapshot/schema.ts';
import type { UpstreamEndpoint } from './handler.ts';
import { bindEndpoint, bindHead } from './request-head.ts';

/** How the access tokens of one provider are fetched (OAuth 2.0, RFC 6749): where, and what is said there. */
export interface TokenGrant {
  readonly providerId: string;
  readonly providerName: string;
  /** The sealed credentials that it is made from: with others, what was fetched before is of no use. */
  readonly credentials: string | null;
  readonly endpoint: UpstreamEndpoint;
  readonly head: Buffer;
  readonly firstByteTimeoutMs: number;
  /** For a fetch as a whole. */
  readonly deadlineMs: number;
  /** The form that is sent: it may hold an assertion that is good for a while from `unixMs` on. */
  writeBody(unixMs: number): string;
}

/** Deadlines that a provider does not set itself, in milliseconds. */
interface GrantTimeouts {
  readonly connectMs: number;
  readonly firstByteMs: number;
}

/** Prepares the fetching of tokens at `url`. */
export function bindGrant(
  provider: SnapshotProvider,
  defaults: GrantTimeouts,
  url: string,
  writeBody: TokenGrant['writeBody'],
): TokenGrant {
  const { origin, pathname } = new URL(url);
  const connectMs = provider.timeouts.connectMs ?? defaults.connectMs;
  const firstByteTimeoutMs = provider.timeouts.firstByteMs ?? defaults.firstByteMs;
  const headers = ['content-type', 'application/x-www-form-urlencoded', 'accept', 'application/json'];
  return {
    providerId: provider.id,
    providerName: provider.name,
    credentials: provider.credentials,
    endpoint: bindEndpoint(origin, connectMs),
    head: bindHead(origin, pathname, [...headers, 'accept-encoding', 'identity', 'user-agent', 'ringside']),
    firstByteTimeoutMs,
    deadlineMs: connectMs + firstByteTimeoutMs,
    writeBody,
  };
}

export interface FetchedToken {
  readonly value: string;
  readonly lifeMs: number;
  /** After so long the server wants to be asked for the next one; null where it does not say. */
  readonly refreshAfterMs: number | null;
}

const seconds = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^\d{1,9}$/)
      .transform(Number),
  ])
  .pipe(
    z
      .number()
      .positive()
      .max(31 * 86_400),
  );
/** RFC 6749, section 5.1; `refresh_in` is Entra's. */
const tokenSchema = z.object({
  access_token: z.string().regex(/^[\x21-\x7e]{1,16384}$/),
  token_type: z
    .string()
    .regex(/^bearer$/i)
    .optional(),
  expires_in: seconds,
  refresh_in: seconds.optional().catch(undefined),
});
/** RFC 6749, section 5.2: the code only, as the description names accounts and applications. */
const refusalSchema = z.object({ error: z.string().regex(/^[a-z_]{1,64}$/) });

/** Reads what a token server answered. An error says why there is no token, without a word of the server's but its code. */
export function readTokenAnswer(status: number, body: Buffer, providerName: string): FetchedToken | RingsideError {
  const server = `The token server of the provider "${providerName}"`;
  const answer = parse(body);
  if (status !== 200) {
    const code = refusalSchema.safeParse(answer).data?.error;
    return new RingsideError(
      'upstream_error',
      `${server} gave no token (status ${status}${code === undefined ? '' : `: ${code}`}).`,
    );
  }
  const token = tokenSchema.safeParse(answer);
  if (!token.success) return new RingsideError('upstream_error', `${server} sent something else than a token.`);
  const { access_token: value, expires_in: lifeS, refresh_in: refreshS } = token.data;
  return { value, lifeMs: lifeS * 1_000, refreshAfterMs: refreshS === undefined ? null : refreshS * 1_000 };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null; // the parser's message would quote it
  }
}
