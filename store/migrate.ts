import { readdir } from 'node:fs/promises';
import { type Migration, Migrator } from 'kysely/migration';
import { reasonOf } from '#core/reason.ts';
import { createPool, type Db } from './pool.ts';

const FOLDER = new URL('../migrations/', import.meta.url);

/** Loads the migrations from their folder, in the order of their names. */
async function loadMigrations(): Promise<Record<string, Migration>> {
  const files = (await readdir(FOLDER)).filter((file) => /^\d{4}_.*\.ts$/.test(file)).sort();
  const loaded = await Promise.all(files.map((file) => import(new URL(file, FOLDER).href) as Promise<Migration>));
  return Object.fromEntries(files.map((file, index) => [file.slice(0, -3), loaded[index]!]));
}

function createMigrator(db: Db): Migrator {
  return new Migrator({ db, provider: { getMigrations: loadMigrations }, migrationTableSchema: 'ringside' });
}

/**
 * Applies what is missing, forward only, under a lock: several starters may call it at once.
 * @returns the names of the migrations that this call applied
 * @throws the first failure, with the migration's name in the message
 */
export async function migrate(databaseUrl: string): Promise<string[]> {
  const db = createPool({ databaseUrl, role: 'login', maxConnections: 2, applicationName: 'ringside migrate' });
  try {
    const { error, results } = await createMigrator(db).migrateToLatest();
    if (error !== undefined) {
      const failed = results?.find((result) => result.status === 'Error')?.migrationName;
      const reason = reasonOf(error);
      throw new Error(failed === undefined ? reason : `migration ${failed} failed: ${reason}`, { cause: error });
    }
    return (results ?? []).map((result) => result.migrationName);
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
