import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindTarget } from '../bind-target.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';

/** Prepares calls to one deployment of Cohere's; `baseUrl` is the bare origin (`https://api.cohere.com`), as its SDKs have it. */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const { apiKey } = credentials;
  return bindTarget(deployment, credentials, defaults, {
    paths: { chat: '/v2/chat', embed: '/v2/embed' },
    authorization: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
  });
}
