import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindEndpoint, bindHead } from '../../upstream/request-head.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';

/** Prepares calls to one deployment of OpenAI or a compatible server; `baseUrl` ends in the version (`…/v1`). */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const { provider, upstreamModel } = deployment;
  const base = new URL(provider.baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const headers = new Map(Object.entries({ 'content-type': 'application/json', 'user-agent': 'ringside' }));
  if (credentials.apiKey !== undefined) headers.set('authorization', `Bearer ${credentials.apiKey}`);
  for (const [name, value] of Object.entries(credentials.headers ?? {})) headers.set(name.toLowerCase(), value);
  // Answers must be readable on their way through.
  headers.set('accept-encoding', 'identity');
  const fixed = [...headers].flat();
  const head = (path: string) => bindHead(base.origin, `${prefix}${path}`, fixed);
  // A form's media type has its boundary: the call appends it.
  const unnamed = [...headers].filter(([name]) => name !== 'content-type').flat();
  const formHead = (path: string) => bindHead(base.origin, `${prefix}${path}`, unnamed);
  return {
    kind: provider.kind,
    providerName: provider.name,
    upstreamModel,
    endpoint: bindEndpoint(base.origin, provider.timeouts.connectMs ?? defaults.connectMs),
    heads: {
      chat: head('/chat/completions'),
      completions: head('/completions'),
      embeddings: head('/embeddings'),
      moderations: head('/moderations'),
      rerank: head('/rerank'),
      'image-generations': head('/images/generations'),
      'image-edits': formHead('/images/edits'),
      'image-variations': formHead('/images/variations'),
      speech: head('/audio/speech'),
      transcriptions: formHead('/audio/transcriptions'),
      translations: formHead('/audio/translations'),
      responses: head('/responses'),
    },
    modelJson: Buffer.from(JSON.stringify(upstreamModel)),
    model: { upstreamModel, defaultMaxTokens: deployment.maxOutputTokens, host: base.hostname },
    firstByteTimeoutMs: provider.timeouts.firstByteMs ?? defaults.firstByteMs,
    idleTimeoutMs: provider.timeouts.idleMs ?? defaults.idleMs,
    secrets: [credentials.apiKey, ...Object.values(credentials.headers ?? {})].filter(
      (secret): secret is string => secret !== undefined && secret.length >= 6,
    ),
  };
}
