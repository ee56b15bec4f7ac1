import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createExpiryJob, FIGURE_DAYS } from '#control-plane/jobs/expiry.ts';
import { createDiskStorage } from '#inference-log/archive/disk.ts';
import { restoreArchive } from '#inference-log/archive/restore-archive.ts';
import { verifyLog } from '#inference-log/verify/verify-log.ts';
import { listArchives } from '#store/archives.ts';
import { openAudit } from '#store/log-audit.ts';
import { createPartitionRig, DAY_MS, type PartitionRig } from '#tests/support/partition-rig.ts';

let rig: PartitionRig;
let folder: string;
beforeAll(async () => {
  rig = await createPartitionRig();
  folder = await mkdtemp(join(tmpdir(), 'rs-expiry-'));
});
afterAll(async () => {
  await rig.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  rig.logged.length = 0;
  await rig.admin
    .updateTable('groups')
    .set({ log: JSON.stringify({}) })
    .execute();
});

const today = () => Math.floor(Date.now() / DAY_MS) * DAY_MS;
const daysAgo = (days: number, count: number) =>
  Array.from({ length: count }, (_, index) => today() - days * DAY_MS + index * 61_000);

/** One run of the leader's job; in steps so small that it takes several. */
async function expire(stepRows = 7): Promise<void> {
  const job = createExpiryJob({
    ...{ db: rig.leader, everyMs: 1, random: () => 0.5, stepRows },
    log: (line) => rig.logged.push(line),
  });
  await job.run(new AbortController().signal);
}

/** How many days ago the minutes of a group's rollups are, and how many rows they count. */
async function rolledAges(groupId: string): Promise<Record<string, number>> {
  const { rows } = await sql<{ age: number; counted: number }>`
    SELECT (${new Date(today()).toISOString()}::date - (minute AT TIME ZONE 'UTC')::date) AS age,
      sum(count + interrupted)::bigint AS counted FROM rollups WHERE group_id = ${groupId} GROUP BY 1`.execute(
    rig.admin,
  );
  return Object.fromEntries(rows.map(({ age, counted }) => [age, counted]));
}

async function findings(group: string) {
  const audit = openAudit(rig.databaseUrl);
  const spoolRoot = await mkdtemp(join(tmpdir(), 'rs-spools-'));
  const report = await verifyLog({ db: audit, spoolRoot, group, maxIds: 3, onProgress: () => {} });
  await audit.destroy();
  await rm(spoolRoot, { recursive: true });
  return report.findings;
}

/** A gateway that stopped so many days ago, and what it says to have accepted of a group. */
async function gatewayOf(id: string, groupId: string, stoppedDays: number | null, accepted: number, recorded: number) {
  const at = new Date(Date.now() - (stoppedDays ?? 0) * DAY_MS);
  await rig.admin
    .insertInto('gateways')
    .values({
      ...{ id, host: 'h', pid: 1, release: '0', workers: 1, snapshot_version: 0, key_version: 0, spools: 1 },
      ...{ started_at: at, seen_at: at, stopped_at: stoppedDays === null ? null : at },
    })
    .execute();
  await rig.admin
    .insertInto('gateway_ledgers')
    .values({ gateway_id: id, group_id: groupId, accepted, recorded, dropped: '{}' })
    .execute();
}

async function entriesOf(groupId: string) {
  const of = async (table: 'ledger' | 'gateway_ledgers') => {
    const rows = await rig.admin.selectFrom(table).select('gateway_id').where('group_id', '=', groupId).execute();
    return rows.map((row) => row.gateway_id).sort();
  };
  return { held: await of('ledger'), reported: await of('gateway_ledgers') };
}

const ALL_AGES = [600, FIGURE_DAYS + 50, FIGURE_DAYS + 1, FIGURE_DAYS - 1, 40, 0];

