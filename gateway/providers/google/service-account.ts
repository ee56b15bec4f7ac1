import { createSign } from 'node:crypto';
import { GOOGLE_TOKEN_URL, type ServiceAccount } from '#core/provider-credentials/google.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** An hour is the longest that Google allows. */
const LIFETIME_S = 3_600;

/**
 * The signed assertion that is exchanged for an access token: a JWT with RS256 (RFC 7523; "Using OAuth 2.0 for Server to Server
 * Applications", read 2026-11), good for an hour from `nowUnixS`.
 */
export function signAssertion(account: ServiceAccount, nowUnixS: number): string {
  const header = { alg: 'RS256', typ: 'JWT', ...(account.privateKeyId === null ? {} : { kid: account.privateKeyId }) };
  const claims = {
    iss: account.clientEmail,
    scope: SCOPE,
    aud: GOOGLE_TOKEN_URL,
    iat: nowUnixS,
    exp: nowUnixS + LIFETIME_S,
  };
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(account.privateKey, 'base64url')}`;
}

/** The body of the exchange, of the type `application/x-www-form-urlencoded`. */
export function tokenRequestBody(account: ServiceAccount, unixMs: number): string {
  const assertion = signAssertion(account, Math.floor(unixMs / 1_000));
  return new URLSearchParams({ grant_type: GRANT, assertion }).toString();
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
