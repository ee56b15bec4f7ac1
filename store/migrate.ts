import { readdir } from 'node:fs/promises';
import { sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { reasonOf } from '#core/reason.ts';
import { retryContention } from './contention.ts';
import { createPool, type Db } from './pool.ts';

const FOLDER = new URL('../migrations/', import.meta.url);

/** Loads the migrations from their folder, in the order of their names. */
async function loadMigrations(): Promise<Record<string, Migration>> {
  const files = (await readdir(FOLDER)).filter((file) => /^\d{4}_.*\.ts$/.test(file)).sort();
  const loaded = await Promise.all(files.map((file) => import(new URL(file, FOLDER).href) as Promise<Migration>));
  return Object.fromEntries(files.map((file, index) => [file.slice(0, -3), loaded[index]!]));
}

function createMigrator(db: Db, getMigrations = loadMigrations): Migrator {
  return new Migrator({ db, provider: { getMigrations }, migrationTableSchema: 'ringside' });
}

/**
 * Whoever wants to read or write a table waits behind a migration that waits for it. A backup reads for hours, and so long
 * nothing would be shipped or read. Reads of the API have 5 s, batches of shippers 30.
 */
const LOCK_TIMEOUT_MS = 2_000;

/** The migrations, waiting so long at most for each lock; not for each other, whose lock is taken before. */
async function loadHasty(lockTimeoutMs: number): Promise<Record<string, Migration>> {
  const migrations = Object.entries(await loadMigrations()).map(([name, { up }]) => {
    const hasty: Migration = {
      async up(db) {
        await sql.raw(`SET LOCAL lock_timeout = ${lockTimeoutMs}`).execute(db);
        await up(db);
      },
    };
    return [name, hasty] as const;
  });
  return Object.fromEntries(migrations);
}

/**
 * Applies what is missing, all of it or nothing, forward only, under a lock: several starters may call it at once.
 * @returns the names of the migrations that this call applied
 * @throws the first failure, with the migration's name in the message
 */
export async function migrate(
  databaseUrl: string,
  { lockTimeoutMs = LOCK_TIMEOUT_MS }: { readonly lockTimeoutMs?: number } = {},
): Promise<string[]> {
  const db = createPool({ databaseUrl, role: 'login', maxConnections: 2, applicationName: 'ringside migrate' });
  const migrator = createMigrator(db, () => loadHasty(lockTimeoutMs));
  let failed: string | undefined;
  const apply = async () => {
    const { error, results = [] } = await migrator.migrateToLatest();
    failed = results.find((result) => result.status === 'Error')?.migrationName;
    if (error !== undefined) throw error;
    return results.map((result) => result.migrationName);
  };
  try {
    // In the pauses those that waited behind us get through. One migrates at a time: nobody to keep out of step with.
    return await retryContention(apply, () => 1);
  } catch (error) {
    const reason = reasonOf(error);
    throw new Error(failed === undefined ? reason : `migration ${failed} failed: ${reason}`, { cause: error });
  } finally {
    await db.destroy();
  }
}

/** The migrations that this release has and the database lacks. */
export async function pendingMigrations(databaseUrl: string): Promise<string[]> {
  const db = createPool({ databaseUrl, role: 'login', maxConnections: 1, applicationName: 'ringside' });
  try {
    const migrations = await createMigrator(db).getMigrations();
    return migrations.filter((migration) => migration.executedAt === undefined).map((migration) => migration.name);
  } finally {
    await db.destroy();
  }
}