test('rollups live as long as rows do, but at least so many days, and the log verifies all along', async () => {
  const groups: Record<string, string> = {};
  for (const name of ['short', 'long', 'endless']) {
    const groupId = await rig.createGroup({ partitionBy: 'day' });
    groups[name] = groupId;
    for (const gatewayId of [randomUUID(), randomUUID()]) {
      const rows = rig.rowsAt(
        groupId,
        ALL_AGES.flatMap((days) => daysAgo(days, 5)),
        gatewayId,
      );
      await rig.write(rows, gatewayId);
    }
  }
  const { short, long, endless } = groups as { short: string; long: string; endless: string };
  await rig.setPolicy(short, { partitionBy: 'day', retentionDays: 30 });
  await rig.setPolicy(long, { partitionBy: 'day', retentionDays: FIGURE_DAYS + 60 });
  await rig.setPolicy(endless, { partitionBy: 'day' });
  await rig.retain();
  await expire();
  const kept = (ages: readonly number[]) => Object.fromEntries(ages.map((age) => [age, 10]));
  expect(await rolledAges(short)).toEqual(kept([FIGURE_DAYS - 1, 40, 0]));
  expect(await rolledAges(long)).toEqual(kept(ALL_AGES.slice(1)));
  expect(await rolledAges(endless)).toEqual(kept(ALL_AGES));
  for (const groupId of [short, long, endless]) expect(await findings(groupId)).toEqual([]);
  expect(rig.logged.join('\n')).toMatch(/removed 40 rollups/);

  // A replay of what is long gone is counted and, in its turn, forgotten.
  const late = randomUUID();
  await rig.write(rig.rowsAt(short, [...daysAgo(600, 5), ...daysAgo(0, 5)], late), late);
  expect((await rolledAges(short))[600]).toBe(5);
  await expire();
  expect((await rolledAges(short))[600]).toBeUndefined();
  expect(await findings(short)).toEqual([]);
});

test('rollups of a time whose rows are still there stay', async () => {
  const groupId = await rig.createGroup({ partitionBy: 'day' });
  await rig.write(rig.rowsAt(groupId, [...daysAgo(600, 5), ...daysAgo(500, 5)]));
  await rig.setPolicy(groupId, { partitionBy: 'day', retentionDays: 30, archive: 'jsonl' });
  await rig.retain().catch(() => undefined); // no place for archives: its rows stay
  await expire();
  expect(await rolledAges(groupId)).toEqual({ 600: 5, 500: 5 });
});

test('a ledger entry goes when it balances and nothing that it counts is left', async () => {
  const groupId = await rig.createGroup({ partitionBy: 'day' });
  const [gone, gap, recent, serving, vanished, unreported, idle] = Array.from({ length: 7 }, () => randomUUID()) as [
    ...({ length: 7 } & string[]),
  ] as string[];
  const old = async (gatewayId: string) => rig.write(rig.rowsAt(groupId, daysAgo(600, 10), gatewayId), gatewayId);
  for (const id of [gone, gap, recent, serving, vanished, unreported]) await old(id!);
  await rig.write(rig.rowsAt(groupId, daysAgo(0, 5), serving), serving!);
  // Of ten, two never ended.
  await gatewayOf(gone!, groupId, 500, 10, 8);
  await gatewayOf(gap!, groupId, 500, 11, 9);
  await gatewayOf(recent!, groupId, 5, 10, 8);
  await gatewayOf(serving!, groupId, null, 15, 12);
  await gatewayOf(vanished!, groupId, null, 7, 5); // killed; its last report is of a moment before
  await gatewayOf(idle!, groupId, 500, 0, 0);
  await rig.admin
    .updateTable('gateways')
    .set({ seen_at: new Date(Date.now() - 500 * DAY_MS) })
    .where('id', '=', vanished!)
    .execute();
  await expire();
  expect((await entriesOf(groupId)).held).toHaveLength(6); // the rows are there: nothing goes
  await rig.setPolicy(groupId, { partitionBy: 'day', retentionDays: 30 });
  await rig.retain();
  const before = await findings(groupId);
  await expire();
  expect(await entriesOf(groupId)).toEqual({
    held: [gap, recent, serving].sort(),
    reported: [gap, recent, serving].sort(),
  });
  expect(rig.logged.join('\n')).toMatch(/removed 3 entries of the ledger/); // and the one that was idle, before
  // What is left adds up as before, the one gap included.
  expect(await findings(groupId)).toEqual(before);
});

test('an entry stays as long as an archive can bring its rows back', async () => {
  const groupId = await rig.createGroup({ partitionBy: 'day' });
  const gatewayId = randomUUID();
  const disk = createDiskStorage(folder);
  await rig.write(rig.rowsAt(groupId, daysAgo(600, 10), gatewayId), gatewayId);
  await gatewayOf(gatewayId, groupId, 500, 10, 8);
  const before = await rig.ledger(groupId);
  await rig.setPolicy(groupId, { partitionBy: 'day', retentionDays: 30, archive: 'jsonl' });
  await rig.retain(disk);
  await expire();
  expect(await rolledAges(groupId)).toEqual({});
  expect(await entriesOf(groupId)).toEqual({ held: [gatewayId], reported: [gatewayId] });
  const [archive] = await listArchives(rig.leader, { group: groupId });
  const how = { days: 7, actor: 'test', requestId: 'r' };
  await restoreArchive({ db: rig.leader, storage: disk, random: () => 0.5 }, archive!, how);
  expect(await rig.ledger(groupId)).toEqual(before);
  expect(await findings(groupId)).toEqual([]);
});
