import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sql } from 'kysely';
import { DEFAULT_CAPTURE, DEFAULT_LOG_POLICY } from '#core/snapshot/log-policy.ts';
import { startEmbeddedPostgres } from '#store/embedded-postgres.ts';
import { insertGroup } from '#store/groups.ts';
import { createPool, inOrganization } from '#store/pool.ts';
import { processTree, treeCpuS } from '../cpu-time.ts';
import type { ExchangeSource } from './exchanges.ts';

/** A PostgreSQL on one core, as users run the embedded one (fsync on), with a new database for each drain. */
export interface LogStore {
  createDatabase(checkout: string, source: ExchangeSource): Promise<LogDatabase>;
  /** CPU time of all its processes since the start. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

export interface LogDatabase {
  readonly name: string;
  readonly url: string;
  /** How many inferences have both their row and their payloads. */
  countRows(): Promise<number>;
  drop(): Promise<void>;
}

export async function startLogStore(folder: string, core: number): Promise<LogStore> {
  const server = await startEmbeddedPostgres({ folder, password: 'bench' });
  const pid = Number((await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0]);
  for (const member of processTree(pid)) execFileSync('taskset', ['-a', '-p', '-c', String(core), String(member)]);
  const urlOf = (name: string) => Object.assign(new URL(server.databaseUrl), { pathname: `/${name}` }).href;
  const onServer = async (statement: string) => {
    const db = login(urlOf('postgres'));
    await sql.raw(statement).execute(db);
    await db.destroy();
  };
  return {
    async createDatabase(checkout, source) {
      const name = `bench_${randomUUID().replaceAll('-', '')}`;
      await onServer(`CREATE DATABASE ${name}`);
      const migrations = pathToFileURL(join(checkout, 'store/migrate.ts')).href;
      const { migrate } = (await import(migrations)) as typeof import('#store/migrate.ts');
      await migrate(urlOf(name));
      await provision(urlOf(name), source);
      await onServer('CHECKPOINT');
      return {
        name,
        url: urlOf(name),
        countRows: () => countRows(urlOf(name)),
        drop: () => onServer(`DROP DATABASE ${name} WITH (FORCE)`),
      };
    },
    cpuSeconds: () => treeCpuS(pid),
    stop: () => server.stop(),
  };
}

function login(databaseUrl: string) {
  return createPool({ databaseUrl, role: 'login', maxConnections: 1, applicationName: 'bench' });
}

/** Organization and groups, with their tables, as the control plane makes them. */
async function provision(databaseUrl: string, source: ExchangeSource): Promise<void> {
  const { organizationId, groupIds } = source;
  const db = createPool({ databaseUrl, role: 'application', maxConnections: 1, applicationName: 'bench' });
  await inOrganization(db, organizationId, async (tx) => {
    await tx.insertInto('organizations').values({ id: organizationId, name: 'bench' }).execute();
    for (const [index, id] of groupIds.entries()) {
      await insertGroup(tx, {
        ...{ id, organization_id: organizationId, name: `group-${index}` },
        ...{
          salt: '00000000000000000000000000000000',
          capture: JSON.stringify(DEFAULT_CAPTURE),
          log: JSON.stringify(DEFAULT_LOG_POLICY),
          description: '',
        },
      });
    }
  });
  await db.destroy();
}

async function countRows(databaseUrl: string): Promise<number> {
  const db = login(databaseUrl);
  const { rows } = await sql<{ count: number }>`
    SELECT count(*) AS count FROM inferences JOIN inference_payloads USING (group_id, created_at, id)`.execute(db);
  await db.destroy();
  return rows[0]!.count;
}
