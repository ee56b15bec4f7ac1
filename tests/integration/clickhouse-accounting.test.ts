import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemEntropy } from '#control-plane/entropy.ts';
import { createClickHouseRetentionJob } from '#control-plane/jobs/clickhouse-retention.ts';
import { createExpiryJob } from '#control-plane/jobs/expiry.ts';
import { type ClickHouseExpiry, createClickHouseExpiry } from '#inference-log/sinks/clickhouse/expiry.ts';
import { createClickHouseSink } from '#inference-log/sinks/clickhouse/sink.ts';
import type { Sink, SinkBatch } from '#inference-log/spool.ts';
import {
  type ClickHouseStore,
  createClickHouseStore,
  describeWithClickHouse,
} from '#tests/support/clickhouse-store.ts';
import { createPartitionRig, DAY_MS, type PartitionRig } from '#tests/support/partition-rig.ts';
import { waitFor } from '#tests/support/wait.ts';

/** Rows are in ClickHouse by then, and PostgreSQL forgets the batch: what a shipper leaves that is killed between the two. */
const FAIL_COMMITS = `
  CREATE FUNCTION public.crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a crash'; END $$;
  CREATE CONSTRAINT TRIGGER crash AFTER INSERT OR UPDATE ON ringside.spools DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.crash()`;
const LET_COMMIT = 'DROP TRIGGER crash ON ringside.spools; DROP FUNCTION public.crash()';

const today = () => Math.floor(Date.now() / DAY_MS) * DAY_MS;
const daysAgo = (days: number, count: number) =>
  Array.from({ length: count }, (_, index) => today() - days * DAY_MS + index * 1_000);
const POLICY = { partitionBy: 'day', retentionDays: 30 } as const;
const LONGER = { ...POLICY, retentionDays: 60 };
type Removed = Parameters<ClickHouseExpiry['remove']>[0];

