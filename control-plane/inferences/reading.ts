import { isTooSlow } from '#store/failures.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import type { Tx } from '#store/pool.ts';
import { closeReading, openReading, type Reading } from '#store/reading.ts';
import { invalid } from '../problem.ts';

/** What a whole read may take: long enough for a whole partition, short enough for who waits, and for the database. */
const READ_MS = 5_000;
const ADVICE = 'name a group, or a shorter time with since and until';

/** How long a read may take, and what to say when it took longer: the parameter at fault, and what to do. */
export interface ReadBound {
  readonly limitMs?: number;
  readonly field?: string;
  readonly advice?: string;
}

/**
 * Reads the log with a bound on the work, however many statements it takes.
 * @throws Problem `invalid` that says how to ask for less, when it took too long
 */
export async function boundedRead<Result>(
  tx: Tx,
  work: (reading: Reading) => Promise<Result>,
  { limitMs = READ_MS, field = 'since', advice = ADVICE }: ReadBound = {},
): Promise<Result> {
  try {
    const result = await work(openReading(tx, limitMs));
    // What the transaction reads besides is not part of it.
    await closeReading(tx);
    return result;
  } catch (error) {
    // The store of the rows is away, and not this database: what is read instead of it is not bound by what time was left.
    if (error instanceof LogUnavailableError) await closeReading(tx);
    if (!isTooSlow(error)) throw error;
    const message = `looking through the log for this took longer than ${limitMs / 1_000} s; ${advice}`;
    throw invalid([{ field, message }]);
  }
}
