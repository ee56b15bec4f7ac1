import { isContention } from './failures.ts';

const TRIES = 6;
const FIRST_WAIT_MS = 50;

/**
 * Repeats work that lost against another transaction (a lock timeout, a deadlock), with growing waits of random length.
 * The work must be whole: one statement, or one transaction.
 * @param random in [0, 1)
 * @throws what the last try threw, and any other error at once
 */
export async function retryContention<Result>(
  work: () => Promise<Result>,
  random: () => number,
  tries = TRIES,
): Promise<Result> {
  for (let left = tries - 1; ; left--) {
    try {
      return await work();
    } catch (error) {
      if (left <= 0 || !isContention(error)) throw error;
      const waitMs = FIRST_WAIT_MS * 2 ** (tries - 1 - left) * (0.5 + random() / 2);
      await new Promise((wake) => setTimeout(wake, waitMs));
    }
  }
}
