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

/** The only version of the API that there has been since 2023; what is newer is chosen by `anthropic-beta`. */
const VERSION = '2023-06-01';

/** Prepares calls to one deployment of Anthropic or a server that speaks its API; `baseUrl` ends in the version (`…/v1`). */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const { provider, upstreamModel } = deployment;
  const base = new URL(provider.baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const headers = new Map(
    Object.entries({ 'content-type': 'application/json', 'user-agent': 'ringside', 'anthropic-version': VERSION }),
  );
  if (credentials.apiKey !== undefined) headers.set('x-api-key', credentials.apiKey);
  for (const [name, value] of Object.entries(credentials.headers ?? {})) headers.set(name.toLowerCase(), value);
  // Answers must be readable on their way through.
  headers.set('accept-encoding', 'identity');
  const fixed = [...headers].flat();
  const head = (path: string) => bindHead(base.origin, `${prefix}${path}`, fixed);
  return {
    kind: provider.kind,
    providerName: provider.name,
    upstreamModel,
    endpoint: bindEndpoint(base.origin, provider.timeouts.connectMs ?? defaults.connectMs),
    heads: { chat: head('/messages'), 'count-tokens': head('/messages/count_tokens') },
    modelJson: Buffer.from(JSON.stringify(upstreamModel)),
    model: { upstreamModel, defaultMaxTokens: deployment.maxOutputTokens },
    firstByteTimeoutMs: provider.timeouts.firstByteMs ?? defaults.firstByteMs,
    idleTimeoutMs: provider.timeouts.idleMs ?? defaults.idleMs,
    secrets: [credentials.apiKey, ...Object.values(credentials.headers ?? {})].filter(
      (secret): secret is string => secret !== undefined && secret.length >= 6,
    ),
  };
}
