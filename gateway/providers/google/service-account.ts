import { createPrivateKey, createSign, type KeyObject } from 'node:crypto';
import { isRecord } from '#translation/wires/gemini/exact-json.ts';

/** What a service account's JSON key file holds, as far as it is needed. The key is a secret. */
export interface ServiceAccount {
  readonly clientEmail: string;
  readonly privateKey: KeyObject;
  readonly privateKeyId: string | null;
  /** Where tokens are exchanged. */
  readonly tokenUrl: string;
}

export type ParsedServiceAccount =
  | { readonly kind: 'account'; readonly account: ServiceAccount }
  | { readonly kind: 'invalid'; readonly message: string };

export interface AccessToken {
  readonly token: string;
  /** When it ends, on the clock that was given. */
  readonly expiresUnixS: number;
}

/** Google's own server, and no other: the signed assertion would be as good as a password to whoever gets it. */
const TOKEN_URL = 'https://oauth2.googleapis.com/token';
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** An hour is the longest that Google allows. */
const LIFETIME_S = 3_600;

/** Reads a key file. The message of what is wrong with it holds nothing of it. */
export function parseServiceAccount(json: string): ParsedServiceAccount {
  const invalid = (message: string): ParsedServiceAccount => ({ kind: 'invalid', message });
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return invalid('The service account is no JSON.');
  }
  if (!isRecord(value) || value['type'] !== 'service_account') {
    return invalid('The service account must be a JSON key file of the type "service_account".');
  }
  const { client_email: clientEmail, private_key: pem, private_key_id: keyId, token_uri: tokenUrl } = value;
  if (typeof clientEmail !== 'string' || typeof pem !== 'string') {
    return invalid('The service account has no "client_email" or no "private_key".');
  }
  if (tokenUrl !== undefined && tokenUrl !== TOKEN_URL) return invalid(`Its "token_uri" must be ${TOKEN_URL}.`);
  try {
    const privateKey = createPrivateKey(pem);
    if (privateKey.asymmetricKeyType !== 'rsa') return invalid('The private key of the service account is no RSA key.');
    const privateKeyId = typeof keyId === 'string' ? keyId : null;
    return { kind: 'account', account: { clientEmail, privateKey, privateKeyId, tokenUrl: TOKEN_URL } };
  } catch {
    return invalid('The private key of the service account cannot be read.');
  }
}

/**
 * The signed assertion that is exchanged for an access token: a JWT with RS256 (RFC 7523; "Using OAuth 2.0 for Server to Server
 * Applications", read 2026-11), good for an hour from `nowUnixS`.
 */
export function signAssertion(account: ServiceAccount, nowUnixS: number): string {
  const header = { alg: 'RS256', typ: 'JWT', ...(account.privateKeyId === null ? {} : { kid: account.privateKeyId }) };
  const claims = {
    iss: account.clientEmail,
    scope: SCOPE,
    aud: account.tokenUrl,
    iat: nowUnixS,
    exp: nowUnixS + LIFETIME_S,
  };
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(account.privateKey, 'base64url')}`;
}

/** The body of the exchange, of the type `application/x-www-form-urlencoded`. */
export function tokenRequestBody(assertion: string): string {
  return new URLSearchParams({ grant_type: GRANT, assertion }).toString();
}

/** Reads the answer of the exchange; null for what is no token. */
export function readAccessToken(body: string, nowUnixS: number): AccessToken | null {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return null;
  }
  if (!isRecord(value)) return null;
  const { access_token: token, expires_in: seconds } = value;
  if (typeof token !== 'string' || token === '' || typeof seconds !== 'number' || !(seconds > 0)) return null;
  return { token, expiresUnixS: nowUnixS + Math.floor(seconds) };
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
