import { z } from 'zod';
import { isDocument, type ParsedCredentials, parseDocument } from './document.ts';

const text = (max: number) => z.string().min(1).max(max);

/** An application that is registered with Microsoft Entra. */
const entraClientSchema = z.strictObject({
  tenantId: z.string().regex(/^[A-Za-z0-9.-]{1,128}$/, 'is no tenant'),
  clientId: z.string().regex(/^[\x21-\x7e]{1,256}$/, 'is no client'),
  clientSecret: text(1_024),
  /** Of a national cloud; with its port if that is another one than 443. */
  authorityHost: z
    .string()
    .regex(/^[A-Za-z0-9.-]{1,253}(?::\d{1,5})?$/, 'is no host')
    .refine((host) => URL.canParse(`https://${host}`), 'is no host')
    .default('login.microsoftonline.com'),
  scope: text(512).default('https://cognitiveservices.azure.com/.default'),
});
export type EntraClient = z.output<typeof entraClientSchema>;

/** What opens a deployment at Azure: a key of the resource, or a client of Entra's, which gets its tokens there. */
export type AzureCredentials =
  | { readonly kind: 'api-key'; readonly apiKey: string }
  | { readonly kind: 'entra-client'; readonly client: EntraClient };

/** Reads a provider's key: JSON of `{tenantId, clientId, clientSecret, authorityHost?, scope?}`, or a key as it is. */
export function parseAzureKey(apiKey: string): ParsedCredentials<AzureCredentials> {
  if (!isDocument(apiKey)) return { kind: 'ok', credentials: { kind: 'api-key', apiKey } };
  const parsed = parseDocument(entraClientSchema, apiKey);
  if (parsed.kind === 'invalid') return parsed;
  return { kind: 'ok', credentials: { kind: 'entra-client', client: parsed.credentials } };
}
