import { parseAzureKey } from '#core/provider-credentials/azure-openai.ts';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindGrant } from '../../upstream/token-grant.ts';
import { bindTarget, sessionPathOf, type TargetSpec, usable } from '../bind-target.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';
import { tokenRequestBody, tokenUrl } from './entra-client.ts';

/** The version that is asked for where the base URL says none: the last one of the dated, stable ones. */
const DEFAULT_API_VERSION = '2024-10-21';

/**
 * Prepares calls to one deployment at Azure; the upstream's model name is the deployment's. The base URL is one of two:
 *
 *   https://<resource>.openai.azure.com/openai/v1                           the API without versions; the body names the deployment
 *   https://<resource>.openai.azure.com/openai?api-version=2024-10-21       the path names it; also without `/openai`
 *
 * The key goes as `api-key`; where it is a client of Entra's (a JSON document), calls carry tokens instead.
 * @throws TypeError for credentials that cannot be used
 */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const base = new URL(deployment.provider.baseUrl);
  const access = accessOf(deployment, credentials.apiKey, defaults);
  return bindTarget(deployment, credentials, defaults, {
    paths: pathsOf(base, deployment.upstreamModel),
    // A session has no place for a token that is renewed.
    ...(access.access === undefined ? sessionOf(base, deployment.upstreamModel) : {}),
    ...access,
  });
}

function accessOf(
  { provider }: CompiledDeployment,
  apiKey: string | undefined,
  defaults: DefaultTimeouts,
): Omit<TargetSpec, 'paths'> {
  if (apiKey === undefined) return { authorization: {} };
  const own = usable(parseAzureKey(apiKey));
  if (own.kind === 'api-key') return { authorization: { 'api-key': own.apiKey } };
  const { client } = own;
  const grant = bindGrant(provider, defaults, tokenUrl(client), () => tokenRequestBody(client));
  return { authorization: {}, access: { kind: 'token', grant }, secrets: [client.clientSecret] };
}

/** The endpoints by operation, behind the base URL's own path. */
function pathsOf({ pathname, searchParams }: URL, deployment: string): Readonly<Record<string, string>> {
  const version = searchParams.get('api-version');
  const path = pathname.replace(/\/+$/, '');
  const [prefix, query] = path.endsWith('/v1')
    ? ['', version === null ? '' : `?${queryOf(version)}`]
    : [
        `${path.endsWith('/openai') ? '' : '/openai'}/deployments/${encodeURIComponent(deployment)}`,
        `?${queryOf(version ?? DEFAULT_API_VERSION)}`,
      ];
  return {
    chat: `${prefix}/chat/completions${query}`,
    completions: `${prefix}/completions${query}`,
    embeddings: `${prefix}/embeddings${query}`,
  };
}

/** Sessions are part of the API without versions (Azure's reference, Realtime API, read 2026-11). */
function sessionOf({ pathname }: URL, deployment: string): { readonly sessionPath?: string } {
  return /\/v1\/*$/.test(pathname) ? { sessionPath: sessionPathOf(deployment) } : {};
}

function queryOf(version: string): string {
  return new URLSearchParams({ 'api-version': version }).toString();
}
