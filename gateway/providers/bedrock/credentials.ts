import { z } from 'zod';
import type { SigningKey } from './signing.ts';

/** What opens a Bedrock endpoint: an API key of Bedrock's, or an access key of AWS by which each call is signed. */
export type BedrockCredentials =
  | { readonly kind: 'api-key'; readonly apiKey: string }
  | { readonly kind: 'access-key'; readonly key: SigningKey; readonly region: string | null };

const accessKeySchema = z.strictObject({
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().min(1).optional(),
  region: z
    .string()
    .regex(/^[a-z]{2}(?:-[a-z]+)+-\d+$/)
    .optional(),
});

/**
 * Reads a provider's key: JSON of `{accessKeyId, secretAccessKey, sessionToken?, region?}`, or an API key as it is.
 * @throws TypeError that names the field and never holds a secret
 */
export function readCredentials(apiKey: string): BedrockCredentials {
  if (!apiKey.trimStart().startsWith('{')) return { kind: 'api-key', apiKey };
  let value: unknown;
  try {
    value = JSON.parse(apiKey);
  } catch {
    throw new TypeError('the key of a bedrock provider begins as JSON and is none');
  }
  const parsed = accessKeySchema.safeParse(value);
  if (!parsed.success) {
    const fields = parsed.error.issues.map(({ path, code }) => `${path.join('.') || 'the key'} (${code})`);
    throw new TypeError(`the access key of a bedrock provider is not valid: ${fields.join(', ')}`);
  }
  const { accessKeyId, secretAccessKey, sessionToken = null, region = null } = parsed.data;
  return { kind: 'access-key', key: { accessKeyId, secretAccessKey, sessionToken }, region };
}
