import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { inject } from 'vitest';
import type { AlarmCode } from '#inference-log/alarms.ts';
import type { FeedbackWriter } from '#inference-log/feedback-record.ts';
import { createShipper, type Shipper, type ShipperOptions } from '#inference-log/shipper.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import type { LedgerTotals, Sink, SpoolWriter } from '#inference-log/spool.ts';
import { createSpoolWriter, type SpoolWriterOptions } from '#inference-log/spool-writer.ts';
import { createPool, type Db } from '#store/pool.ts';
import { createTestDatabase } from './database.ts';

/** A whole inference log: a folder of spools, a database, and writers and shippers between them. */
export interface LogRig {
  readonly root: string;
  readonly gatewayId: string;
  readonly databaseUrl: string;
  readonly db: Db;
  readonly alarms: { readonly code: AlarmCode; readonly message: string }[];
  /** The ledger as last reported by a shipper. */
  readonly ledger: () => readonly LedgerTotals[];
  openWriter(changes?: Partial<SpoolWriterOptions>): Promise<SpoolWriter & FeedbackWriter>;
  startShipper(sink?: Sink, changes?: Partial<ShipperOptions>): Promise<Shipper>;
  /** Names in the root that are spools. */
  spools(): Promise<string[]>;
  storedIds(): Promise<string[]>;
  /** Whether the database lets new connections in; turning it off ends those of shippers. */
  setReachable(reachable: boolean): Promise<void>;
  /** Ends every connection of shippers to the database. */
  cutConnections(): Promise<void>;
  close(): Promise<void>;
}

export async function createLogRig(): Promise<LogRig> {
  const root = await mkdtemp(join(tmpdir(), 'rs-log-'));
  const database = await createTestDatabase();
  const db = createPool({ databaseUrl: database.url, role: 'login', maxConnections: 2, applicationName: 'test' });
  const gatewayId = randomUUID();
  const alarms: { code: AlarmCode; message: string }[] = [];
  const onAlarm = (code: AlarmCode, message: string) => void alarms.push({ code, message });
  const sinks: Sink[] = [];
  const shippers: Shipper[] = [];
  let ledger: readonly LedgerTotals[] = [];
  const cutConnections = async () => {
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'ringside shipper'`.execute(db);
  };
  return {
    ...{ root, gatewayId, databaseUrl: database.url, db, alarms },
    ledger: () => ledger,
    openWriter: (changes) =>
      createSpoolWriter({
        ...{
          root,
          gatewayId,
          maxSpoolBytes: 1_000_000_000,
          nowMs: Date.now,
          randomId: randomUUID,
          onAlarm,
          probeMs: 5,
        },
        ...changes,
      }),
    async startShipper(sink = createPostgresSink({ databaseUrl: database.url }), changes = {}) {
      sinks.push(sink);
      const shipper = await createShipper({
        ...{ root, sink, gatewayId, onAlarm, nowMs: Date.now, monotonicMs: () => performance.now(), random: () => 0 },
        ...{ batchRows: 100, batchBytes: 1_000_000, maxBatchAgeMs: 20, pollMs: 5, scanMs: 20, reportMs: 10 },
        onLedger: (totals) => {
          ledger = totals;
        },
        onBacklog: () => {},
        ...changes,
      });
      shippers.push(shipper);
      return shipper;
    },
    spools: async () => (await readdir(root)).filter((name) => name !== 'dead-letters'),
    async storedIds() {
      const rows = await db.selectFrom('inferences').select('id').execute();
      return rows.map(({ id }) => id).sort();
    },
    async setReachable(reachable) {
      const name = new URL(database.url).pathname.slice(1);
      const options = { role: 'login', maxConnections: 1, applicationName: 'test' } as const;
      const server = createPool({ ...options, databaseUrl: inject('postgresUrl') });
      await sql`ALTER DATABASE ${sql.id(name)} ALLOW_CONNECTIONS ${sql.raw(String(reachable))}`.execute(server);
      await server.destroy();
      if (!reachable) await cutConnections();
    },
    cutConnections,
    async close() {
      for (const shipper of shippers) await shipper.stop({ drain: false, deadlineMs: 2_000 });
      for (const sink of sinks) await sink.close();
      await db.destroy();
      await database.drop();
      await rm(root, { recursive: true, force: true });
    },
  };
}
