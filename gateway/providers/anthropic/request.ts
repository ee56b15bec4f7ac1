import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindEndpoint, bindHead } from '../../upstream/request-head.ts';
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
  const { provider, upstreamModel } = deployment;
  const base = new URL(provider.baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const headers = new Map(Object.entries({ 'content-type': 'application/json', 'user-agent': 'ringside' }));
  if (credentials.apiKey !== undefined) headers.set('x-api-key', credentials.apiKey);
  for (const [name, value] of Object.entries(credentials.headers ?? {})) headers.set(name.toLowerCase(), value);
  // Answers must be readable on their way through.
  headers.set('accept-encoding', 'identity');
  const version = headers.get(VERSION_HEADER) ?? TRANSLATED_VERSION;
  headers.delete(VERSION_HEADER);
  const fixed = [...headers].flat();
  const head = (path: string, ...more: string[]) => bindHead(base.origin, `${prefix}${path}`, [...fixed, ...more]);
  return {
    kind: provider.kind,
    providerName: provider.name,
    upstreamModel,
    endpoint: bindEndpoint(base.origin, provider.timeouts.connectMs ?? defaults.connectMs),
    heads: {
      chat: head('/messages'),
      'count-tokens': head('/messages/count_tokens'),
      translated: head('/messages', VERSION_HEADER, version),
    },
    modelJson: Buffer.from(JSON.stringify(upstreamModel)),
    model: { upstreamModel, defaultMaxTokens: deployment.maxOutputTokens },
    firstByteTimeoutMs: provider.timeouts.firstByteMs ?? defaults.firstByteMs,
    idleTimeoutMs: provider.timeouts.idleMs ?? defaults.idleMs,
    secrets: [credentials.apiKey, ...Object.values(credentials.headers ?? {})].filter(
      (secret): secret is string => secret !== undefined && secret.length >= 6,
    ),
  };
}
