import { LogTooMuchError } from '#store/log-rows.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import type { ClickHouseClient } from '../client.ts';
import { ClickHouseError, ClickHouseUnreachableError, isTooMuch } from '../errors.ts';
import { type Fragment, toStatement } from '../statement.ts';
import { unavailable } from '../unavailable.ts';

/** A row of an answer: integers of 64 bits and more as text, which no parser rounds. */
export type Line = Readonly<Record<string, unknown>>;

/** Asks one question about the rows of the log. */
export interface Asking {
  /**
   * @param limitMs after which ClickHouse gives up
   * @throws LogUnavailableError, LogTooMuchError
   */
  lines<Row extends object = Line>(select: Fragment, limitMs: number): Promise<Row[]>;
}

/** What one question may take of ClickHouse's memory; groups of units beyond half of it go to its disk. */
const MAX_MEMORY_BYTES = 2 ** 30;
/** For the way to and fro, beside what ClickHouse may take. */
const WAY_MS = 2_000;

/**
 * Questions with bounds of their own, whatever the user's profile says: one that is ended has no answer, never half of one. A row that
 * lies there twice is read once; partition and key depend on nothing but its id and group (0001_initial.sql).
 */
export function createAsking(client: Pick<ClickHouseClient, 'query'>): Asking {
  return {
    async lines<Row extends object>(select: Fragment, limitMs: number) {
      const { text, parameters } = toStatement(select);
      const statement = `${text} SETTINGS ${settingsFor(limitMs)} FORMAT JSONEachRow`;
      const answer = await client
        .query(statement, { parameters, timeoutMs: limitMs + WAY_MS })
        .catch((error: unknown) => refuse(error));
      return readAnswer(() => answer.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Row])));
    },
  };
}

function settingsFor(limitMs: number): string {
  const settings = {
    do_not_merge_across_partitions_select_final: 1,
    max_execution_time: Math.max(1, Math.ceil(limitMs / 1_000)),
    max_memory_usage: MAX_MEMORY_BYTES,
    max_bytes_before_external_group_by: MAX_MEMORY_BYTES / 2,
    output_format_json_quote_64bit_integers: 1,
    // A profile may say "break" or "any", and sums would be of some of the rows.
    ...{ timeout_overflow_mode: "'throw'", read_overflow_mode: "'throw'", group_by_overflow_mode: "'throw'" },
    ...{ result_overflow_mode: "'throw'", distinct_overflow_mode: "'throw'", sort_overflow_mode: "'throw'" },
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}`)
    .join(', ');
}

function refuse(error: unknown): never {
  if (isTooMuch(error)) throw new LogTooMuchError((error as Error).message, { cause: error });
  if (error instanceof ClickHouseError || error instanceof ClickHouseUnreachableError) {
    throw unavailable(error);
  }
  throw error;
}

/** Reads an answer, or a part of it. @throws LogUnavailableError where it is none of ours: for what was sought, and not for all */
export function readAnswer<Read>(read: () => Read): Read {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    const why = 'gave an answer that cannot be read';
    throw new LogUnavailableError(`ClickHouse ${why}: ${error.message}`, { why, isRefusal: true, cause: error });
  }
}

/** A count of an answer. @throws RangeError past 2^53, as for PostgreSQL's */
export function countOf(value: unknown): number {
  const count = Number(value);
  if (!Number.isSafeInteger(count)) throw new RangeError(`the count ${String(value)} does not fit a number`);
  return count;
}
