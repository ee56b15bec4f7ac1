import { sql } from 'kysely';
import type { Tx } from './pool.ts';

/** Reads the log in a transaction, for a bounded time. */
export interface Reading {
  /** Runs one statement, which fails when the time of the whole reading is up: see `isTooSlow`. */
  readonly run: <Result>(statement: (tx: Tx) => Promise<Result>) => Promise<Result>;
}

/**
 * Bounds what all statements of a transaction take together, counted from its beginning. PostgreSQL's own limit for that
 * (`transaction_timeout`) ends the connection with the transaction, so each statement is given what is left.
 */
export function openReading(tx: Tx, timeoutMs: number): Reading {
  return {
    run: async (statement) => {
      // 0 would be no limit at all.
      await sql`SELECT set_config('jit', 'off', true), set_config('statement_timeout', greatest(1, ceil(
        ${timeoutMs}::float8 - 1000 * extract(epoch FROM clock_timestamp() - transaction_timestamp())))::bigint::text, true)`.execute(
        tx,
      );
      return statement(tx);
    },
  };
}

/** Ends the bound: what a transaction does after its reading has the time that it had before. */
export async function closeReading(tx: Tx): Promise<void> {
  await sql`SET LOCAL statement_timeout TO DEFAULT`.execute(tx);
}
