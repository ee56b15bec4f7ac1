import type { PoolClient } from 'pg';

/** Runs `work` in one transaction. Gives the connection back, or ends it when not even the rollback got through. */
export async function inTransaction(client: PoolClient, work: () => Promise<void>): Promise<void> {
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    await work();
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}
