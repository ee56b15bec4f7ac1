import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import type { ClickHouseAddress } from './address.ts';
import { errorOf } from './errors.ts';
import { createHttpExchange } from './http-exchange.ts';

/** ClickHouse's HTTP interface, as far as the log needs it. Whatever is sent may be sent twice. */
export interface ClickHouseClient {
  /**
   * Runs a statement and gives its answer, as tab-separated text unless it has a FORMAT of its own.
   * @throws ClickHouseError, ClickHouseUnreachableError
   */
  query(statement: string, options?: QueryOptions): Promise<string>;
  /**
   * Runs `INSERT … FORMAT …` with its rows; returns when they are in the table. Within the table's deduplication window
   * a second insert with the same token does nothing.
   * @throws ClickHouseError, ClickHouseUnreachableError
   */
  insert(statement: string, rows: Uint8Array, token: string): Promise<void>;
  close(): void;
}

export interface QueryOptions {
  /** Whether names of tables are those of the address's database (true); false where there may be no such database yet. */
  readonly inDatabase?: boolean;
  /** Values of the statement's `{name:Type}`, as tab-separated text of that type (statement.ts); arrays in brackets, what is no number in single quotes. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** For the whole exchange, instead of the client's. */
  readonly timeoutMs?: number;
}

export interface ClickHouseClientOptions {
  readonly address: ClickHouseAddress;
  /** For a whole exchange (30 000). An insert that lands after it is found by the key of its rows. */
  readonly timeoutMs?: number;
}

/** Level 1: higher ones cost a multiple of the time for some per cent. */
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
const compress = promisify(zstdCompress);

/** The status is then the whole statement's, not that of its first bytes. */
const WHOLE = { wait_end_of_query: '1' };
const INSERT_SETTINGS = {
  ...WHOLE,
  // An acknowledged insert must be in the table: a profile may have turned on inserts that wait in memory.
  async_insert: '0',
  insert_deduplicate: '1',
  // Rows of any age may come together after an outage.
  max_partitions_per_insert_block: '0',
};

export function createClickHouseClient({ address, timeoutMs = 30_000 }: ClickHouseClientOptions): ClickHouseClient {
  const { database, compression, password } = address;
  const { post, close } = createHttpExchange(address, timeoutMs);
  return {
    query: (statement, { inDatabase = true, parameters = {}, timeoutMs } = {}) =>
      post({
        parameters: { ...WHOLE, ...(inDatabase ? { database } : {}), ...named(parameters) },
        ...{ body: statement, withRows: false, timeoutMs },
      }),
    async insert(statement, rows, token) {
      const isPacked = compression === 'zstd';
      const said = await post({
        parameters: { ...INSERT_SETTINGS, database, query: statement, insert_deduplication_token: token },
        body: isPacked ? await compress(rows, ZSTD) : rows,
        ...(isPacked ? { headers: { 'content-encoding': 'zstd' } } : {}),
        withRows: true,
      });
      // An insert has nothing to say; who says something is a proxy's page, or a failure after the head was sent.
      if (said !== '') throw errorOf({ status: 200, codeHeader: undefined, text: said, withRows: true, password });
    },
    close,
  };
}

function named(parameters: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [`param_${name}`, value]));
}
