import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import pg from 'pg';
import type { Database } from './database.ts';

/** The database roles that a process can act as; see migrations/0001. `login` is the role of DATABASE_URL itself. */
export type DatabaseRole = 'login' | 'application' | 'gateway' | 'shipper' | 'leader';

export type Db = Kysely<Database>;
export type Tx = Transaction<Database>;

export interface PoolOptions {
  readonly databaseUrl: string;
  readonly role: DatabaseRole;
  readonly maxConnections: number;
  /** A query that has no answer by then fails, as an outage: a frozen server keeps its connections open. */
  readonly queryTimeoutMs?: number;
  /**
   * Whether the server is to end a statement whose client is gone, within a second of that; else it goes on to the end of the statement.
   * For statements that take minutes.
   */
  readonly endsWithClient?: boolean;
  /** What pg_stat_activity shows. */
  readonly applicationName: string;
  /** Called when an idle connection breaks; the pool replaces it by itself. */
  readonly onConnectionError?: (error: Error) => void;
}

const BIGINT_OID = 20;
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === BIGINT_OID && format !== 'binary'
      ? parseBigint
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

/** Our bigints are versions, counts and nanoseconds: a value past 2^53 is a defect and not to be rounded silently. */
function parseBigint(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} does not fit a number`);
  return value;
}

/** The settings of a single connection or of a pool, acting as `role` with the schema on the search path. */
export function connectionConfig(options: Omit<PoolOptions, 'maxConnections' | 'onConnectionError'>): pg.ClientConfig {
  const role = options.role === 'login' ? '' : ` -c role=ringside_${options.role}`;
  return {
    connectionString: options.databaseUrl,
    application_name: options.applicationName,
    options: `-c search_path=ringside${role}${options.endsWithClient ? ' -c client_connection_check_interval=1s' : ''}`,
    connectionTimeoutMillis: 5_000,
    ...(options.queryTimeoutMs === undefined ? {} : { query_timeout: options.queryTimeoutMs }),
    keepAlive: true,
    types,
  };
}

/** Opens a pool of connections. Nothing connects before the first query. Close it with `destroy()`. */
export function createPool(options: PoolOptions): Db {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool: createClientPool(options) }) });
}

/** A pool that need not wait for its statements. */
export interface BreakablePool {
  readonly db: Db;
  /** Ends every connection at once: statements under way fail, and the server ends them (`endsWithClient`). Close it all the same. */
  readonly breakOff: () => Promise<void>;
}

/** Opens a pool whose statements may take minutes, which no stop is to wait for. */
export function createBreakablePool(options: Omit<PoolOptions, 'endsWithClient'>): BreakablePool {
  const pool = createClientPool({ ...options, endsWithClient: true });
  const clients = new Set<pg.PoolClient>();
  pool.on('connect', (client) => void clients.add(client));
  pool.on('remove', (client) => void clients.delete(client));
  return {
    db: new Kysely<Database>({ dialect: new PostgresDialect({ pool }) }),
    async breakOff() {
      // `end` of a client destroys the socket of one that has a statement under way. The types of pg leave it to the pool alone.
      await Promise.all([...clients].map((client) => (client as unknown as pg.Client).end()));
    },
  };
}

/** The same for statements that no query builder knows, COPY for one. Close it with `end()`. */
export function createClientPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({ ...connectionConfig(options), max: options.maxConnections, idleTimeoutMillis: 30_000 });
  pool.on('error', (error) => options.onConnectionError?.(error));
  // pg-pool listens to idle connections only: one that broke while a query held it would end the process (unheard 'error').
  // The query itself has failed with the same error, and release() discards the connection.
  pool.on('connect', (client) => void client.on('error', () => undefined));
  return pool;
}

/** Runs `work` in one transaction that row-level security confines to an organization. */
export function inOrganization<Result>(
  db: Db,
  organizationId: string,
  work: (tx: Tx) => Promise<Result>,
): Promise<Result> {
  return db.transaction().execute(async (tx) => {
    await sql`SELECT set_config('ringside.organization_id', ${organizationId}, true)`.execute(tx);
    return work(tx);
  });
}

/** Whether an error says that the database cannot be reached or is going away, as opposed to having refused a statement. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as { code?: unknown }).code;
  if (typeof code !== 'string')
    return /timeout exceeded when trying to connect|Connection terminated|not queryable|Query read timeout/.test(
      error.message,
    );
  return (
    /^(08|57P|53)/.test(code) ||
    /^(ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTFOUND|EPIPE|EAI_AGAIN|EHOSTUNREACH)$/.test(code)
  );
}
