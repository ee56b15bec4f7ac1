import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindTarget } from '../bind-target.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';

/**
 * Prepares calls to one deployment; `baseUrl` ends in the version: `https://router.huggingface.co/v1`, a dedicated endpoint's or an own
 * server's (then the upstream's model name is `tgi`, and the key may be missing).
 */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const { apiKey } = credentials;
  return bindTarget(deployment, credentials, defaults, {
    paths: { chat: '/chat/completions' },
    authorization: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
  });
}
