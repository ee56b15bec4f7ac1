import { sql } from 'kysely';
import type { Db } from './pool.ts';

/**
 * Gives one partition that has ended the indexes that would cost too much while it fills: full text, and latency. Needs the
 * role `leader`. Rows of that partition that are still to come wait meanwhile.
 * @returns its name; null when there is none left
 */
export async function indexClosedPartition(db: Db): Promise<string | null> {
  const { rows } = await sql<{ name: string | null }>`SELECT index_closed_partition() AS name`.execute(db);
  return rows[0]?.name ?? null;
}
