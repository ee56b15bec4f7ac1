import { isTooSlow } from '#store/failures.ts';
import { limitReading } from '#store/inferences.ts';
import type { Tx } from '#store/pool.ts';
import { invalid } from '../problem.ts';

/** What one statement of a read may take: long enough for a whole partition, short enough for who waits, and for the database. */
const STATEMENT_MS = 5_000;

/**
 * Reads the log with a bound on the work.
 * @throws Problem `invalid` that says how to ask for less, when a statement took too long
 */
export async function boundedRead<Result>(tx: Tx, work: () => Promise<Result>): Promise<Result> {
  await limitReading(tx, STATEMENT_MS);
  try {
    return await work();
  } catch (error) {
    if (!isTooSlow(error)) throw error;
    const message =
      `looking through the log for this took longer than ${STATEMENT_MS / 1_000} s; ` +
      'name a group, or a shorter time with since and until';
    throw invalid([{ field: 'since', message }]);
  }
}
