import { sql } from 'kysely';
import type { RowsRead } from './log-rows.ts';
import type { Tx } from './pool.ts';

/** Reads the log in a transaction, for a bounded time. */
export interface Reading {
  /** Runs one statement, which fails when the time of the whole reading is up: see `isTooSlow`. */
  readonly run: <Result>(statement: (tx: Tx) => Promise<Result>) => Promise<Result>;
  /** Asks about rows of the log wherever they are, with the same bound. */
  readonly ask: <Result>(question: (read: RowsRead) => Promise<Result>) => Promise<Result>;
}

/**
 * Bounds what all statements of a transaction take together, counted from its beginning. PostgreSQL's own limit for that
 * (`transaction_timeout`) ends the connection with the transaction, so each statement is given what is left.
 */
export function openReading(tx: Tx, timeoutMs: number): Reading {
  const bound = async (): Promise<number> => {
    // 0 would be no limit at all.
    const { rows } = await sql<{ left_ms: number }>`SELECT left_ms, set_config('jit', 'off', true),
        set_config('statement_timeout', left_ms::text, true)
      FROM (SELECT greatest(1, ceil(${timeoutMs}::float8
        - 1000 * extract(epoch FROM clock_timestamp() - transaction_timestamp())))::bigint AS left_ms) AS bound`.execute(
      tx,
    );
    return rows[0]!.left_ms;
  };
  return {
    run: async (statement) => {
      await bound();
      return statement(tx);
    },
    ask: async (question) => {
      await bound();
      return question({ tx, leftMs: bound });
    },
  };
}

/** Ends the bound: what a transaction does after its reading has the time that it had before. */
export async function closeReading(tx: Tx): Promise<void> {
  await sql`SET LOCAL statement_timeout TO DEFAULT`.execute(tx);
}
