import { sql } from 'kysely';
import { isTooSlow } from './failures.ts';
import type { Tx } from './pool.ts';
import { closeReading, openReading, type Reading } from './reading.ts';

/**
 * Does work that may take too long, after which the transaction goes on.
 * @param limitMs counted from the beginning of the transaction
 * @returns undefined where it took longer; then nothing of it is done
 */
export async function attemptWithin<Result extends object>(
  tx: Tx,
  limitMs: number,
  work: (reading: Reading) => Promise<Result>,
): Promise<Result | undefined> {
  await sql`SAVEPOINT attempt`.execute(tx);
  try {
    const result = await work(openReading(tx, limitMs));
    await closeReading(tx);
    await sql`RELEASE SAVEPOINT attempt`.execute(tx);
    return result;
  } catch (error) {
    if (!isTooSlow(error)) throw error;
    // The bound was set within it and goes with it.
    await sql`ROLLBACK TO SAVEPOINT attempt`.execute(tx);
    return undefined;
  }
}
