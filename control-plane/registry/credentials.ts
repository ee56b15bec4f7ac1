import { envelopeContext, type Keyring, open, seal } from '#core/envelope.ts';
import type { ProviderKind } from '#core/names.ts';
import { checkApiKey } from '#core/provider-credentials/check.ts';
import type { Entropy } from '../entropy.ts';
import { type Issue, invalid } from '../problem.ts';

/** A provider's secrets, as they lie in its envelope and as the gateway opens them. */
interface Credentials {
  readonly apiKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A change to credentials: absent keeps what is there, null removes it. */
export interface CredentialsChange {
  readonly apiKey?: string | null | undefined;
  readonly headers?: Readonly<Record<string, string>> | null | undefined;
}

/** The columns of a provider that hold its credentials and what may be shown of them. */
export interface CredentialColumns {
  readonly credentials: string | null;
  readonly credential_hint: string | null;
  readonly header_names: string[];
}

/** Whose credentials they are, as they will be: a key is one for a kind and a base URL. */
export interface CredentialPlace {
  readonly organizationId: string;
  readonly providerId: string;
  readonly kind: ProviderKind;
  readonly baseUrl: string;
}

/**
 * Opens a provider's present credentials, changes them and seals them again.
 * @throws Problem `invalid` for a key that the kind cannot use, the present one as well as a new one
 */
export function changeCredentials(
  deps: { readonly keyring: Keyring; readonly entropy: Entropy },
  place: CredentialPlace,
  sealed: string | null,
  change: CredentialsChange,
): CredentialColumns {
  const context = envelopeContext(place.organizationId, 'providers', place.providerId);
  // An envelope that is replaced whole need not open: its key may be lost.
  const isReplaced = change.apiKey !== undefined && change.headers !== undefined;
  const current = sealed === null || isReplaced ? {} : (JSON.parse(open(deps.keyring, context, sealed)) as Credentials);
  const apiKey = change.apiKey === undefined ? current.apiKey : (change.apiKey ?? undefined);
  const headers = change.headers === undefined ? current.headers : (change.headers ?? undefined);
  const names = Object.keys(headers ?? {}).map((name) => name.toLowerCase());
  const next: Credentials = {
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(names.length === 0 || headers === undefined ? {} : { headers }),
  };
  const empty = Object.keys(next).length === 0;
  return {
    credentials: empty ? null : seal(deps.keyring, context, JSON.stringify(next), deps.entropy.bytes(12)),
    credential_hint: apiKey === undefined ? null : checkedHint(place, apiKey),
    header_names: names.sort(),
  };
}

/** Whether a key that is kept fits a base URL that changes. One whose envelope does not open is not judged. */
export function checkKeptKey({ keyring }: { readonly keyring: Keyring }, place: CredentialPlace, sealed: string): void {
  let kept: Credentials;
  try {
    kept = JSON.parse(
      open(keyring, envelopeContext(place.organizationId, 'providers', place.providerId), sealed),
    ) as Credentials;
  } catch {
    return; // gateways say so
  }
  if (kept.apiKey !== undefined) checkedHint(place, kept.apiKey);
}

function checkedHint({ kind, baseUrl }: CredentialPlace, apiKey: string): string {
  const checked = checkApiKey(kind, baseUrl, apiKey);
  if (checked.kind === 'invalid') throw invalid([{ field: 'apiKey', message: checked.message }]);
  return checked.hint ?? hintOf(apiKey);
}

/** What is shown of a plain key: little, and nothing at all of a short one. */
export function hintOf(apiKey: string): string {
  return apiKey.length < 16 ? '…' : `${apiKey.slice(0, 3)}…${apiKey.slice(-4)}`;
}

const MAX_HEADERS = 32;
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
/** RFC 9110, section 7.6.1, and what the gateway itself must decide. */
const REFUSED = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'authorization', 'host', 'content-length', 'content-type', 'expect'],
]);

/** Checks the extra headers of a provider. Messages name headers, never values. */
export function checkHeaders(headers: Readonly<Record<string, string>>): Issue[] {
  const names = Object.keys(headers);
  if (names.length > MAX_HEADERS) return [{ field: 'headers', message: `has more than ${MAX_HEADERS} entries` }];
  const seen = new Set<string>();
  return names.flatMap((name) => {
    const lower = name.toLowerCase();
    const twice = seen.has(lower);
    seen.add(lower);
    const message = twice ? 'is listed twice' : headerFault(lower, headers[name] ?? '');
    return message === undefined ? [] : [{ field: `headers.${name}`, message }];
  });
}

function headerFault(name: string, value: string): string | undefined {
  if (!TOKEN.test(name)) return 'is no header name';
  if (name === 'authorization') return 'is made from apiKey; send the key there';
  if (REFUSED.has(name)) return 'is set by the gateway itself or belongs to one connection only';
  if (!/^[\t\x20-\x7e]{0,8192}$/.test(value))
    return 'has a value that is no printable ASCII of at most 8192 characters';
  return undefined;
}
