import { z } from 'zod';
import { isDocument, type ParsedCredentials, parseDocument } from './document.ts';

/** An access key of AWS. Temporary ones come with a session token. */
export interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
}

/** What opens a Bedrock endpoint: an API key of Bedrock's, or an access key of AWS by which each call is signed. */
export type BedrockCredentials =
  | { readonly kind: 'api-key'; readonly apiKey: string }
  | { readonly kind: 'access-key'; readonly key: AccessKey; readonly region: string };

const printable = z.string().regex(/^[\x21-\x7e]{1,8192}$/, 'is no printable ASCII without spaces');
const accessKeySchema = z.strictObject({
  accessKeyId: printable,
  secretAccessKey: printable,
  sessionToken: printable.optional(),
  region: z
    .string()
    .regex(/^[a-z]{2}(?:-[a-z]+)+-\d+$/, 'is no region such as "eu-west-1"')
    .optional(),
});

/** Reads a provider's key: JSON of `{accessKeyId, secretAccessKey, sessionToken?, region?}`, or an API key as it is. */
export function parseBedrockKey(apiKey: string, baseUrl: string): ParsedCredentials<BedrockCredentials> {
  if (!isDocument(apiKey)) return { kind: 'ok', credentials: { kind: 'api-key', apiKey } };
  const parsed = parseDocument(accessKeySchema, apiKey);
  if (parsed.kind === 'invalid') return parsed;
  const { accessKeyId, secretAccessKey, sessionToken = null, region } = parsed.credentials;
  const inRegion = region ?? regionOf(new URL(baseUrl).hostname);
  if (inRegion === null) return { kind: 'invalid', message: 'must say "region", as the base URL names none' };
  const key = { accessKeyId, secretAccessKey, sessionToken };
  return { kind: 'ok', credentials: { kind: 'access-key', key, region: inRegion } };
}

/** `bedrock-runtime.eu-west-1.amazonaws.com`, the FIPS, VPC and China forms of it, and the names under `api.aws`. */
const HOST =
  /(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d+)\.(?:[a-z0-9-]+\.)*(?:amazonaws\.com(?:\.cn)?|api\.aws)$/;

/** The region in the name of an endpoint; null where it has another name, and the configuration must say it. */
export function regionOf(host: string): string | null {
  return HOST.exec(host)?.[1] ?? null;
}
