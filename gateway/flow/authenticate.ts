import { API_KEY_PREFIX, digestSecret } from '#core/credentials.ts';
import { RingsideError } from '#core/errors.ts';
import type { KeyHit, KeyTableReader } from '../snapshot/key-table.ts';
import type { Authenticator } from './ports.ts';

/**
 * Keys seen lately, so that a request pays a look-up and not an HMAC. Only valid ones, so it is bounded by the keys there are;
 * this bounds what different spellings of the header add. When one generation is full the one before it goes.
 */
const MAX_GENERATION = 65_536;

interface CachedKey {
  readonly table: KeyTableReader;
  readonly hit: KeyHit;
}

/** Authenticates `Authorization: Bearer rsk_…` against the shared key table. */
export function createAuthenticator(
  keys: () => KeyTableReader,
  pepper: Uint8Array,
  unixMs: () => number,
): Authenticator {
  let young = new Map<string, CachedKey>();
  let old = new Map<string, CachedKey>();

  const remember = (authorization: string, cached: CachedKey) => {
    if (young.size >= MAX_GENERATION) {
      old = young;
      young = new Map();
    }
    young.set(authorization, cached);
  };

  const revive = (authorization: string): CachedKey | undefined => {
    const cached = old.get(authorization);
    if (cached === undefined) return undefined;
    old.delete(authorization);
    remember(authorization, cached);
    return cached;
  };

  const lookUp = (table: KeyTableReader, authorization: string): KeyHit => {
    if (!/^Bearer +\S+$/i.test(authorization)) {
      throw new RingsideError('unauthorized', 'The Authorization header must read "Bearer" and a Ringside API key.');
    }
    const secret = authorization.slice(authorization.lastIndexOf(' ') + 1);
    const hit = table.find(digestSecret(pepper, secret));
    if (hit !== undefined) return hit;
    // A key that does not look like ours cannot become valid by waiting for the control plane.
    if (!table.isCurrent() && secret.startsWith(API_KEY_PREFIX)) {
      throw new RingsideError(
        'config_unavailable',
        'This API key is not known yet and the key table is out of date; try again.',
        {
          retryAfterSeconds: 1,
        },
      );
    }
    throw new RingsideError(
      'unauthorized',
      'This API key is not valid. Check it, or create one with POST /api/v1/keys.',
    );
  };

  return {
    // hot
    authenticate(authorization) {
      if (authorization === undefined) {
        throw new RingsideError('unauthorized', 'No API key: send "Authorization: Bearer" and a Ringside API key.');
      }
      const table = keys();
      let cached = young.get(authorization) ?? revive(authorization);
      if (cached === undefined || cached.table !== table || !table.stillHolds(cached.hit)) {
        young.delete(authorization);
        cached = { table, hit: lookUp(table, authorization) };
        remember(authorization, cached);
      }
      const { hit } = cached;
      const { expiresAt } = hit.record;
      if (expiresAt !== null && expiresAt <= unixMs())
        throw new RingsideError('unauthorized', 'This API key has expired.');
      return hit.record;
    },
  };
}
