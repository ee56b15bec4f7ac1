import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { systemEntropy } from '#control-plane/entropy.ts';
import { createRetentionJob } from '#control-plane/jobs/retention.ts';
import { DEFAULT_CAPTURE, DEFAULT_LOG_POLICY, type LogPolicy } from '#core/snapshot/log-policy.ts';
import type { ArchiveStorage } from '#inference-log/archive/storage.ts';
import type { InferenceRow } from '#inference-log/record.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import type { Sink } from '#inference-log/spool.ts';
import { createPool, type Db } from '#store/pool.ts';
import { createTestDatabase } from './database.ts';
import { beginRecord, endRecord, newInferenceId } from './records.ts';

export const DAY_MS = 86_400_000;

export interface Range {
  readonly base: string;
  readonly suffix: string;
  readonly startsAt: Date;
  readonly endsAt: Date;
}

export interface LedgerSums {
  readonly stored: number;
  readonly interrupted: number;
  readonly dropped: number;
  readonly archived: number;
  readonly expired: number;
  readonly removed: number;
}

/** Groups with partitions on a database of their own, and the sink that fills them. */
export async function createPartitionRig() {
  const database = await createTestDatabase();
  const pools: Db[] = [];
  const poolOf = (role: 'login' | 'leader') => {
    const pool = createPool({ databaseUrl: database.url, role, maxConnections: 4, applicationName: `test ${role}` });
    pools.push(pool);
    return pool;
  };
  const [admin, leader] = [poolOf('login'), poolOf('leader')];
  const sink = createPostgresSink({ databaseUrl: database.url });
  const organizationId = randomUUID();
  const logged: string[] = [];
  await admin.insertInto('organizations').values({ id: organizationId, name: 'acme' }).execute();

  const write = async (rows: readonly InferenceRow[], gatewayId: string = randomUUID(), to: Sink = sink) => {
    const cursor = { scan: { segment: 1, offset: 1 }, shipped: { segment: 1, offset: 1 } };
    const batch = { spoolId: randomUUID(), gatewayId, expected: undefined, cursor, rows, dropped: [], finished: false };
    await to.write(batch);
  };

  return {
    ...{ databaseUrl: database.url, admin, leader, sink, organizationId, logged, write },

    async createGroup(log: Partial<LogPolicy> = {}): Promise<string> {
      const id = randomUUID();
      await admin
        .insertInto('groups')
        .values({
          ...{ id, organization_id: organizationId, name: `g-${id.slice(0, 8)}`, description: '', salt: 'ab' },
          capture: JSON.stringify(DEFAULT_CAPTURE),
          log: JSON.stringify({ ...DEFAULT_LOG_POLICY, ...log }),
        })
        .execute();
      return id;
    },

    async setPolicy(groupId: string, log: Partial<LogPolicy>): Promise<void> {
      const policy = JSON.stringify({ ...DEFAULT_LOG_POLICY, ...log });
      await admin.updateTable('groups').set({ log: policy }).where('id', '=', groupId).execute();
    },

    /** Rows of all kinds at these moments: bodies that are text, bytes, empty and absent; some never ended. */
    rowsAt(groupId: string, moments: readonly number[], gatewayId: string = randomUUID()): InferenceRow[] {
      const bodies = [Buffer.from('{"a":"ü\\n"}'), Buffer.from([0, 255, 10, 13, 0]), Buffer.alloc(0), null];
      return moments.map((unixMs, index) => ({
        id: newInferenceId(unixMs, groupId),
        gatewayId,
        begin: beginRecord({ organizationId, groupId, unit: `unit "${index}" \\ \u2028\n`, requestFacts: 1 }),
        end: endRecord({
          ...(index % 5 === 4 ? { outcome: 'interrupted', status: 500 } : { status: index % 3 === 0 ? 429 : 200 }),
          responseSha256: index % 7 === 0 ? 'ab'.repeat(32) : null,
          ...(index % 3 === 0 ? {} : { responseFacts: index % 32 }),
        }),
        request: bodies[index % 4]!,
        response: bodies[(index + 1) % 4]!,
      }));
    },

    async ranges(groupId: string): Promise<Range[]> {
      const { rows } = await sql<Range>`
        SELECT base, suffix, starts_at AS "startsAt", ends_at AS "endsAt" FROM log_partitions(${groupId})
        ORDER BY base, starts_at`.execute(admin);
      return rows;
    },

    /** Everything that the tables hold of a group, every column as PostgreSQL writes it. */
    async contents(groupId: string): Promise<string[]> {
      const { rows } = await sql<{ text: string }>`
        SELECT i::text || ' ' || coalesce(p::text, 'none') AS text FROM inferences AS i
        LEFT JOIN inference_payloads AS p ON (p.group_id, p.created_at, p.id) = (i.group_id, i.created_at, i.id)
        WHERE i.group_id = ${groupId} ORDER BY i.created_at, i.id`.execute(admin);
      return rows.map(({ text }) => text);
    },

    async ledger(groupId: string): Promise<LedgerSums> {
      const { rows } = await sql<LedgerSums>`
        SELECT coalesce(sum(stored), 0)::integer AS stored, coalesce(sum(interrupted), 0)::integer AS interrupted,
          coalesce(sum(dropped), 0)::integer AS dropped, coalesce(sum(archived), 0)::integer AS archived,
          coalesce(sum(expired), 0)::integer AS expired, coalesce(sum(interrupted_removed), 0)::integer AS removed
        FROM ledger WHERE group_id = ${groupId}`.execute(admin);
      return rows[0]!;
    },

    /** One run of the leader's retention. */
    async retain(storage?: ArchiveStorage): Promise<void> {
      const job = createRetentionJob({
        ...{ db: leader, storage, everyMs: 1, entropy: systemEntropy, random: () => 0.5 },
        log: (line) => logged.push(line),
      });
      await job.run(new AbortController().signal);
    },

    async close(): Promise<void> {
      await sink.close();
      for (const pool of pools) await pool.destroy();
      await database.drop();
    },
  };
}

export type PartitionRig = Awaited<ReturnType<typeof createPartitionRig>>;
