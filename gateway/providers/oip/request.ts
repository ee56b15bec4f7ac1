import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { INFER } from '#gateway/wires/oip/wire.ts';
import { bindTarget } from '../bind-target.ts';
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
  return bindTarget(deployment, credentials, defaults, {
    paths: { [INFER]: inferPath(deployment.upstreamModel) },
    authorization: credentials.apiKey === undefined ? {} : { authorization: `Bearer ${credentials.apiKey}` },
  });
}
