import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindEndpoint, bindHead } from '../../upstream/request-head.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';
import { resourceName } from './model-names.ts';

/** Keys of `generationConfig` by which Vertex AI chooses another model by itself (its reference of GenerationConfig, read 2026-11). */
export const REFUSED_KEYS = [
  'routingConfig',
  'routing_config',
  'modelSelectionConfig',
  'model_selection_config',
] as const;

/** Vertex AI has other ways to embed. */
const GEMINI_API_ONLY = ['embedContent', 'batchEmbedContents'] as const;
const METHODS = ['generateContent', 'countTokens', ...GEMINI_API_ONLY] as const;

/**
 * Prepares calls to one model of the Gemini API (`baseUrl` ends in the version: `…/v1beta`) or of Vertex AI (`…/publishers/google`). The
 * credential is an API key, an access token, or a service account's key file, whose tokens `sign` has to bring.
 */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const { provider, upstreamModel } = deployment;
  const base = new URL(provider.baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const isVertex = prefix.endsWith('/publishers/google');
  const headers = new Map(Object.entries({ 'content-type': 'application/json', 'user-agent': 'ringside' }));
  const [name, value] = keyHeader(credentials.apiKey);
  if (name !== null) headers.set(name, value);
  for (const [header, text] of Object.entries(credentials.headers ?? {})) headers.set(header.toLowerCase(), text);
  // Answers must be readable on their way through.
  headers.set('accept-encoding', 'identity');
  const fixed = [...headers].flat();
  const resource = resourceName(upstreamModel).split('/').map(encodeURIComponent).join('/');
  const head = (method: string) => bindHead(base.origin, `${prefix}/${resource}:${method}`, fixed);
  const methods = METHODS.filter((method) => !isVertex || !GEMINI_API_ONLY.some((name) => name === method));
  return {
    kind: provider.kind,
    providerName: provider.name,
    upstreamModel,
    endpoint: bindEndpoint(base.origin, provider.timeouts.connectMs ?? defaults.connectMs),
    heads: {
      ...Object.fromEntries(methods.map((method) => [method, head(method)])),
      streamEvents: head('streamGenerateContent?alt=sse'),
      streamArray: head('streamGenerateContent'),
    },
    modelJson: Buffer.from(JSON.stringify(resourceName(upstreamModel))),
    model: { upstreamModel, defaultMaxTokens: deployment.maxOutputTokens },
    firstByteTimeoutMs: provider.timeouts.firstByteMs ?? defaults.firstByteMs,
    idleTimeoutMs: provider.timeouts.idleMs ?? defaults.idleMs,
    secrets: [credentials.apiKey, ...Object.values(credentials.headers ?? {})].filter(
      (secret): secret is string => secret !== undefined && secret.length >= 6,
    ),
  };
}

/** A key file is no header; access tokens of Google's begin alike. */
function keyHeader(apiKey: string | undefined): readonly [name: string, value: string] | readonly [null, null] {
  if (apiKey === undefined || apiKey.trimStart().startsWith('{')) return [null, null];
  return apiKey.startsWith('ya29.') ? ['authorization', `Bearer ${apiKey}`] : ['x-goog-api-key', apiKey];
}
