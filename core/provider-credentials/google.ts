import { createPrivateKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { isDocument, type ParsedCredentials, parseDocument } from './document.ts';

/** What a service account's JSON key file holds, as far as it is needed. The key is a secret. */
export interface ServiceAccount {
  readonly clientEmail: string;
  readonly privateKey: KeyObject;
  /** The same as it stands in the file. */
  readonly privateKeyPem: string;
  readonly privateKeyId: string | null;
}

/** What opens Google's endpoints: a key of the Gemini API, an access token, or a service account, which gets its tokens itself. */
export type GoogleCredentials =
  | { readonly kind: 'api-key'; readonly apiKey: string }
  | { readonly kind: 'access-token'; readonly token: string }
  | { readonly kind: 'service-account'; readonly account: ServiceAccount };

/** Google's own server, and no other: the signed assertion would be as good as a password to whoever gets it. */
export const GOOGLE_TOKEN_URL = 'https://oauth2.googleapis.com/token';

const keyFileSchema = z.object({
  type: z.literal('service_account', 'must be "service_account"'),
  client_email: z.string().regex(/^[\x21-\x7e]{1,320}$/, 'is no address'),
  private_key: z.string().max(16_384),
  private_key_id: z.string().max(256).optional(),
  token_uri: z.literal(GOOGLE_TOKEN_URL, `must be ${GOOGLE_TOKEN_URL}`).optional(),
});

/** Whether a base URL is one of Vertex AI's: `…/v1/projects/<project>/locations/<location>/publishers/google`. */
export function isVertexPath(pathname: string): boolean {
  return pathname.replace(/\/+$/, '').endsWith('/publishers/google');
}

/** Reads a provider's key: a service account's key file for Vertex AI, or an API key or access token as it is. */
export function parseGoogleKey(apiKey: string, baseUrl: string): ParsedCredentials<GoogleCredentials> {
  if (!isDocument(apiKey)) {
    const isToken = apiKey.startsWith('ya29.'); // as all access tokens of Google's
    return { kind: 'ok', credentials: isToken ? { kind: 'access-token', token: apiKey } : { kind: 'api-key', apiKey } };
  }
  const invalid = (message: string) => ({ kind: 'invalid', message }) as const;
  const parsed = parseDocument(keyFileSchema, apiKey);
  if (parsed.kind === 'invalid') return parsed;
  if (!isVertexPath(new URL(baseUrl).pathname)) {
    return invalid(
      'is a service account, which serves Vertex AI only: the base URL ends in "/publishers/google" there',
    );
  }
  const {
    client_email: clientEmail,
    private_key: privateKeyPem,
    private_key_id: privateKeyId = null,
  } = parsed.credentials;
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(privateKeyPem);
  } catch {
    return invalid('"private_key" cannot be read');
  }
  if (privateKey.asymmetricKeyType !== 'rsa') return invalid('"private_key" is no RSA key');
  const account = { clientEmail, privateKey, privateKeyPem, privateKeyId };
  return { kind: 'ok', credentials: { kind: 'service-account', account } };
}
