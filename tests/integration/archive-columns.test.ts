import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createDiskStorage } from '#inference-log/archive/disk.ts';
import { restoreArchive } from '#inference-log/archive/restore-archive.ts';
import { listArchives } from '#store/archives.ts';
import type { ArchiveColumns } from '#store/database.ts';
import { createPartitionRig, DAY_MS } from '#tests/support/partition-rig.ts';

const how = { days: 7, actor: 'test', requestId: 'r' };

test.each([
  'jsonl',
  'parquet',
] as const)('facts of bodies come back from an archive as %s; from one of before there were any, rows without', async (archive) => {
  const rig = await createPartitionRig();
  const folder = await mkdtemp(join(tmpdir(), 'rs-archive-'));
  try {
    const disk = createDiskStorage(folder);
    const groupId = await rig.createGroup({ partitionBy: 'day' });
    const old = Math.floor(Date.now() / DAY_MS) * DAY_MS - 40 * DAY_MS;
    await rig.write(rig.rowsAt(groupId, [old, old + 1, old + 2, old + 3]));
    await rig.setPolicy(groupId, { partitionBy: 'day', retentionDays: 30, archive });
    const facts = async () => {
      const { rows } = await sql<{ facts: number | null }>`
        SELECT capture_facts AS facts FROM inferences WHERE group_id = ${groupId} ORDER BY created_at`.execute(
        rig.admin,
      );
      return rows.map((row) => row.facts);
    };
    const dropAndRestore = async (columnsOf: (columns: ArchiveColumns) => ArchiveColumns) => {
      await sql`UPDATE archives SET restored_until = now() - interval '1 day'`.execute(rig.admin);
      await rig.retain(disk);
      expect(await facts()).toEqual([]);
      const [made] = await listArchives(rig.leader, { group: groupId });
      const archived = { ...made!, columns: columnsOf(made!.columns!) };
      await restoreArchive({ db: rig.leader, storage: disk, random: () => 0.5 }, archived, how);
    };
    const before = await facts();
    expect(before).toEqual([null, 1 + 128, 1 + 2 * 128, null]);
    await dropAndRestore((columns) => columns);
    expect(await facts()).toEqual(before);
    await dropAndRestore(({ inferences, payloads }) => ({
      inferences: inferences.filter((name) => name !== 'capture_facts'),
      payloads,
    }));
    expect(await facts()).toEqual([null, null, null, null]);
  } finally {
    await rig.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test.each([
  'jsonl',
  'parquet',
] as const)('where inferences count and what they mirror comes back from an archive as %s', async (archive) => {
  const rig = await createPartitionRig();
  const folder = await mkdtemp(join(tmpdir(), 'rs-archive-'));
  try {
    const disk = createDiskStorage(folder);
    const groupId = await rig.createGroup({ partitionBy: 'day' });
    const old = Math.floor(Date.now() / DAY_MS) * DAY_MS - 40 * DAY_MS;
    await rig.write(rig.rowsAt(groupId, [old, old + 1, old + 2]));
    await sql`UPDATE inferences SET experiment_id = gen_random_uuid(), experiment_phase = 3, arm = 1 WHERE group_id = ${groupId}`.execute(
      rig.admin,
    );
    await sql`UPDATE inferences SET shadow_of = gen_random_uuid() WHERE group_id = ${groupId}
      AND id = (SELECT min(id::text)::uuid FROM inferences WHERE group_id = ${groupId})`.execute(rig.admin);
    const places = async () => {
      const { rows } = await sql`SELECT id, experiment_id, experiment_phase, arm, shadow_of FROM inferences
        WHERE group_id = ${groupId} ORDER BY id`.execute(rig.admin);
      return rows;
    };
    const before = await places();
    await rig.setPolicy(groupId, { partitionBy: 'day', retentionDays: 30, archive });
    await rig.retain(disk);
    expect(await places()).toEqual([]);
    const [made] = await listArchives(rig.leader, { group: groupId });
    await restoreArchive({ db: rig.leader, storage: disk, random: () => 0.5 }, made!, how);
    expect(before).toMatchObject([{ experiment_phase: 3, arm: 1 }, { shadow_of: null }, { shadow_of: null }]);
    expect(await places()).toEqual(before);
  } finally {
    await rig.close();
    await rm(folder, { recursive: true, force: true });
  }
});
