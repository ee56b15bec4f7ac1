import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindTarget } from '../bind-target.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';
import { readEntraClient } from './entra-token.ts';

/** The version that is asked for where the base URL says none: the last one of the dated, stable ones. */
const DEFAULT_API_VERSION = '2024-10-21';

/**
 * Prepares calls to one deployment at Azure; the upstream's model name is the deployment's. The base URL is one of two:
 *
 *   https://<resource>.openai.azure.com/openai/v1                           the API without versions; the body names the deployment
 *   https://<resource>.openai.azure.com/openai?api-version=2024-10-21       the path names it; also without `/openai`
 *
 * The key goes as `api-key`. Where it is a client of Entra's (a JSON document), the call needs a token: see entra-token.ts.
 */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const { apiKey } = credentials;
  const client = apiKey === undefined ? null : readEntraClient(apiKey);
  return bindTarget(deployment, credentials, defaults, {
    paths: { chat: chatPath(new URL(deployment.provider.baseUrl), deployment.upstreamModel) },
    authorization: apiKey === undefined || client !== null ? {} : { 'api-key': apiKey },
    secrets: client === null ? [] : [client.clientSecret],
  });
}

/** Behind the base URL's own path. */
function chatPath({ pathname, searchParams }: URL, deployment: string): string {
  const version = searchParams.get('api-version');
  const path = pathname.replace(/\/+$/, '');
  if (path.endsWith('/v1')) return `/chat/completions${version === null ? '' : `?${query(version)}`}`;
  const openai = path.endsWith('/openai') ? '' : '/openai';
  return `${openai}/deployments/${encodeURIComponent(deployment)}/chat/completions?${query(version ?? DEFAULT_API_VERSION)}`;
}

function query(version: string): string {
  return new URLSearchParams({ 'api-version': version }).toString();
}
