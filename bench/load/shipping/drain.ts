import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type Backlog, linkBacklog } from './backlog.ts';
import type { ClickHouseDatabase, ClickHouseStore } from './clickhouse-store.ts';
import type { ExchangeSource } from './exchanges.ts';
import type { LogStore } from './log-store.ts';

export interface Drained {
  readonly rowsPerS: number;
  /** CPU time per row, in microseconds. */
  readonly shipperUs: number;
  readonly postgresUs: number;
  /** Null where the rows went to PostgreSQL. */
  readonly clickhouseUs: number | null;
}

export interface DrainOptions {
  readonly store: LogStore;
  /** Where the rows go, if not to PostgreSQL. */
  readonly clickhouse?: { readonly store: ClickHouseStore; readonly database: ClickHouseDatabase };
  readonly backlog: Backlog;
  readonly source: ExchangeSource;
  /** The checkout whose shipper and migrations run. */
  readonly checkout: string;
  /** Where the shipper runs; PostgreSQL stays where the store was started. */
  readonly core: number;
  readonly scratch: string;
}

const PROGRAM = new URL('drain/main.ts', import.meta.url).pathname;

/** Drains a copy of the backlog into a new database and checks that every row of it is there. */
export async function measureDrain(options: DrainOptions): Promise<Drained> {
  const { store, backlog, checkout, clickhouse } = options;
  const database = await store.createDatabase(checkout, options.source);
  try {
    const { root } = await linkBacklog(backlog, join(options.scratch, `drain-${database.name}`));
    const cpuBefore = store.cpuSeconds();
    const clickhouseBefore = clickhouse?.store.cpuSeconds() ?? 0;
    const { stdout } = await promisify(execFile)('taskset', [
      ...['-c', String(options.core), process.execPath, PROGRAM],
      ...[pathToFileURL(join(checkout, 'inference-log/thread.ts')).href, database.url, root, backlog.gatewayId],
      ...(clickhouse === undefined ? [] : [JSON.stringify(clickhouse.database.address)]),
    ]);
    const postgresSeconds = store.cpuSeconds() - cpuBefore;
    const clickhouseSeconds = clickhouse === undefined ? null : clickhouse.store.cpuSeconds() - clickhouseBefore;
    const { seconds, cpuSeconds } = JSON.parse(stdout) as { seconds: number; cpuSeconds: number };
    const stored = await (clickhouse?.database ?? database).countRows();
    if (stored !== backlog.rows) throw new Error(`${stored} of ${backlog.rows} rows are in the store`);
    return {
      rowsPerS: backlog.rows / seconds,
      shipperUs: (cpuSeconds * 1e6) / backlog.rows,
      postgresUs: (postgresSeconds * 1e6) / backlog.rows,
      clickhouseUs: clickhouseSeconds === null ? null : (clickhouseSeconds * 1e6) / backlog.rows,
    };
  } finally {
    await database.drop();
  }
}
