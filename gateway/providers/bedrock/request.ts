import { type BedrockCredentials, parseBedrockKey } from '#core/provider-credentials/bedrock.ts';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindEndpoint, bindHead } from '../../upstream/request-head.ts';
import { usable } from '../bind-target.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';
import { chatPath } from './paths.ts';
import { sign } from './signing.ts';

/** The names of the target's heads. */
export const HEADS = { plain: 'converse', stream: 'converse-stream' } as const;

const CONTENT_TYPE = { 'content-type': 'application/json' };

/**
 * Prepares calls to one model of the Bedrock Runtime; `baseUrl` is `https://bedrock-runtime.<region>.amazonaws.com` or an endpoint of one's own,
 * whose region the credentials say.
 * @throws TypeError for credentials that cannot be used
 */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const { provider, upstreamModel } = deployment;
  const base = new URL(provider.baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const own = credentials.apiKey === undefined ? null : usable(parseBedrockKey(credentials.apiKey, provider.baseUrl));
  const headers = new Map(Object.entries({ ...CONTENT_TYPE, 'user-agent': 'ringside' }));
  if (own?.kind === 'api-key') headers.set('authorization', `Bearer ${own.apiKey}`);
  for (const [name, value] of Object.entries(credentials.headers ?? {})) headers.set(name.toLowerCase(), value);
  headers.set('accept-encoding', 'identity');
  const paths = {
    [HEADS.plain]: `${prefix}${chatPath(upstreamModel, false)}`,
    [HEADS.stream]: `${prefix}${chatPath(upstreamModel, true)}`,
  };
  const head = (path: string) => bindHead(base.origin, path, [...headers].flat());
  return {
    kind: provider.kind,
    providerName: provider.name,
    upstreamModel,
    endpoint: bindEndpoint(base.origin, provider.timeouts.connectMs ?? defaults.connectMs),
    heads: { [HEADS.plain]: head(paths[HEADS.plain]), [HEADS.stream]: head(paths[HEADS.stream]) },
    ...(own?.kind === 'access-key' ? { sign: signer(base, own, paths) } : {}),
    modelJson: Buffer.from(JSON.stringify(upstreamModel)),
    model: { upstreamModel, defaultMaxTokens: deployment.maxOutputTokens },
    firstByteTimeoutMs: provider.timeouts.firstByteMs ?? defaults.firstByteMs,
    idleTimeoutMs: provider.timeouts.idleMs ?? defaults.idleMs,
    secrets: [...secretsOf(own), ...Object.values(credentials.headers ?? {})].filter((secret) => secret.length >= 6),
  };
}

/** Signs the headers that no proxy changes; those of the trace, which are the call's own, are not among them. */
function signer(
  base: URL,
  { key, region }: Extract<BedrockCredentials, { kind: 'access-key' }>,
  paths: Readonly<Record<string, string>>,
): NonNullable<UpstreamTarget['sign']> {
  return (headName, pieces, unixMs) => {
    const body = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    const call = { method: 'POST', host: base.host, path: paths[headName]!, headers: CONTENT_TYPE, body } as const;
    return Object.entries(sign(call, key, region, unixMs)).flat();
  };
}

/** The id of an access key is no secret, but nobody's business either. */
function secretsOf(own: BedrockCredentials | null): string[] {
  if (own === null) return [];
  if (own.kind === 'api-key') return [own.apiKey];
  const { accessKeyId, secretAccessKey, sessionToken } = own.key;
  return [accessKeyId, secretAccessKey, ...(sessionToken === null ? [] : [sessionToken])];
}
