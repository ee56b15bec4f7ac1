import { sql } from 'kysely';
import type { Tx } from './pool.ts';

const KEPT_HOURS = 24;
const PURGED_AT_ONCE = 100;

export interface StoredAnswer {
  /** SHA-256 of the request that was answered. */
  readonly fingerprint: Buffer;
  readonly status: number;
  /** An envelope; its context names table `idempotency_keys` and the key. */
  readonly answer: string;
}

/**
 * Takes a key for this transaction and gives the answer that it has already, if any younger than 24 hours. A second caller
 * with the key waits here until the first has committed, and then finds its answer.
 */
export async function takeIdempotencyKey(
  tx: Tx,
  organizationId: string,
  key: string,
): Promise<StoredAnswer | undefined> {
  const lock = `idempotency/${organizationId}/${key}`;
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${lock}, 0))`.execute(tx);
  return tx
    .selectFrom('idempotency_keys')
    .select(['fingerprint', 'status', 'answer'])
    .where('organization_id', '=', organizationId)
    .where('key', '=', key)
    .where('created_at', '>', sql<Date>`now() - make_interval(hours => ${KEPT_HOURS})`)
    .executeTakeFirst();
}

/** Stores the answer of a key that this transaction has taken, and removes some of what has expired. */
export async function storeAnswer(tx: Tx, organizationId: string, key: string, stored: StoredAnswer): Promise<void> {
  const row = { organization_id: organizationId, key, ...stored };
  await tx
    .insertInto('idempotency_keys')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['organization_id', 'key']).doUpdateSet({ ...stored, created_at: sql`now()` }),
    )
    .execute();
  // Rows that another transaction is removing or renewing at this moment are left to it.
  await sql`DELETE FROM idempotency_keys WHERE (organization_id, key) IN (
    SELECT organization_id, key FROM idempotency_keys
    WHERE organization_id = ${organizationId} AND created_at <= now() - make_interval(hours => ${KEPT_HOURS})
    LIMIT ${PURGED_AT_ONCE} FOR UPDATE SKIP LOCKED)`.execute(tx);
}
