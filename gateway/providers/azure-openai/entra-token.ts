import { z } from 'zod';
import { RingsideError } from '#core/errors.ts';

/**
 * Tokens of Microsoft Entra for an application that calls Azure (OAuth 2.0 client credentials; Microsoft identity platform, read 2026-11).
 * Pure: what is sent, what comes back, and when it is time for the next one. Whoever calls it does the fetching.
 */

const clientSchema = z.strictObject({
  tenantId: z.string().regex(/^[A-Za-z0-9.-]{1,128}$/),
  clientId: z.string().min(1).max(256),
  clientSecret: z.string().min(1).max(1024),
  /** Of a national cloud. */
  authorityHost: z
    .string()
    .regex(/^[A-Za-z0-9.-]{1,253}$/)
    .default('login.microsoftonline.com'),
  scope: z.string().min(1).max(512).default('https://cognitiveservices.azure.com/.default'),
});

/** An application registered with Entra, as a provider's key document holds it. */
export type EntraClient = z.output<typeof clientSchema>;

/** The client in a key that is a JSON document; null for a plain key. Throws TypeError for a document that is no client. */
export function readEntraClient(apiKey: string): EntraClient | null {
  if (!apiKey.trimStart().startsWith('{')) return null;
  let document: unknown;
  try {
    document = JSON.parse(apiKey);
  } catch {
    throw new TypeError('the key document is no JSON'); // never with its text
  }
  const parsed = clientSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new TypeError(`the key document is no client of Entra's: ${field}`);
}

export interface TokenRequest {
  readonly method: 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What to send for a token. */
export function writeTokenRequest({
  tenantId,
  clientId,
  clientSecret,
  authorityHost,
  scope,
}: EntraClient): TokenRequest {
  return {
    method: 'POST',
    url: `https://${authorityHost}/${tenantId}/oauth2/v2.0/token`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
      scope,
    }).toString(),
  };
}

export interface EntraToken {
  readonly accessToken: string;
  /** From then on a new one should be fetched, while this one still serves. */
  readonly refreshAtUnixMs: number;
  /** From then on it must not be used. */
  readonly expiresAtUnixMs: number;
}

/** A token is not used in its last seconds: the call takes time, and clocks differ. */
const MARGIN_MS = 60_000;

const tokenSchema = z.object({
  access_token: z
    .string()
    .min(1)
    .regex(/^[\x21-\x7e]+$/),
  expires_in: z.coerce
    .number()
    .positive()
    .max(7 * 86_400),
  refresh_in: z.coerce.number().positive().optional(),
});

/**
 * Reads the answer to a token request that was sent at `sentUnixMs`. Throws `upstream_error` where Entra refuses the client (with Entra's
 * code, never its text: it names the application), `upstream_protocol` for what is no answer of Entra's.
 */
export function readToken(status: number, body: Buffer, sentUnixMs: number, providerName: string): EntraToken {
  const answer = parse(body);
  if (status >= 400) {
    const code = z.object({ error: z.string().regex(/^[a-z_]{1,64}$/) }).safeParse(answer).data?.error;
    const said = code === undefined ? '' : `: ${code}`;
    throw new RingsideError(
      'upstream_error',
      `Entra gave no token for the provider "${providerName}" (status ${status}${said}).`,
    );
  }
  const token = tokenSchema.safeParse(answer);
  if (!token.success) throw new RingsideError('upstream_protocol', 'Entra sent something else than a token.');
  const lifeMs = token.data.expires_in * 1000;
  // Half of its life where Entra does not say, as its own libraries do for long-lived tokens.
  const refreshMs = token.data.refresh_in === undefined ? lifeMs / 2 : token.data.refresh_in * 1000;
  const expiresAtUnixMs = sentUnixMs + Math.max(0, lifeMs - MARGIN_MS);
  return {
    accessToken: token.data.access_token,
    refreshAtUnixMs: Math.min(sentUnixMs + refreshMs, expiresAtUnixMs),
    expiresAtUnixMs,
  };
}

/** What to do with a token at a moment: null is one that was never fetched. */
export function tokenState(token: EntraToken | null, nowUnixMs: number): 'fresh' | 'refresh' | 'expired' {
  if (token === null || nowUnixMs >= token.expiresAtUnixMs) return 'expired';
  return nowUnixMs >= token.refreshAtUnixMs ? 'refresh' : 'fresh';
}

/** The header of a call that the token pays for, name and value in turn, as `sign` of a target gives them. */
export function tokenHeader({ accessToken }: EntraToken): readonly string[] {
  return ['authorization', `Bearer ${accessToken}`];
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}
