import { RingsideError } from '#core/errors.ts';

const VERSIONED = /^(.+)\/versions\/([^/]+)$/;

/**
 * Where a model infers: `/v2/models/{name}/infer`, with its version if it has one. A deployment may pin a version in its model's name
 * (`resnet/versions/3`); the caller's goes on where it does not.
 * @throws unsupported_parameter for a version beside a pinned one
 */
export function inferPath(upstreamModel: string, callersVersion: string | null): string {
  return `${modelPath(upstreamModel, callersVersion)}/infer`;
}

/** The same for metadata; `/ready` behind it asks whether the model is loaded. */
export function modelPath(upstreamModel: string, callersVersion: string | null): string {
  const pinned = VERSIONED.exec(upstreamModel);
  if (pinned !== null && callersVersion !== null && callersVersion !== pinned[2]) {
    throw new RingsideError('unsupported_parameter', 'The version of this model is pinned; leave it out of the path.', {
      param: 'version',
    });
  }
  const name = pinned?.[1] ?? upstreamModel;
  const version = pinned?.[2] ?? callersVersion;
  const suffix = version === null ? '' : `/versions/${encodeURIComponent(version)}`;
  return `/v2/models/${encodeURIComponent(name)}${suffix}`;
}
