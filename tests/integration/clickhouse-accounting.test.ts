import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createExpiryJob } from '#control-plane/jobs/expiry.ts';
import type { ClickHouseExpiry } from '#inference-log/sinks/clickhouse/expiry.ts';
import {
  broken,
  type ClickHouseRetentionRig,
  createClickHouseRetentionRig,
  daysAgo,
  POLICY,
  today,
} from '#tests/support/clickhouse-retention-rig.ts';
import { describeWithClickHouse } from '#tests/support/clickhouse-store.ts';
import { waitFor } from '#tests/support/wait.ts';

const LONGER = { ...POLICY, retentionDays: 60 };
type Removed = Parameters<ClickHouseExpiry['remove']>[0];

const stopServer = await describeWithClickHouse('what the ledger says of rows in ClickHouse', (server) => {
  let on: ClickHouseRetentionRig;
  beforeAll(async () => {
    on = await createClickHouseRetentionRig(server());
  });
  afterAll(() => on.close());
  beforeEach(() => on.forgetPolicies());

  // Of ten, two never ended.
  test('rows that nobody had counted when they expired count once, when their batch is shipped again', async () => {
    const groupId = await on.rig.createGroup();
    const killed = on.batchOf(groupId, [...daysAgo(40, 10), ...daysAgo(0, 5)]);
    await on.sink.write(on.batchOf(groupId, daysAgo(40, 10), killed.gatewayId));
    await on.crashing(killed);
    expect(await on.ages(groupId)).toEqual({ 0: 5, 40: 20 });
    await on.rig.setPolicy(groupId, POLICY);
    await on.retain();
    expect(await on.ages(groupId)).toEqual({ 0: 5 });
    expect(await on.rig.ledger(groupId)).toMatchObject({ stored: 0, expired: 8, interrupted: 2, removed: 2 });
    await on.sink.write(killed);
    expect(await on.ages(groupId)).toEqual({ 0: 5 });
    expect(await on.rig.ledger(groupId)).toMatchObject({ stored: 4, expired: 16, interrupted: 5, removed: 4 });
    await on.retain();
    expect(await on.rig.ledger(groupId)).toMatchObject({ stored: 4, expired: 16, interrupted: 5, removed: 4 });
  });

  test('a batch that is shipped again while its rows are being deleted counts once', async () => {
    const groupId = await on.rig.createGroup();
    const killed = on.batchOf(groupId, daysAgo(40, 10));
    await on.sink.write(on.batchOf(groupId, daysAgo(40, 10), killed.gatewayId));
    await on.crashing(killed);
    await on.rig.setPolicy(groupId, POLICY);
    // Once after the decision and before the count, once after the count.
    await on
      .retain({
        async count(old) {
          await on.sink.write(killed);
          return on.expiry.count(old);
        },
        remove: broken,
      })
      .catch(() => undefined);
    await on.retain();
    expect(await on.ages(groupId)).toEqual({});
    expect(await on.rig.ledger(groupId)).toMatchObject({ stored: 0, expired: 16, interrupted: 4, removed: 4 });
  });

  test('a batch whose rows expired uncounted is stored when the policy keeps it again', async () => {
    const groupId = await on.rig.createGroup();
    const killed = on.batchOf(groupId, daysAgo(40, 10));
    await on.crashing(killed);
    await on.rig.setPolicy(groupId, POLICY);
    await on.retain();
    expect(await on.ages(groupId)).toEqual({});
    await on.rig.setPolicy(groupId, LONGER);
    await on.sink.write(killed);
    expect(await on.ages(groupId)).toEqual({ 40: 10 });
    expect(await on.rig.ledger(groupId)).toMatchObject({ stored: 8, expired: 0, interrupted: 2, removed: 0 });
  });

  test('rows that the policy of now keeps wait for a deletion that was cut off', async () => {
    const groupId = await on.rig.createGroup();
    await on.ship(groupId, daysAgo(40, 10));
    await on.rig.setPolicy(groupId, POLICY);
    await expect(on.retain({ remove: broken })).rejects.toThrow('the connection broke');
    await on.rig.setPolicy(groupId, LONGER);
    const waiting = on.batchOf(groupId, [...daysAgo(70, 5), ...daysAgo(50, 10)]);
    await expect(on.sink.write(waiting)).rejects.toThrow(/wait for a deletion in ClickHouse/);
    // What no policy keeps need not wait.
    await on.ship(groupId, daysAgo(70, 10));
    expect(await on.rig.ledger(groupId)).toMatchObject({ stored: 8, expired: 8, interrupted: 4, removed: 2 });
    await on.retain();
    await on.sink.write(waiting);
    await on.retain();
    expect(await on.ages(groupId)).toEqual({ 40: 10, 50: 10 });
    expect(await on.rig.ledger(groupId)).toMatchObject({ stored: 16, expired: 12, interrupted: 7, removed: 3 });
  });

  test('a leader that lost its lead before its DELETE deletes nothing that its successor keeps', async () => {
    const groupId = await on.rig.createGroup();
    await on.ship(groupId, daysAgo(40, 10));
    await on.rig.setPolicy(groupId, POLICY);
    const [reached, resumed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const stale = on.retain({
      async remove(old) {
        reached.resolve();
        await resumed.promise;
        await on.expiry.remove(old);
      },
    });
    await reached.promise;
    await on.rig.setPolicy(groupId, LONGER);
    await on.retain();
    await on.ship(groupId, daysAgo(50, 10));
    resumed.resolve();
    await stale;
    expect(await on.ages(groupId)).toEqual({ 40: 10, 50: 10 });
    expect(await on.rig.ledger(groupId)).toMatchObject({ stored: 16, expired: 0, interrupted: 4, removed: 0 });
  });

  test('a DELETE of a run that is over deletes no row that came since', async () => {
    const groupId = await on.rig.createGroup();
    await on.ship(groupId, daysAgo(40, 10));
    await on.rig.setPolicy(groupId, POLICY);
    let told: Removed = [];
    const telling = async (old: Removed) => {
      told = old;
      await broken();
    };
    await expect(on.retain({ remove: telling })).rejects.toThrow('the connection broke');
    await on.retain();
    await on.rig.setPolicy(groupId, LONGER);
    await on.ship(groupId, daysAgo(40, 10));
    await on.expiry.remove(told);
    expect(await on.ages(groupId)).toEqual({ 40: 10 });
    expect(await on.rig.ledger(groupId)).toMatchObject({ stored: 8, expired: 8, interrupted: 4, removed: 2 });
  });

  test('what a DELETE that is under way deletes is not counted as kept', async () => {
    const groupId = await on.rig.createGroup();
    await on.ship(groupId, daysAgo(40, 10));
    await on.rig.setPolicy(groupId, POLICY);
    await on.store.client.query('SYSTEM STOP MERGES inferences');
    const slow = async () => {
      await on.store.client.query(
        `DELETE FROM inferences WHERE group_id = '${groupId}' SETTINGS lightweight_deletes_sync = 0`,
      );
      await broken();
    };
    await expect(on.retain({ remove: slow })).rejects.toThrow('the connection broke');
    await on.rig.setPolicy(groupId, LONGER);
    await expect(on.retain()).rejects.toThrow(/a deletion of before is still under way/);
    expect(await on.rig.ledger(groupId)).toMatchObject({ stored: 8, expired: 0 });
    await on.store.client.query('SYSTEM START MERGES inferences');
    await waitFor('the deletion to be done', async () => Object.keys(await on.ages(groupId)).length === 0);
    await waitFor('it to be counted', async () => {
      await on.retain().catch(() => undefined);
      return (await on.rig.ledger(groupId)).expired === 8;
    });
    expect(await on.rig.ledger(groupId)).toMatchObject({ stored: 0, expired: 8, interrupted: 2, removed: 2 });
  });

  test('rollups stay as long as ClickHouse has rows of their days', async () => {
    const groupId = await on.rig.createGroup();
    await on.ship(groupId, [...daysAgo(600, 5), ...daysAgo(500, 5)]);
    await on.store.client.query(
      `DELETE FROM inferences WHERE group_id = '${groupId}' AND created_at < now() - toIntervalDay(550)`,
    );
    await on.rig.setPolicy(groupId, { ...POLICY, archive: 'jsonl' });
    await expect(on.retain()).rejects.toThrow(/it wants an archive/);
    const rolledDays = async () => {
      const { rows } = await sql<{ age: number }>`
        SELECT DISTINCT ${new Date(today()).toISOString()}::date - (minute AT TIME ZONE 'UTC')::date AS age
        FROM rollups WHERE group_id = ${groupId}`.execute(on.rig.admin);
      return rows.map(({ age }) => age);
    };
    const expire = (clickhouse: ClickHouseExpiry) =>
      createExpiryJob({
        ...{ db: on.rig.leader, clickhouse, everyMs: 1, random: () => 0.5, log: (line) => on.rig.logged.push(line) },
      }).run(new AbortController().signal);
    await expect(expire({ ...on.expiry, oldest: broken as never })).rejects.toThrow(/rollups stay that should go/);
    expect((await rolledDays()).sort()).toEqual([500, 600]);
    await expire(on.expiry);
    expect(await rolledDays()).toEqual([500]);
    await on.rig.setPolicy(groupId, POLICY);
    await on.retain();
    await expire(on.expiry);
    expect(await rolledDays()).toEqual([]);
  });
});
afterAll(stopServer);
