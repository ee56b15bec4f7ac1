import { type BedrockCredentials, parseBedrockKey } from '#core/provider-credentials/bedrock.ts';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindTarget, usable } from '../bind-target.ts';
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
  const paths = {
    [HEADS.plain]: chatPath(upstreamModel, false),
    [HEADS.stream]: chatPath(upstreamModel, true),
  };
  const target = bindTarget(deployment, credentials, defaults, {
    paths,
    authorization: own?.kind === 'api-key' ? { authorization: `Bearer ${own.apiKey}` } : {},
    secrets: secretsOf(own),
  });
  return own?.kind === 'access-key' ? { ...target, sign: signer(base.host, prefix, own, paths) } : target;
}

/** Signs the headers that no proxy changes; those of the trace, which are the call's own, are not among them. */
function signer(
  host: string,
  prefix: string,
  { key, region }: Extract<BedrockCredentials, { kind: 'access-key' }>,
  paths: Readonly<Record<string, string>>,
): NonNullable<UpstreamTarget['sign']> {
  return (headName, pieces, unixMs) => {
    const body = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    const call = { method: 'POST', host, path: prefix + paths[headName]!, headers: CONTENT_TYPE, body } as const;
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
