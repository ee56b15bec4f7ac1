import type { ProviderKind } from '#core/names.ts';
import { regionOf } from '#core/provider-credentials/bedrock.ts';
import { type AddressPolicy, literalAddress } from '#core/upstream-address.ts';
import type { Issue } from '../problem.ts';

/**
 * Checks a provider's base URL and gives it in its one spelling: no trailing slash, host in lower case, IP addresses in
 * their usual form. Names are resolved, and their addresses checked, by the gateway at each connect; here only what the
 * URL itself says is refused. Plain http to a public host is allowed: the documentation warns of it.
 */
export function normaliseBaseUrl(
  text: string,
  policy: AddressPolicy,
  field = 'baseUrl',
  kind: ProviderKind = 'openai',
): { readonly baseUrl: string } | { readonly issue: Issue } {
  const refuse = (message: string) => ({ issue: { field, message } });
  if (text.length > 2_048) return refuse('is longer than 2048 characters');
  if (!URL.canParse(text)) return refuse('is no URL; send one like "https://api.openai.com/v1"');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refuse('must start with http:// or https://');
  if (url.username !== '' || url.password !== '')
    return refuse('must hold no credentials; send them as apiKey or headers');
  const query = kind === 'azure-openai' ? AZURE_QUERY.exec(url.search)?.[0] : undefined;
  if (/[?#]/.test(query === undefined ? text : url.hash)) {
    const one = kind === 'azure-openai' ? ' but for "?api-version=…"' : '';
    return refuse(`must have no query and no fragment${one}`);
  }
  const host = url.hostname.replace(/\.$/, '');
  if (!isAllowedHost(host, policy)) {
    return refuse(`points to the private address "${host}"; an operator can allow it in RINGSIDE_PRIVATE_UPSTREAMS`);
  }
  const path = url.pathname.replace(/\/+$/, '');
  const fault = FORM_FAULTS[kind]?.(host, path);
  return fault === undefined ? { baseUrl: url.origin + path + (query ?? '') } : refuse(fault);
}

/** Azure's dated API wants to be told its version: `2024-10-21`, `2025-04-01-preview`. */
const AZURE_QUERY = /^\?api-version=[A-Za-z0-9.-]{1,64}$/;
const GEMINI_PATH = /\/v\d+(?:alpha|beta)?\d*$/;
const VERTEX_PATH = /\/v\d+(?:beta\d*)?(?:\/projects\/[^/]+\/locations\/[^/]+)?\/publishers\/google$/;

/** What a base URL of a kind must look like, where another form is a mistake that shows with the first call only. */
const FORM_FAULTS: Readonly<Partial<Record<ProviderKind, (host: string, path: string) => string | undefined>>> = {
  google: (_, path) =>
    GEMINI_PATH.test(path) || VERTEX_PATH.test(path)
      ? undefined
      : 'must end in the version of the Gemini API ("https://generativelanguage.googleapis.com/v1beta"), or for Vertex AI in ' +
        '"/v1/projects/<project>/locations/<location>/publishers/google"',
  'azure-openai': (_, path) =>
    /\/(?:deployments|chat|completions|embeddings|responses)(?:\/|$)/.test(path)
      ? 'must end before the deployment: "https://<resource>.openai.azure.com", or "…/openai/v1"'
      : undefined,
  bedrock: (host) =>
    /\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$/.test(host) && regionOf(host) === null
      ? 'is no endpoint of the Bedrock Runtime: "https://bedrock-runtime.<region>.amazonaws.com"'
      : undefined,
};

/** Whether the host of a URL is allowed as far as the URL tells: a name that resolves to a private address is refused at the connect. */
export function isAllowedHost(host: string, policy: AddressPolicy): boolean {
  if (policy.allowsHost(host)) return true;
  const address = literalAddress(host);
  if (address !== undefined) return policy.allowsAddress(address);
  // RFC 6761, section 6.3: these names always mean this machine.
  if (host === 'localhost' || host.endsWith('.localhost')) return policy.allowsAddress('127.0.0.1');
  return true;
}
