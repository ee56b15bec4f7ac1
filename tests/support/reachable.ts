import { sql } from 'kysely';
import { inject } from 'vitest';
import { createPool } from '#store/pool.ts';

/** Lets shippers reach a test's database, or not: no new connections then, and theirs are ended. Other open ones stay. */
export async function setReachable(databaseUrl: string, reachable: boolean): Promise<void> {
  const name = new URL(databaseUrl).pathname.slice(1);
  const server = createPool({
    ...{ role: 'login', maxConnections: 1, applicationName: 'test' },
    databaseUrl: inject('postgresUrl'),
  });
  await sql`ALTER DATABASE ${sql.id(name)} ALLOW_CONNECTIONS ${sql.raw(String(reachable))}`.execute(server);
  if (!reachable) {
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = ${name} AND application_name = 'ringside shipper'`.execute(server);
  }
  await server.destroy();
}
