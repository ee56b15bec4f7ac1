import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { type ClickHouseAddress, parseClickHouseUrl } from '#inference-log/sinks/clickhouse/address.ts';
import { createClickHouseClient } from '#inference-log/sinks/clickhouse/client.ts';
import { migrateClickHouse } from '#inference-log/sinks/clickhouse/migrate.ts';
import { startClickHouse } from '#tests/support/clickhouse-server.ts';
import { processTree, treeCpuS } from '../cpu-time.ts';

/** A ClickHouse as the tests find it, on one core, with a new database for each drain. */
export interface ClickHouseStore {
  readonly what: string;
  createDatabase(compression: ClickHouseAddress['compression']): Promise<ClickHouseDatabase>;
  /** CPU time of its process since the start. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

export interface ClickHouseDatabase {
  readonly address: ClickHouseAddress;
  /** How many inferences have both their row and their payloads. */
  countRows(): Promise<number>;
  drop(): Promise<void>;
}

export async function startClickHouseStore(core: number): Promise<ClickHouseStore> {
  const server = await startClickHouse();
  if (server.kind === 'missing') throw new Error(server.why);
  const { pid, what, url } = server;
  if (pid === undefined) throw new Error('the CPU time of a server elsewhere cannot be taken');
  for (const member of processTree(pid)) execFileSync('taskset', ['-a', '-p', '-c', String(core), String(member)]);
  return {
    what,
    async createDatabase(compression) {
      const parsed = parseClickHouseUrl(`${url}/bench_${randomUUID().replaceAll('-', '')}`);
      if (parsed.kind === 'bad') throw new Error(parsed.reason);
      const address = { ...parsed.address, compression };
      await migrateClickHouse({ address });
      const client = createClickHouseClient({ address });
      return {
        address,
        countRows: async () =>
          Number(
            await client.query(
              'SELECT count() FROM (SELECT id FROM inferences FINAL) AS i JOIN (SELECT id FROM inference_payloads FINAL) AS p USING (id)',
            ),
          ),
        async drop() {
          await client.query(`DROP DATABASE ${address.database}`, { inDatabase: false });
          client.close();
        },
      };
    },
    cpuSeconds: () => treeCpuS(pid),
    stop: server.stop,
  };
}
