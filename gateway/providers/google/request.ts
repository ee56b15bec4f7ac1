import {
  GOOGLE_TOKEN_URL,
  type GoogleCredentials,
  isVertexPath,
  parseGoogleKey,
} from '#core/provider-credentials/google.ts';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindGrant } from '../../upstream/token-grant.ts';
import { bindTarget, usable } from '../bind-target.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';
import { resourceName } from './model-names.ts';
import { tokenRequestBody } from './service-account.ts';

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
 * credential is an API key, an access token, or a service account's key file, by which calls carry tokens.
 * @throws TypeError for credentials that cannot be used
 */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const { provider, upstreamModel } = deployment;
  const isVertex = isVertexPath(new URL(provider.baseUrl).pathname);
  const own = credentials.apiKey === undefined ? null : usable(parseGoogleKey(credentials.apiKey, provider.baseUrl));
  const resource = resourceName(upstreamModel).split('/').map(encodeURIComponent).join('/');
  const pathOf = (method: string) => `/${resource}:${method}`;
  const methods = METHODS.filter((method) => !isVertex || !GEMINI_API_ONLY.some((name) => name === method));
  return bindTarget(deployment, credentials, defaults, {
    paths: {
      ...Object.fromEntries(methods.map((method) => [method, pathOf(method)])),
      streamEvents: pathOf('streamGenerateContent?alt=sse'),
      streamArray: pathOf('streamGenerateContent'),
    },
    modelName: resourceName(upstreamModel),
    authorization: authorizationOf(own),
    secrets: secretsOf(own),
    ...(own?.kind === 'service-account' ? { access: tokenAccess(provider, own, defaults) } : {}),
  });
}

function authorizationOf(own: GoogleCredentials | null): Record<string, string> {
  if (own?.kind === 'api-key') return { 'x-goog-api-key': own.apiKey };
  return own?.kind === 'access-token' ? { authorization: `Bearer ${own.token}` } : {};
}

function tokenAccess(
  provider: CompiledDeployment['provider'],
  { account }: Extract<GoogleCredentials, { kind: 'service-account' }>,
  defaults: DefaultTimeouts,
): NonNullable<UpstreamTarget['access']> {
  const writeBody = (unixMs: number) => tokenRequestBody(account, unixMs);
  return { kind: 'token', grant: bindGrant(provider, defaults, GOOGLE_TOKEN_URL, writeBody) };
}

function secretsOf(own: GoogleCredentials | null): string[] {
  switch (own?.kind) {
    case undefined:
      return [];
    case 'api-key':
      return [own.apiKey];
    case 'access-token':
      return [own.token];
    case 'service-account':
      return [own.account.privateKeyPem];
    default:
      return own satisfies never;
  }
}
