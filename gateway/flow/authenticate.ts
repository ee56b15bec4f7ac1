import { API_KEY_PREFIX, digestSecret } from '#core/credentials.ts';
import { RingsideError } from '#core/errors.ts';
import type { KeyHit, KeyTableReader } from '../snapshot/key-table.ts';
import type { Authenticator } from './ports.ts';

/**
 * Keys seen lately, so that a request pays a look-up and not an HMAC. Only valid ones in one spelling of the header, so that there
 * is at most an entry for each key there is or was: a header of 54 characters and the key's record. This bounds it for very many keys: when
 * one generation is full the one before it goes, so that at most 131 072 entries are kept.
 */
const MAX_GENERATION = 65_536;
/** What clients send. Any other case, or more spaces, is as valid and pays the HMAC each time. */
const REMEMBERED_SCHEME = 'Bearer ';

/** Authenticates `Authorization: Bearer rsk_…` against the shared key table. */
export function createAuthenticator(
  keys: () => KeyTableReader,
  pepper: Uint8Array,
  unixMs: () => number,
): Authenticator {
  let table = keys();
  let young = new Map<string, KeyHit>();
  let old = new Map<string, KeyHit>();

  /** Hits are places in the table they were found in; another one replaces it when it is full. */
  const turnTo = (next: KeyTableReader) => {
    table = next;
    young = new Map();
    old = new Map();
  };

  const remember = (authorization: string, hit: KeyHit) => {
    if (young.size >= MAX_GENERATION) {
      old = young;
      young = new Map();
    }
    young.set(authorization, hit);
  };

  const revive = (authorization: string): KeyHit | undefined => {
    const hit = old.get(authorization);
    if (hit === undefined) return undefined;
    old.delete(authorization);
    remember(authorization, hit);
    return hit;
  };

  const lookUp = (authorization: string): KeyHit => {
    if (!/^Bearer +\S+$/i.test(authorization)) {
      throw new RingsideError('unauthorized', 'The Authorization header must read "Bearer" and a Ringside API key.');
    }
    const secret = authorization.slice(authorization.lastIndexOf(' ') + 1);
    const hit = table.find(digestSecret(pepper, secret));
    if (hit !== undefined) {
      if (authorization === REMEMBERED_SCHEME + secret) remember(authorization, hit);
      return hit;
    }
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
      const current = keys();
      if (current !== table) turnTo(current);
      let hit = young.get(authorization) ?? revive(authorization);
      if (hit === undefined || !table.stillHolds(hit)) {
        young.delete(authorization);
        hit = lookUp(authorization);
      }
      const { expiresAt } = hit.record;
      if (expiresAt !== null && expiresAt <= unixMs())
        throw new RingsideError('unauthorized', 'This API key has expired.');
      return hit.record;
    },
  };
}
