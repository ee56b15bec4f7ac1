import { readdir, readFile } from 'node:fs/promises';
import { reasonOf } from '#core/reason.ts';
import type { ClickHouseAddress } from './address.ts';
import { type ClickHouseClient, createClickHouseClient } from './client.ts';
import { INFERENCES, PAYLOADS } from './columns.ts';
import { ClickHouseError, UNKNOWN_DATABASE } from './errors.ts';

export interface ClickHouseMigrationOptions {
  readonly address: ClickHouseAddress;
  /** Rows are removed so many days after they were made; undefined leaves the tables' TTL as it is. */
  readonly retentionDays?: number | undefined;
}

const FOLDER = new URL('../../../migrations/clickhouse/', import.meta.url);
const DDL_TIMEOUT_MS = 120_000;
const VERSIONS = `CREATE TABLE IF NOT EXISTS ringside_migrations (name String, applied_at DateTime DEFAULT now())
  ENGINE = ReplacingMergeTree ORDER BY name`;

/**
 * Applies what is missing, forward only. ClickHouse has neither transactions over DDL nor a lock for it, so every statement of
 * a migration may run again: one that was cut off is repeated whole, and two at once do no harm.
 * @returns the names of the migrations that this call applied
 * @throws the first failure, with the migration's name in the message
 */
export async function migrateClickHouse(options: ClickHouseMigrationOptions): Promise<string[]> {
  const client = createClickHouseClient({ address: options.address, timeoutMs: DDL_TIMEOUT_MS });
  try {
    await ensureDatabase(client, options.address.database);
    await client.query(VERSIONS);
    const known = new Set((await client.query('SELECT DISTINCT name FROM ringside_migrations')).split('\n'));
    const applied: string[] = [];
    for (const name of await migrationNames()) {
      if (known.has(name)) continue;
      await apply(client, name);
      applied.push(name);
    }
    if (options.retentionDays !== undefined) await setRetention(client, options.retentionDays);
    return applied;
  } finally {
    client.close();
  }
}

async function ensureDatabase(client: ClickHouseClient, database: string): Promise<void> {
  try {
    await client.query('SELECT 1');
  } catch (error) {
    if (!(error instanceof ClickHouseError) || error.exceptionCode !== UNKNOWN_DATABASE) throw error;
    await client.query(`CREATE DATABASE IF NOT EXISTS ${database}`, { inDatabase: false });
  }
}

async function migrationNames(): Promise<string[]> {
  const files = await readdir(FOLDER);
  return files.flatMap((file) => /^(\d{4}_.*)\.sql$/.exec(file)?.[1] ?? []).sort();
}

async function apply(client: ClickHouseClient, name: string): Promise<void> {
  const text = await readFile(new URL(`${name}.sql`, FOLDER), 'utf8');
  try {
    // The interface takes one statement at a time. In our files each ends with a semicolon at the end of a line.
    for (const statement of text.split(/;\s*$/m)) {
      if (statement.trim() !== '') await client.query(statement);
    }
    await client.query(`INSERT INTO ringside_migrations (name) VALUES ('${name}')`);
  } catch (error) {
    throw new Error(`migration clickhouse/${name} failed: ${reasonOf(error)}`, { cause: error });
  }
}

/** Only where it differs: a TTL that is set goes through all parts. */
async function setRetention(client: ClickHouseClient, days: number): Promise<void> {
  const ttl = `toDateTime(created_at) + toIntervalDay(${days})`;
  for (const { name } of [INFERENCES, PAYLOADS]) {
    const made = await client.query(
      `SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = '${name}'`,
    );
    if (!made.includes(`TTL ${ttl}`)) await client.query(`ALTER TABLE ${name} MODIFY TTL ${ttl}`);
  }
}
