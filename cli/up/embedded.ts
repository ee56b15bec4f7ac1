import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchiveSettings } from '#inference-log/archive/storage.ts';
import { type Settings, SettingsError } from '../settings.ts';
import { findLocalSecrets } from './secrets.ts';

/** Where `ringside up` keeps its PostgreSQL, and archives unless it is told otherwise. */
export function postgresFolder(dataFolder: string): string {
  return join(dataFolder, 'postgres');
}
export function archiveFolder(dataFolder: string): string {
  return join(dataFolder, 'archive');
}

export interface LogPlaces {
  readonly databaseUrl: string;
  /** Undefined: not set. */
  readonly archive: ArchiveSettings | undefined;
}

/**
 * Where commands that look at the log find it: DATABASE_URL, else the embedded server of the data folder, which must run, with
 * its archives.
 * @throws SettingsError
 */
export async function findLog({ databaseUrl, archive, dataFolder }: Settings): Promise<LogPlaces> {
  if (databaseUrl !== undefined) return { databaseUrl, archive };
  const folder = postgresFolder(dataFolder);
  const secrets = await findLocalSecrets(dataFolder);
  if (secrets === undefined || !(await isThere(folder))) {
    throw new SettingsError(`DATABASE_URL is not set, and ${dataFolder} holds no PostgreSQL of \`ringside up\``);
  }
  const { findEmbeddedPostgres } = await import('#store/embedded-postgres.ts');
  const url = await findEmbeddedPostgres(folder, secrets.postgresPassword);
  if (url === undefined) {
    throw new SettingsError(
      `the embedded PostgreSQL of ${dataFolder} is not running: start \`ringside up\` there, or set DATABASE_URL`,
    );
  }
  return { databaseUrl: url, archive: archive ?? { kind: 'disk', folder: archiveFolder(dataFolder) } };
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
