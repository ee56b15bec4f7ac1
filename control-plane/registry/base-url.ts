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
): { readonly baseUrl: string } | { readonly issue: Issue } {
  const refuse = (message: string) => ({ issue: { field, message } });
  if (text.length > 2_048) return refuse('is longer than 2048 characters');
  if (!URL.canParse(text)) return refuse('is no URL; send one like "https://api.openai.com/v1"');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refuse('must start with http:// or https://');
  if (url.username !== '' || url.password !== '')
    return refuse('must hold no credentials; send them as apiKey or headers');
  if (/[?#]/.test(text)) return refuse('must have no query and no fragment');
  const host = url.hostname.replace(/\.$/, '');
  if (!isAllowed(host, policy)) {
    return refuse(`points to the private address "${host}"; an operator can allow it in RINGSIDE_PRIVATE_UPSTREAMS`);
  }
  return { baseUrl: url.origin + url.pathname.replace(/\/+$/, '') };
}

function isAllowed(host: string, policy: AddressPolicy): boolean {
  if (policy.allowsHost(host)) return true;
  const address = literalAddress(host);
  if (address !== undefined) return policy.allowsAddress(address);
  // RFC 6761, section 6.3: these names always mean this machine.
  if (host === 'localhost' || host.endsWith('.localhost')) return policy.allowsAddress('127.0.0.1');
  return true;
}
