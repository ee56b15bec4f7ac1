import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import type { Db } from '#store/pool.ts';

/**
 * CPU time of this process and of the server process behind a pool's only connection, in ms: what a list costs when others
 * use the machine too. Linux only.
 */
export async function createCpuClock(db: Db): Promise<() => number> {
  const { rows } = await sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`.execute(db);
  const path = `/proc/${rows[0]!.pid}/schedstat`;
  return () => {
    const { user, system } = process.cpuUsage();
    return Number(readFileSync(path, 'utf8').split(' ')[0]) / 1e6 + (user + system) / 1e3;
  };
}
