import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { INFER } from '#gateway/wires/oip/wire.ts';
import { bindEndpoint, bindHead } from '../../upstream/request-head.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';

const VERSIONED = /^(.+)\/versions\/([^/]+)$/;

/** Where a model infers. A deployment pins a version in its model's name: `resnet/versions/3`; without one the server chooses. */
export function inferPath(upstreamModel: string): string {
  const pinned = VERSIONED.exec(upstreamModel);
  const name = encodeURIComponent(pinned?.[1] ?? upstreamModel);
  const version = pinned === null ? '' : `/versions/${encodeURIComponent(pinned[2]!)}`;
  return `/v2/models/${name}${version}/infer`;
}

/** Prepares calls to one model of a server of the Open Inference Protocol; `baseUrl` ends before `/v2`. */
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
  headers.set('accept-encoding', 'identity');
  return {
    kind: provider.kind,
    providerName: provider.name,
    upstreamModel,
    endpoint: bindEndpoint(base.origin, provider.timeouts.connectMs ?? defaults.connectMs),
    heads: { [INFER]: bindHead(base.origin, `${prefix}${inferPath(upstreamModel)}`, [...headers].flat()) },
    modelJson: Buffer.from(JSON.stringify(upstreamModel)),
    model: { upstreamModel, defaultMaxTokens: deployment.maxOutputTokens },
    firstByteTimeoutMs: provider.timeouts.firstByteMs ?? defaults.firstByteMs,
    idleTimeoutMs: provider.timeouts.idleMs ?? defaults.idleMs,
    secrets: [credentials.apiKey, ...Object.values(credentials.headers ?? {})].filter(
      (secret): secret is string => secret !== undefined && secret.length >= 6,
    ),
  };
}
