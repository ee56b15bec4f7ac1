import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDiskStorage } from '#inference-log/archive/disk.ts';
import { createS3Storage } from '#inference-log/archive/s3.ts';
import { listArchives } from '#store/archives.ts';
import { startFakeS3 } from '#tests/support/fake-s3.ts';
import { createPartitionRig, DAY_MS, type PartitionRig } from '#tests/support/partition-rig.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');
let rig: PartitionRig;
let folder: string;
beforeAll(async () => {
  rig = await createPartitionRig();
  folder = await mkdtemp(join(tmpdir(), 'rs-archive-'));
});
afterAll(async () => {
  await rig.close();
  await rm(folder, { recursive: true, force: true });
});

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function ringside(
  args: readonly string[],
  env: Record<string, string> = { RINGSIDE_ARCHIVE_DIR: folder },
): Promise<Run> {
  return new Promise((done) => {
    const all = { ...process.env, DATABASE_URL: rig.databaseUrl, ...env };
    execFile(process.execPath, [LAUNCHER, 'archive', ...args], { env: all }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** A group whose rows of 40 days ago are due. */
async function dueGroup(count: number): Promise<string> {
  const groupId = await rig.createGroup({ partitionBy: 'day' });
  const gatewayId = randomUUID();
  const from = Math.floor(Date.now() / DAY_MS - 40) * DAY_MS;
  const moments = Array.from({ length: count }, (_, index) => from + index);
  await rig.write(rig.rowsAt(groupId, moments, gatewayId), gatewayId);
  await rig.setPolicy(groupId, { partitionBy: 'day', retentionDays: 30, archive: 'jsonl' });
  return groupId;
}

test('lists, verifies and restores, for people and for programs', async () => {
  expect((await ringside(['list'])).stdout).toBe('no archives\n');
  const groupId = await dueGroup(30);
  const contents = await rig.contents(groupId);
  await rig.retain(createDiskStorage(folder));
  const [archive] = await listArchives(rig.leader, { group: groupId });
  const listed = await ringside(['list', '--group', groupId]);
  expect(listed.stdout).toMatch(new RegExp(`^id .*\\n${archive!.id} .* dropped .* 30 .*jsonl\\.zst\\n$`));
  expect(JSON.parse((await ringside(['list', '--json'])).stdout)).toMatchObject([
    { id: archive!.id, groupId, state: 'dropped', rows: 30, sha256: archive!.file_sha256 },
  ]);
  expect(await ringside(['verify'])).toMatchObject({ code: 0, stdout: `${archive!.id}  whole\n` });
  // Where archives cannot be read at the moment, nobody knows whether they are whole.
  const unread = await ringside(['verify'], { RINGSIDE_ARCHIVE_DIR: '/dev/null' });
  expect(unread).toMatchObject({ code: 1, stdout: expect.stringMatching(/^\S+ {2}NOT READ: ENOTDIR.*\n$/) });
  const absent = await ringside(['verify'], { RINGSIDE_ARCHIVE_DIR: join(folder, 'empty') });
  expect(absent).toMatchObject({ code: 1, stdout: expect.stringMatching(/^\S+ {2}DAMAGED: there is no file .*\n$/) });
  expect((await ringside(['restore', ''])).stderr).toMatch(/there is no such archive/); // an unset variable of a script
  const path = join(folder, archive!.location);
  const bytes = await readFile(path);
  const flipped = Buffer.from(bytes);
  flipped[flipped.length >> 1]! ^= 1;
  await writeFile(path, flipped);
  const damaged = await ringside(['verify', archive!.id, '--json']);
  expect(damaged.code).toBe(1);
  expect(JSON.parse(damaged.stdout)).toMatchObject([{ id: archive!.id, whole: false, reason: expect.any(String) }]);
  const refused = await ringside(['restore', archive!.id]);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^ringside: .* is damaged: .*\n$/) });
  await rm(path);
  expect((await ringside(['restore', archive!.id])).stderr).toMatch(/^ringside: there is no file .*\n$/);
  await writeFile(path, bytes);
  const restored = await ringside(['restore', archive!.id.slice(0, 8), '--days', '3', '--json']);
  expect(JSON.parse(restored.stdout)).toMatchObject({ id: archive!.id, rows: 30, attached: true, days: 3 });
  expect(await rig.contents(groupId)).toEqual(contents);
  expect((await ringside(['restore', archive!.id])).stdout).toMatch(/^restored 0 rows .*\(30 were in them\)/);
});

test('the same from a bucket', async () => {
  const server = await startFakeS3();
  const settings = { ...server.credentials, bucket: 'logs', prefix: 'a/b', endpoint: server.url };
  const groupId = await dueGroup(10);
  const contents = await rig.contents(groupId);
  await rig.retain(createS3Storage(settings));
  expect(await rig.contents(groupId)).toEqual([]);
  const env = {
    RINGSIDE_ARCHIVE_URL: 's3://logs/a/b/',
    RINGSIDE_ARCHIVE_ENDPOINT: server.url,
    RINGSIDE_ARCHIVE_REGION: settings.region,
    RINGSIDE_ARCHIVE_ACCESS_KEY_ID: settings.accessKeyId,
    RINGSIDE_ARCHIVE_SECRET_ACCESS_KEY: settings.secretAccessKey,
  };
  const [archive] = await listArchives(rig.leader, { group: groupId });
  expect(await ringside(['verify', archive!.id], env)).toMatchObject({ code: 0 });
  expect((await ringside(['restore', archive!.id], env)).stdout).toMatch(/^restored 10 rows/);
  expect(await rig.contents(groupId)).toEqual(contents);
  await server.close();
});

test.each([
  [[], /usage: ringside archive/],
  [['drop'], /usage: ringside archive/],
  [['list', 'x'], /list takes no argument "x"/],
  [['list', '--all'], /Unknown option '--all'/],
  [['restore'], /restore takes one id/],
  [['restore', 'ffffffff'], /there is no such archive: ffffffff; see ringside archive list/, 1],
  [['restore', 'ffffffff', '--days', '0'], /--days: must be an integer from 1/],
] as const)('%j is one clear message', async (args, message, code: number = 2) => {
  const run = await ringside(args);
  expect(run.code).toBe(code);
  expect(run.stderr).toMatch(message);
  expect(run.stderr).not.toMatch(/at .*\.ts:/);
});

test.each([
  [{}, /neither RINGSIDE_ARCHIVE_DIR nor RINGSIDE_ARCHIVE_URL is set/],
  [{ DATABASE_URL: '' }, /DATABASE_URL is not set/],
  [{ RINGSIDE_ARCHIVE_URL: 'https://x' }, /RINGSIDE_ARCHIVE_URL: must be s3:/],
  [{ RINGSIDE_ARCHIVE_URL: 's3://logs' }, /needs RINGSIDE_ARCHIVE_ACCESS_KEY_ID/],
  [{ RINGSIDE_ARCHIVE_URL: 's3://logs', RINGSIDE_ARCHIVE_DIR: '/x' }, /both set/],
] as const)('settings %j are refused with one line', async (env, message) => {
  const run = await ringside(['verify'], env);
  expect(run.code).toBe(1);
  expect(run.stderr).toMatch(message);
  expect(run.stderr.trim().split('\n')).toHaveLength(1);
});
