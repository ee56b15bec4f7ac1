import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindTarget } from '../bind-target.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';

/** Prepares calls to one deployment of Mistral's; `baseUrl` ends in the version (`https://api.mistral.ai/v1`). */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const { apiKey } = credentials;
  return bindTarget(deployment, credentials, defaults, {
    paths: { chat: '/chat/completions', embeddings: '/embeddings' },
    authorization: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
  });
}
