import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { inject } from 'vitest';
import { createPool, type Db } from '#store/pool.ts';

const FOLDER = new URL('../../migrations/', import.meta.url);

/** A database as it was before a migration came. */
export interface OldDatabase {
  readonly url: string;
  /** Of the login, one connection. */
  readonly db: Db;
  drop(): Promise<void>;
}

/** @param migration the name of the first one that it lacks */
export async function createDatabaseBefore(migration: string): Promise<OldDatabase> {
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  await onServer(`CREATE DATABASE ${name} TEMPLATE template0`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  const db = createPool({ databaseUrl: url.href, role: 'login', maxConnections: 1, applicationName: 'test' });
  await sql`CREATE SCHEMA ringside`.execute(db);
  const names = (await readdir(FOLDER))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -3))
    .filter((file) => file < migration);
  const loaded = names.map(async (file) => [file, await import(`../../migrations/${file}.ts`)] as const);
  const migrations = Object.fromEntries(await Promise.all(loaded));
  const provider = { getMigrations: async () => migrations };
  const { error } = await new Migrator({ db, provider, migrationTableSchema: 'ringside' }).migrateToLatest();
  if (error !== undefined) throw error;
  return {
    ...{ url: url.href, db },
    async drop() {
      await db.destroy();
      await onServer(`DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function onServer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
