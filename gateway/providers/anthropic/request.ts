import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindTarget } from '../bind-target.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';

/**
 * Keys by which Anthropic (`fallbacks`, `mcp_servers`) or a router that speaks its API (OpenRouter: models, provider, route, plugins,
 * preset; LiteLLM: api_base, base_url, api_key) chooses another model, endpoint or credential on its own.
 */
export const REFUSED_KEYS = [
  'fallbacks',
  'mcp_servers',
  'models',
  'provider',
  'route',
  'plugins',
  'preset',
  'api_base',
  'base_url',
  'api_key',
] as const;

/**
 * The API's version for chats that are translated: the last one in which a temperature can be said at all. A caller that speaks this
 * API chooses its version itself, because it means something else by version (2026-10-21 refuses what 2023-06-01 takes).
 */
const TRANSLATED_VERSION = '2023-06-01';
export const VERSION_HEADER = 'anthropic-version';

/** Prepares calls to one deployment of Anthropic or a server that speaks its API; `baseUrl` ends in the version (`…/v1`). */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const { apiKey } = credentials;
  return bindTarget(deployment, credentials, defaults, {
    // Natively the caller's own version is passed on.
    paths: {
      chat: { path: '/messages', omits: [VERSION_HEADER] },
      'count-tokens': { path: '/messages/count_tokens', omits: [VERSION_HEADER] },
      translated: '/messages',
    },
    authorization: { ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }), [VERSION_HEADER]: TRANSLATED_VERSION },
  });
}