const stopServer = await describeWithClickHouse('what the ledger says of rows in ClickHouse', (server) => {
  let rig: PartitionRig;
  let store: ClickHouseStore;
  let sink: Sink;
  let expiry: ClickHouseExpiry;
  beforeAll(async () => {
    rig = await createPartitionRig();
    store = await createClickHouseStore(server());
    sink = createClickHouseSink({ databaseUrl: rig.databaseUrl, clickhouse: store.address });
    expiry = createClickHouseExpiry(store.address);
  });
  afterAll(async () => {
    expiry.close();
    await sink.close();
    await store.close();
    await rig.close();
  });
  beforeEach(async () => {
    await rig.admin
      .updateTable('groups')
      .set({ log: JSON.stringify({}) })
      .execute();
  });

  const retain = (changes: Partial<ClickHouseExpiry> = {}) =>
    createClickHouseRetentionJob({
      ...{ db: rig.leader, expiry: { ...expiry, ...changes }, everyMs: 1, entropy: systemEntropy, random: () => 0.5 },
      log: (line) => rig.logged.push(line),
    }).run(new AbortController().signal);
  const broken = async () => {
    throw new Error('the connection broke');
  };
  const batchOf = (groupId: string, moments: readonly number[], gatewayId: string = randomUUID()): SinkBatch => {
    const cursor = { scan: { segment: 1, offset: 1 }, shipped: { segment: 1, offset: 1 } };
    const rows = rig.rowsAt(groupId, moments, gatewayId);
    return { spoolId: randomUUID(), gatewayId, expected: undefined, cursor, rows, dropped: [], finished: false };
  };
  const ship = (groupId: string, moments: readonly number[]) => sink.write(batchOf(groupId, moments));
  const crashing = async (batch: SinkBatch) => {
    await sql.raw(FAIL_COMMITS).execute(rig.admin);
    try {
      await expect(sink.write(batch)).rejects.toThrow('a crash');
    } finally {
      await sql.raw(LET_COMMIT).execute(rig.admin);
    }
  };
  /** How many rows of a group there are, by how many days old they are. */
  const ages = async (groupId: string): Promise<Record<string, number>> => {
    const rows =
      await store.rows(`SELECT intDiv(${today()} + ${DAY_MS} - 1 - toUnixTimestamp64Milli(created_at), ${DAY_MS}) AS age,
      count() AS found FROM inferences FINAL WHERE group_id = '${groupId}' GROUP BY age`);
    return Object.fromEntries(rows.map(({ age, found }) => [age, found]));
  };

  // Of ten, two never ended.
  test('rows that nobody had counted when they expired count once, when their batch is shipped again', async () => {
    const groupId = await rig.createGroup();
    const killed = batchOf(groupId, [...daysAgo(40, 10), ...daysAgo(0, 5)]);
    await sink.write(batchOf(groupId, daysAgo(40, 10), killed.gatewayId));
    await crashing(killed);
    expect(await ages(groupId)).toEqual({ 0: 5, 40: 20 });
    await rig.setPolicy(groupId, POLICY);
    await retain();
    expect(await ages(groupId)).toEqual({ 0: 5 });
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 0, expired: 8, interrupted: 2, removed: 2 });
    await sink.write(killed);
    expect(await ages(groupId)).toEqual({ 0: 5 });
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 4, expired: 16, interrupted: 5, removed: 4 });
    await retain();
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 4, expired: 16, interrupted: 5, removed: 4 });
  });

  test('a batch that is shipped again while its rows are being deleted counts once', async () => {
    const groupId = await rig.createGroup();
    const killed = batchOf(groupId, daysAgo(40, 10));
    await sink.write(batchOf(groupId, daysAgo(40, 10), killed.gatewayId));
    await crashing(killed);
    await rig.setPolicy(groupId, POLICY);
    // Once after the decision and before the count, once after the count.
    await retain({
      async count(old) {
        await sink.write(killed);
        return expiry.count(old);
      },
      remove: broken,
    }).catch(() => undefined);
    await retain();
    expect(await ages(groupId)).toEqual({});
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 0, expired: 16, interrupted: 4, removed: 4 });
  });

  test('a batch whose rows expired uncounted is stored when the policy keeps it again', async () => {
    const groupId = await rig.createGroup();
    const killed = batchOf(groupId, daysAgo(40, 10));
    await crashing(killed);
    await rig.setPolicy(groupId, POLICY);
    await retain();
    expect(await ages(groupId)).toEqual({});
    await rig.setPolicy(groupId, LONGER);
    await sink.write(killed);
    expect(await ages(groupId)).toEqual({ 40: 10 });
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 8, expired: 0, interrupted: 2, removed: 0 });
  });

  test('rows that the policy of now keeps wait for a deletion that was cut off', async () => {
    const groupId = await rig.createGroup();
    await ship(groupId, daysAgo(40, 10));
    await rig.setPolicy(groupId, POLICY);
    await expect(retain({ remove: broken })).rejects.toThrow('the connection broke');
    await rig.setPolicy(groupId, LONGER);
    const waiting = batchOf(groupId, [...daysAgo(70, 5), ...daysAgo(50, 10)]);
    await expect(sink.write(waiting)).rejects.toThrow(/wait for a deletion in ClickHouse/);
    // What no policy keeps need not wait.
    await ship(groupId, daysAgo(70, 10));
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 8, expired: 8, interrupted: 4, removed: 2 });
    await retain();
    await sink.write(waiting);
    await retain();
    expect(await ages(groupId)).toEqual({ 40: 10, 50: 10 });
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 16, expired: 12, interrupted: 7, removed: 3 });
  });

  test('a leader that lost its lead before its DELETE deletes nothing that its successor keeps', async () => {
    const groupId = await rig.createGroup();
    await ship(groupId, daysAgo(40, 10));
    await rig.setPolicy(groupId, POLICY);
    const [reached, resumed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const stale = retain({
      async remove(old) {
        reached.resolve();
        await resumed.promise;
        await expiry.remove(old);
      },
    });
    await reached.promise;
    await rig.setPolicy(groupId, LONGER);
    await retain();
    await ship(groupId, daysAgo(50, 10));
    resumed.resolve();
    await stale;
    expect(await ages(groupId)).toEqual({ 40: 10, 50: 10 });
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 16, expired: 0, interrupted: 4, removed: 0 });
  });

  test('a DELETE of a run that is over deletes no row that came since', async () => {
    const groupId = await rig.createGroup();
    await ship(groupId, daysAgo(40, 10));
    await rig.setPolicy(groupId, POLICY);
    let told: Removed = [];
    const telling = async (old: Removed) => {
      told = old;
      await broken();
    };
    await expect(retain({ remove: telling })).rejects.toThrow('the connection broke');
    await retain();
    await rig.setPolicy(groupId, LONGER);
    await ship(groupId, daysAgo(40, 10));
    await expiry.remove(told);
    expect(await ages(groupId)).toEqual({ 40: 10 });
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 8, expired: 8, interrupted: 4, removed: 2 });
  });

  test('what a DELETE that is under way deletes is not counted as kept', async () => {
    const groupId = await rig.createGroup();
    await ship(groupId, daysAgo(40, 10));
    await rig.setPolicy(groupId, POLICY);
    await store.client.query('SYSTEM STOP MERGES inferences');
    const slow = async () => {
      await store.client.query(
        `DELETE FROM inferences WHERE group_id = '${groupId}' SETTINGS lightweight_deletes_sync = 0`,
      );
      await broken();
    };
    await expect(retain({ remove: slow })).rejects.toThrow('the connection broke');
    await rig.setPolicy(groupId, LONGER);
    await expect(retain()).rejects.toThrow(/a deletion of before is still under way/);
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 8, expired: 0 });
    await store.client.query('SYSTEM START MERGES inferences');
    await waitFor('the deletion to be done', async () => Object.keys(await ages(groupId)).length === 0);
    await waitFor('it to be counted', async () => {
      await retain().catch(() => undefined);
      return (await rig.ledger(groupId)).expired === 8;
    });
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 0, expired: 8, interrupted: 2, removed: 2 });
  });

  test('whatever is cut off, and however the policy changes: in the end each record has counted once', async () => {
    const ages = fc.constantFrom(31, 40, 50, 70);
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('ship', 'crash'), days: ages }),
      fc.record({ kind: fc.constant('repeat') }),
      fc.record({ kind: fc.constant('policy'), retentionDays: fc.constantFrom(30, 45, 60, null) }),
      fc.record({ kind: fc.constant('retain'), cut: fc.constantFrom('nowhere', 'count', 'before', 'after') }),
    );
    const cutOff = (cut: string): Partial<ClickHouseExpiry> => {
      if (cut === 'count') return { count: broken as never };
      if (cut === 'before') return { remove: broken };
      if (cut !== 'after') return {};
      const after = async (runs: Removed) => {
        await expiry.remove(runs);
        await broken();
      };
      return { remove: after };
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 16 }), async (steps) => {
        const groupId = await rig.createGroup();
        const gatewayId = randomUUID();
        let open: SinkBatch[] = [];
        let written = 0;
        const attempt = async (batch: SinkBatch) => {
          await sink.write(batch).catch((error: Error) => {
            expect(error.message).toMatch(/wait for a deletion/);
            open.push(batch);
          });
        };
        const repeat = async () => {
          const again = open;
          open = [];
          for (const batch of again) await attempt(batch);
        };
        const next = (days: number) => {
          written++;
          return batchOf(groupId, [...daysAgo(days, 5), ...daysAgo(0, 5)], gatewayId);
        };
        for (const taken of steps) {
          if ('days' in taken) {
            const batch = next(taken.days);
            if (taken.kind === 'ship') await attempt(batch);
            else {
              await crashing(batch).catch(() => undefined); // one that must wait does not come so far
              open.push(batch);
            }
          } else if ('retentionDays' in taken) {
            await rig.setPolicy(groupId, { ...POLICY, retentionDays: taken.retentionDays });
          } else if ('cut' in taken) {
            await retain(cutOff(taken.cut)).catch((error: Error) => expect(error.message).toMatch(/connection broke/));
          } else await repeat();
          const { stored, expired, removed } = await rig.ledger(groupId);
          expect(Math.min(stored, expired, removed)).toBeGreaterThanOrEqual(0);
        }
        await rig.setPolicy(groupId, POLICY);
        await retain();
        await repeat();
        expect(open).toEqual([]);
        await rig.setPolicy(groupId, { ...POLICY, retentionDays: 29 });
        await retain();
        // Of five, one never ended.
        const [ended, interrupted] = [4 * written, written];
        expect(await rig.ledger(groupId)).toMatchObject({
          stored: ended,
          expired: ended,
          interrupted: 2 * interrupted,
          removed: interrupted,
        });
        const found = await store.rows(`SELECT count() AS rows FROM inferences FINAL WHERE group_id = '${groupId}'`);
        expect(found).toEqual([{ rows: 5 * written }]);
      }),
      { numRuns: 8 },
    );
  }, 240_000);

  test('rollups stay as long as ClickHouse has rows of their days', async () => {
    const groupId = await rig.createGroup();
    await ship(groupId, [...daysAgo(600, 5), ...daysAgo(500, 5)]);
    await store.client.query(
      `DELETE FROM inferences WHERE group_id = '${groupId}' AND created_at < now() - toIntervalDay(550)`,
    );
    await rig.setPolicy(groupId, { ...POLICY, archive: 'jsonl' });
    await expect(retain()).rejects.toThrow(/it wants an archive/);
    const rolledDays = async () => {
      const { rows } = await sql<{ age: number }>`
        SELECT DISTINCT ${new Date(today()).toISOString()}::date - (minute AT TIME ZONE 'UTC')::date AS age
        FROM rollups WHERE group_id = ${groupId}`.execute(rig.admin);
      return rows.map(({ age }) => age);
    };
    const expire = (clickhouse: ClickHouseExpiry) =>
      createExpiryJob({
        ...{ db: rig.leader, clickhouse, everyMs: 1, random: () => 0.5, log: (line) => rig.logged.push(line) },
      }).run(new AbortController().signal);
    await expect(expire({ ...expiry, oldest: broken as never })).rejects.toThrow(/rollups stay that should go/);
    expect((await rolledDays()).sort()).toEqual([500, 600]);
    await expire(expiry);
    expect(await rolledDays()).toEqual([500]);
    await rig.setPolicy(groupId, POLICY);
    await retain();
    await expire(expiry);
    expect(await rolledDays()).toEqual([]);
  });
});
afterAll(stopServer);
