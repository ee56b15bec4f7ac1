import type { ProviderKind } from '#core/names.ts';
import { parseAzureKey } from './azure-openai.ts';
import { parseBedrockKey } from './bedrock.ts';
import { isDocument } from './document.ts';
import { parseGoogleKey } from './google.ts';

/** Longer ones are no key of any provider, and no document either. */
const MAX_API_KEY_CHARS = 16_384;
/** A plain key goes into a header as it is. */
const PLAIN_KEY = /^[\x21-\x7e]{1,8192}$/;

export type CheckedKey =
  /** `hint` tells keys apart and holds nothing secret; null for a plain key. */
  { readonly kind: 'ok'; readonly hint: string | null } | { readonly kind: 'invalid'; readonly message: string };

/** Whether gateways can use this key for a provider of a kind. The message names fields and never holds a value. */
export function checkApiKey(kind: ProviderKind, baseUrl: string, apiKey: string): CheckedKey {
  const invalid = (message: string): CheckedKey => ({ kind: 'invalid', message });
  if (apiKey.length > MAX_API_KEY_CHARS) return invalid(`is longer than ${MAX_API_KEY_CHARS} characters`);
  const document = isDocument(apiKey) ? readDocument(kind, baseUrl, apiKey) : null;
  if (document !== null) return document;
  return PLAIN_KEY.test(apiKey)
    ? { kind: 'ok', hint: null }
    : invalid('is printable ASCII without spaces, at most 8192 characters');
}

/** Null where it is a key like any other after all. */
function readDocument(kind: ProviderKind, baseUrl: string, apiKey: string): CheckedKey | null {
  switch (kind) {
    case 'bedrock': {
      const parsed = parseBedrockKey(apiKey, baseUrl);
      if (parsed.kind === 'invalid') return parsed;
      if (parsed.credentials.kind !== 'access-key') return null;
      const { accessKeyId } = parsed.credentials.key;
      return { kind: 'ok', hint: `access key ${accessKeyId.slice(0, 4)}…${accessKeyId.slice(8).slice(-4)}` };
    }
    case 'google': {
      const parsed = parseGoogleKey(apiKey, baseUrl);
      if (parsed.kind === 'invalid') return parsed;
      if (parsed.credentials.kind !== 'service-account') return null;
      return { kind: 'ok', hint: `service account ${parsed.credentials.account.clientEmail}` };
    }
    case 'azure-openai': {
      const parsed = parseAzureKey(apiKey);
      if (parsed.kind === 'invalid') return parsed;
      if (parsed.credentials.kind !== 'entra-client') return null;
      return { kind: 'ok', hint: `Entra client ${parsed.credentials.client.clientId}` };
    }
    case 'openai':
    case 'anthropic':
    case 'cohere':
    case 'mistral':
    case 'huggingface':
    case 'oip':
    case 'custom':
    case 'simulator':
      // A document of another kind: sent as it is, it would fail with the first call, and show itself to a stranger.
      return { kind: 'invalid', message: `is a document, and the kind "${kind}" has keys that are a text only` };
    default:
      return kind satisfies never;
  }
}
