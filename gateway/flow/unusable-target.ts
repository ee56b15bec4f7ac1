import { RingsideError } from '#core/errors.ts';

/** Why a target that cannot be called is not: the caller learns whose matter it is, and the gateway's log the reason. */
export function unusable(providerName: string): RingsideError {
  return new RingsideError(
    'upstream_error',
    `The provider "${providerName}" cannot be called as it is configured; its apiKey, baseUrl or definition has to be set again.`,
  );
}
