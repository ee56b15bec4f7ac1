import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { expect } from 'vitest';
import { systemEntropy } from '#control-plane/entropy.ts';
import { createClickHouseRetentionJob } from '#control-plane/jobs/clickhouse-retention.ts';
import { type ClickHouseExpiry, createClickHouseExpiry } from '#inference-log/sinks/clickhouse/expiry.ts';
import { createClickHouseSink } from '#inference-log/sinks/clickhouse/sink.ts';
import type { SinkBatch } from '#inference-log/spool.ts';
import type { TestClickHouse } from './clickhouse-server.ts';
import { createClickHouseStore } from './clickhouse-store.ts';
import { createPartitionRig, DAY_MS } from './partition-rig.ts';

/** Rows are in ClickHouse by then, and PostgreSQL forgets the batch: what a shipper leaves that is killed between the two. */
const FAIL_COMMITS = `
  CREATE FUNCTION public.crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a crash'; END $$;
  CREATE CONSTRAINT TRIGGER crash AFTER INSERT OR UPDATE ON ringside.spools DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.crash()`;
const LET_COMMIT = 'DROP TRIGGER crash ON ringside.spools; DROP FUNCTION public.crash()';

export const POLICY = { partitionBy: 'day', retentionDays: 30 } as const;
export const today = () => Math.floor(Date.now() / DAY_MS) * DAY_MS;
export const daysAgo = (days: number, count: number) =>
  Array.from({ length: count }, (_, index) => today() - days * DAY_MS + index * 1_000);
export const broken = async () => {
  throw new Error('the connection broke');
};

/** The ClickHouse sink and its retention, on databases of their own. */
export async function createClickHouseRetentionRig(server: TestClickHouse) {
  const rig = await createPartitionRig();
  const store = await createClickHouseStore(server);
  const sink = createClickHouseSink({ databaseUrl: rig.databaseUrl, clickhouse: store.address });
  const expiry = createClickHouseExpiry(store.address);

  const batchOf = (groupId: string, moments: readonly number[], gatewayId: string = randomUUID()): SinkBatch => {
    const cursor = { scan: { segment: 1, offset: 1 }, shipped: { segment: 1, offset: 1 } };
    const rows = rig.rowsAt(groupId, moments, gatewayId);
    return { spoolId: randomUUID(), gatewayId, expected: undefined, cursor, rows, dropped: [], finished: false };
  };

  return {
    ...{ rig, store, sink, expiry, batchOf },

    ship: (groupId: string, moments: readonly number[]) => sink.write(batchOf(groupId, moments)),

    /** The batch's rows get to ClickHouse, its COMMIT does not happen. */
    async crashing(batch: SinkBatch): Promise<void> {
      await sql.raw(FAIL_COMMITS).execute(rig.admin);
      try {
        await expect(sink.write(batch)).rejects.toThrow('a crash');
      } finally {
        await sql.raw(LET_COMMIT).execute(rig.admin);
      }
    },

    /** One run of the leader's retention. */
    retain: (changes: Partial<ClickHouseExpiry> = {}) =>
      createClickHouseRetentionJob({
        ...{ db: rig.leader, expiry: { ...expiry, ...changes }, everyMs: 1, entropy: systemEntropy, random: () => 0.5 },
        log: (line) => rig.logged.push(line),
      }).run(new AbortController().signal),

    /** How many rows of a group there are, by how many days old they are. */
    async ages(groupId: string): Promise<Record<string, number>> {
      const rows =
        await store.rows(`SELECT intDiv(${today()} + ${DAY_MS} - 1 - toUnixTimestamp64Milli(created_at), ${DAY_MS}) AS age,
        count() AS found FROM inferences FINAL WHERE group_id = '${groupId}' GROUP BY age`);
      return Object.fromEntries(rows.map(({ age, found }) => [age, found]));
    },

    /** No group has a retention any more. */
    async forgetPolicies(): Promise<void> {
      await rig.admin
        .updateTable('groups')
        .set({ log: JSON.stringify({}) })
        .execute();
    },

    async close(): Promise<void> {
      expiry.close();
      await sink.close();
      await store.close();
      await rig.close();
    },
  };
}

export type ClickHouseRetentionRig = Awaited<ReturnType<typeof createClickHouseRetentionRig>>;
