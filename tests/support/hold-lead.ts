import pg from 'pg';
import { waitFor } from './wait.ts';

/** As store/leadership.ts has it. */
const LEADER_LOCK = 0x6c656164;

/**
 * Takes the lead away from whoever has it, and keeps it: no job runs in this database from here on, so that what a test puts into it
 * stays as it is. @returns lets go of it
 */
export async function holdLead(databaseUrl: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await waitFor('the lead', async () => {
    await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name IN ('ringside leader', 'ringside rollouts')`);
    const { rows } = await client.query('SELECT pg_try_advisory_lock($1) AS ours', [LEADER_LOCK]);
    return rows[0].ours === true;
  });
  return () => client.end();
}
