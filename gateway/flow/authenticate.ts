import { API_KEY_PREFIX, digestSecret } from '#core/credentials.ts';
import { RingsideError } from '#core/errors.ts';
import type { KeyHit, KeyTableReader } from '../snapshot/key-table.ts';
import type { Authenticator } from './ports.ts';

/** Keys seen lately, so that a request pays a look-up and not an HMAC. */
const MAX_CACHED = 4_096;

/** Authenticates `Authorization: Bearer rsk_…` against the shared key table. */
export function createAuthenticator(
  keys: () => KeyTableReader,
  pepper: Uint8Array,
  unixMs: () => number,
): Authenticator {
  const cache = new Map<string, { readonly table: KeyTableReader; readonly hit: KeyHit }>();

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
      const cached = cache.get(authorization);
      let hit: KeyHit;
      if (cached !== undefined && cached.table === table && table.stillHolds(cached.hit)) hit = cached.hit;
      else {
        cache.delete(authorization);
        hit = lookUp(table, authorization);
        if (cache.size >= MAX_CACHED) cache.clear();
        cache.set(authorization, { table, hit });
      }
      const { expiresAt } = hit.record;
      if (expiresAt !== null && expiresAt <= unixMs())
        throw new RingsideError('unauthorized', 'This API key has expired.');
      return hit.record;
    },
  };
}
