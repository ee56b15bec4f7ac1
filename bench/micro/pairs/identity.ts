import { createHmac, randomBytes, randomUUID, randomUUIDv7 } from 'node:crypto';
import { API_KEY_PREFIX, digestSecret, formatSecret } from '#core/credentials.ts';
import { createInferenceId, createRandomPool } from '#core/ids.ts';
import { bucketOf } from '#core/split/bucket.ts';
import { sipKeyFromHex } from '#core/split/siphash.ts';
import { createAuthenticator } from '#gateway/flow/authenticate.ts';
import { createKeyTable, readKeyTable } from '#gateway/snapshot/key-table.ts';
import type { Pair } from '../pair.ts';

const UUID = '01a1fc19-2d2c-769c-8186-437e8843b9d0';
const NOW_MS = 1_800_000_000_000;

/** Who asks, which bucket, and under which id. */
export function identityPairs(): Pair[] {
  const salt = '000102030405060708090a0b0c0d0e0f';
  const sipKey = sipKeyFromHex(salt);
  const pool = createRandomPool();
  const id = { name: 'inference id', ours: () => createInferenceId(NOW_MS, 1234, pool) };
  return [
    {
      name: 'bucket of a 36-byte unit',
      ours: () => bucketOf(sipKey, 1, UUID),
      naive: () => createHmac('sha256', salt).update(`1\0${UUID}`).digest().readUInt32BE(0),
      naiveName: 'HMAC-SHA-256',
    },
    { ...id, naive: () => randomUUID(), naiveName: 'randomUUID (v4)' },
    { ...id, naive: () => randomUUIDv7(), naiveName: 'randomUUIDv7' },
    keyPair(),
  ];
}

function keyPair(): Pair {
  const pepper = randomBytes(32);
  const secret = formatSecret(API_KEY_PREFIX, randomBytes(32));
  const digest = digestSecret(pepper, secret);
  const record = { id: UUID, organizationId: UUID, groupIds: null, defaultUnit: null, expiresAt: null };
  const table = readKeyTable(createKeyTable([{ ...record, digest, deleted: false }]).buffers);
  const authenticator = createAuthenticator(
    () => table,
    pepper,
    () => NOW_MS,
  );
  const authorization = `Bearer ${secret}`;
  return {
    name: 'key authentication, seen lately',
    ours: () => authenticator.authenticate(authorization),
    naive: () => table.find(digestSecret(pepper, authorization.slice('Bearer '.length))),
    naiveName: 'HMAC and look-up',
  };
}
