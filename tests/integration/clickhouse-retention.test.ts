import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemEntropy } from '#control-plane/entropy.ts';
import { createClickHouseRetentionJob } from '#control-plane/jobs/clickhouse-retention.ts';
import { startControlPlane } from '#control-plane/main.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { type ClickHouseExpiry, createClickHouseExpiry } from '#inference-log/sinks/clickhouse/expiry.ts';
import { createClickHouseSink } from '#inference-log/sinks/clickhouse/sink.ts';
import type { Sink } from '#inference-log/spool.ts';
import {
  type ClickHouseStore,
  createClickHouseStore,
  describeWithClickHouse,
} from '#tests/support/clickhouse-store.ts';
import { createPartitionRig, DAY_MS, type PartitionRig } from '#tests/support/partition-rig.ts';
import { waitFor } from '#tests/support/wait.ts';

const today = () => Math.floor(Date.now() / DAY_MS) * DAY_MS;
const daysAgo = (days: number, count: number) =>
  Array.from({ length: count }, (_, index) => today() - days * DAY_MS + index * 1_000);
const POLICY = { partitionBy: 'day', retentionDays: 30 } as const;

const stopServer = await describeWithClickHouse('retention in ClickHouse', (server) => {
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
    rig.logged.length = 0;
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
  const ship = async (groupId: string, moments: readonly number[], gatewayId = randomUUID()) => {
    await rig.write(rig.rowsAt(groupId, moments, gatewayId), gatewayId, sink);
    return gatewayId;
  };
  /** How many days ago the rows of a group are, and how many there are of each day; the same must hold of payloads. */
  const ages = async (groupId: string, table = 'inferences'): Promise<Record<string, number>> => {
    const rows =
      await store.rows(`SELECT intDiv(${today()} + ${DAY_MS} - 1 - toUnixTimestamp64Milli(created_at), ${DAY_MS}) AS age,
      count() AS found FROM ${table} FINAL WHERE group_id = '${groupId}' GROUP BY age`);
    return Object.fromEntries(rows.map(({ age, found }) => [age, found]));
  };
  const audits = async (groupId: string) => {
    const entries = rig.admin.selectFrom('audit_entries').selectAll().where('resource', '=', `groups/${groupId}`);
    return (await entries.execute()).map(({ action, before }) => [
      action,
      (before as unknown as { rows: number }).rows,
    ]);
  };

  test('each group keeps what its own policy says, and the ledger counts what went', async () => {
    const [short, long, endless] = [await rig.createGroup(), await rig.createGroup(), await rig.createGroup()];
    for (const groupId of [short, long, endless]) {
      await ship(groupId, [...daysAgo(40, 10), ...daysAgo(31, 10), ...daysAgo(29, 10), ...daysAgo(0, 10)]);
    }
    await rig.setPolicy(short, POLICY);
    await rig.setPolicy(long, { ...POLICY, retentionDays: 35 });
    await retain();
    expect(await ages(short)).toEqual({ 0: 10, 29: 10 });
    expect(Object.keys(await ages(short, 'inference_payloads'))).toEqual(['0', '29']);
    expect(await ages(long)).toEqual({ 0: 10, 29: 10, 31: 10 });
    expect(await ages(endless)).toEqual({ 0: 10, 29: 10, 31: 10, 40: 10 });
    // Of ten, two never ended.
    const base = { dropped: 0, archived: 0, interrupted: 8 };
    expect(await rig.ledger(short)).toEqual({ ...base, stored: 16, expired: 16, removed: 4 });
    expect(await rig.ledger(long)).toEqual({ ...base, stored: 24, expired: 8, removed: 2 });
    expect(await rig.ledger(endless)).toEqual({ ...base, stored: 32, expired: 0, removed: 0 });
    expect(await audits(short)).toEqual([['clickhouse.expire', 20]]);
    await retain();
    expect(await audits(short)).toEqual([['clickhouse.expire', 20]]);
    expect(await rig.ledger(short)).toEqual({ ...base, stored: 16, expired: 16, removed: 4 });
  });

  test('rows that come late for their retention are not stored, and count as expired', async () => {
    const groupId = await rig.createGroup(POLICY);
    await retain();
    const gatewayId = await ship(groupId, [...daysAgo(40, 10), ...daysAgo(2, 10), ...daysAgo(0, 10)]);
    expect(await ages(groupId)).toEqual({ 0: 10, 2: 10 });
    expect(await rig.ledger(groupId)).toMatchObject({ stored: 16, expired: 8, interrupted: 6, removed: 2 });
    expect(await sink.readLedger(gatewayId)).toEqual([
      { groupId, stored: 24, interrupted: 6, dropped: 0, archived: 0, expired: 8 },
    ]);
    // A retention that is lifted takes them again.
    await rig.setPolicy(groupId, { ...POLICY, retentionDays: 60 });
    await retain();
    await ship(groupId, daysAgo(40, 5));
    expect(await ages(groupId)).toEqual({ 0: 10, 2: 10, 40: 5 });
  });

  test('a run that is cut off anywhere is taken up, and counts once', async () => {
    const groupId = await rig.createGroup();
    await ship(groupId, [...daysAgo(40, 10), ...daysAgo(0, 10)]);
    await rig.setPolicy(groupId, POLICY);
    const broken = async () => {
      throw new Error('the connection broke');
    };
    const before = await rig.ledger(groupId);
    await expect(retain({ count: broken })).rejects.toThrow('the connection broke');
    await expect(retain({ remove: broken })).rejects.toThrow('the connection broke');
    expect(await rig.ledger(groupId)).toEqual(before);
    const halfway = async (old: Parameters<ClickHouseExpiry['remove']>[0]) => {
      await expiry.remove(old);
      await broken();
    };
    await expect(retain({ remove: halfway })).rejects.toThrow('the connection broke');
    expect(await rig.ledger(groupId)).toEqual(before);
    await retain();
    expect(await ages(groupId)).toEqual({ 0: 10 });
    const after = { ...before, stored: before.stored - 8, expired: 8, removed: 2 };
    expect(await rig.ledger(groupId)).toEqual(after);
    await retain();
    expect(await rig.ledger(groupId)).toEqual(after);
  });

  test('rows are stored as soon as the policy keeps them, before any run', async () => {
    for (const retentionDays of [null, 60]) {
      const groupId = await rig.createGroup(POLICY);
      await retain();
      await rig.setPolicy(groupId, { ...POLICY, retentionDays });
      await ship(groupId, daysAgo(40, 10));
      expect(await ages(groupId)).toEqual({ 40: 10 });
      expect(await rig.ledger(groupId)).toMatchObject({ stored: 8, expired: 0, interrupted: 2, removed: 0 });
      // And go when it keeps them no more.
      await rig.setPolicy(groupId, POLICY);
      await retain();
      expect(await ages(groupId)).toEqual({});
      expect(await rig.ledger(groupId)).toMatchObject({ stored: 0, expired: 8, removed: 2 });
    }
  });

  test('a run that was cut off deletes no more than the policy of now lets go', async () => {
    for (const policy of [{ retentionDays: 60 }, { retentionDays: null }, { archive: 'jsonl' }] as const) {
      const groupId = await rig.createGroup();
      await ship(groupId, [...daysAgo(40, 10), ...daysAgo(35, 10), ...daysAgo(0, 10)]);
      await rig.setPolicy(groupId, POLICY);
      const partly = async ([old]: Parameters<ClickHouseExpiry['remove']>[0]) => {
        await expiry.remove([{ ...old!, until: new Date(today() - 37 * DAY_MS) }]);
        throw new Error('the connection broke');
      };
      await expect(retain({ remove: partly })).rejects.toThrow('the connection broke');
      await rig.setPolicy(groupId, { ...POLICY, ...policy });
      await retain().catch((error: Error) => expect(error.message).toMatch(/it wants an archive/));
      expect(await ages(groupId)).toEqual({ 0: 10, 35: 10 });
      expect(await rig.ledger(groupId)).toMatchObject({ stored: 16, expired: 8, interrupted: 6, removed: 2 });
      expect(await audits(groupId)).toEqual([['clickhouse.expire', 10]]);
      await rig.admin
        .updateTable('groups')
        .set({ log: JSON.stringify({}) })
        .execute();
    }
  });

  test('a policy that changes while other groups are counted is asked again before rows go', async () => {
    const groupId = await rig.createGroup();
    const other = await rig.createGroup();
    for (const id of [groupId, other]) await ship(id, daysAgo(40, 10));
    for (const id of [groupId, other]) await rig.setPolicy(id, POLICY);
    const [first, second] = [groupId, other].sort();
    await retain({
      async count(old) {
        if (old.groupId === second) await rig.setPolicy(first!, { ...POLICY, retentionDays: 60 });
        return expiry.count(old);
      },
    });
    expect([await ages(first!), await ages(second!)]).toEqual([{ 40: 10 }, {}]);
    expect(await rig.ledger(first!)).toMatchObject({ stored: 8, expired: 0 });
  });

  test('two leaders at once remove and count once', async () => {
    for (let round = 0; round < 5; round++) {
      const groupId = await rig.createGroup();
      await ship(groupId, [...daysAgo(40, 10), ...daysAgo(0, 10)]);
      await rig.setPolicy(groupId, POLICY);
      await Promise.all([retain(), retain(), retain()]);
      await retain();
      expect(await ages(groupId)).toEqual({ 0: 10 });
      expect(await rig.ledger(groupId)).toMatchObject({ stored: 8, expired: 8, interrupted: 4, removed: 2 });
      expect(await audits(groupId)).toEqual([['clickhouse.expire', 10]]);
    }
  });

  test('a retention that is lifted while rows are counted keeps them', async () => {
    const groupId = await rig.createGroup();
    await ship(groupId, daysAgo(40, 10));
    await rig.setPolicy(groupId, POLICY);
    await retain({
      async count(old) {
        const counts = await expiry.count(old);
        await rig.setPolicy(groupId, { partitionBy: 'day' });
        return counts;
      },
    });
    expect(await ages(groupId)).toEqual({ 40: 10 });
    expect(await rig.ledger(groupId)).toMatchObject({ expired: 0 });
  });

  test('a group that wants archives keeps its rows, and it is said', async () => {
    const groupId = await rig.createGroup();
    await ship(groupId, daysAgo(40, 10));
    await rig.setPolicy(groupId, { ...POLICY, archive: 'jsonl' });
    await rig.createGroup({ ...POLICY, archive: 'jsonl' }); // has no rows there
    await expect(retain()).rejects.toThrow(
      /^rows stay that should go: group \S+: it wants an archive, and rows in ClickHouse are not archived$/,
    );
    expect(await ages(groupId)).toEqual({ 40: 10 });
  });

  test('months that are over are rewritten without what was removed from them', async () => {
    const groupId = await rig.createGroup();
    await ship(groupId, [...daysAgo(100, 10), ...daysAgo(0, 10)]);
    await rig.setPolicy(groupId, POLICY);
    await retain();
    await waitFor('the rows to be gone from the parts', async () => {
      const [found] = await store.rows(`SELECT count() AS rows FROM inferences
        WHERE group_id = '${groupId}' SETTINGS apply_deleted_mask = 0`);
      return found!['rows'] === 10;
    });
  });

  test('the leading control plane does it', async () => {
    const groupId = await rig.createGroup();
    await ship(groupId, [...daysAgo(40, 10), ...daysAgo(0, 10)]);
    const control = await startControlPlane({
      ...{ databaseUrl: rig.databaseUrl, host: '127.0.0.1', port: 0, clickhouse: store.address },
      ...{ keyring: [{ id: 'k', key: randomBytes(32) }], pepper: randomBytes(32) },
      ...{ privateUpstreams: parseAddressPolicy(''), log: (line: string) => rig.logged.push(line) },
      jobTimes: { leaderRetryMs: 20, retentionMs: 50 },
    });
    await rig.setPolicy(groupId, POLICY);
    await waitFor('the rows to go', async () => Object.keys(await ages(groupId)).length === 1);
    await waitFor('them to be counted', async () => (await rig.ledger(groupId)).expired === 8);
    await control.stop();
    expect(rig.logged.join('\n')).toMatch(/removed rows of group .* from ClickHouse: 10, expired/);
  });

  test('while shippers write old and new rows all along, nothing is lost, doubled or miscounted', async () => {
    const groupId = await rig.createGroup();
    let written = 0;
    let stopped = false;
    const shipping = async (old: number) => {
      while (!stopped) {
        const moments = [...daysAgo(40, old), ...daysAgo(31, 5), ...daysAgo(0, 5)];
        await ship(groupId, moments);
        written += moments.length;
      }
    };
    const shippers = Promise.all([shipping(5), shipping(10)]);
    for (const retentionDays of [30, 35, null, 30, 35, 30]) {
      await rig.setPolicy(groupId, { ...POLICY, retentionDays });
      await retain();
    }
    stopped = true;
    await shippers;
    const ledger = await rig.ledger(groupId);
    expect(ledger.stored + ledger.expired + ledger.interrupted).toBe(written);
    const held = Object.values(await ages(groupId)).reduce((sum, rows) => sum + rows, 0);
    expect(held).toBe(ledger.stored + ledger.interrupted - ledger.removed);
    const { rows } = await sql<{ state: string }>`
      SELECT state FROM clickhouse_expiry WHERE group_id = ${groupId}`.execute(rig.admin);
    expect(rows).toEqual([{ state: 'done' }]);
  }, 120_000);
});
afterAll(stopServer);
