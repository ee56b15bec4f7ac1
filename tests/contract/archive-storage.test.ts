import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDiskStorage } from '#inference-log/archive/disk.ts';
import { createS3Storage, type S3Settings } from '#inference-log/archive/s3.ts';
import type { ArchiveStorage } from '#inference-log/archive/storage.ts';
import { startFakeS3 } from '#tests/support/fake-s3.ts';
import { waitFor } from '#tests/support/wait.ts';
import { describeArchiveStorage } from './archive-storage.ts';

const PART_BYTES = 64 * 1024;
let folder: string;
let server: Awaited<ReturnType<typeof startFakeS3>>;
let disk: ArchiveStorage;
let s3: ArchiveStorage;
const s3With = (changes: Partial<S3Settings> = {}) =>
  createS3Storage({
    ...{ bucket: 'my.bucket', prefix: 'some/pre fix', endpoint: server.url, partBytes: PART_BYTES },
    ...server.credentials,
    ...changes,
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rs-archive-'));
  server = await startFakeS3();
  disk = createDiskStorage(folder);
  s3 = s3With();
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

describeArchiveStorage('on disk', () => disk, 4 * PART_BYTES);
describeArchiveStorage('in a bucket', () => s3, 4 * PART_BYTES);

async function* bytes(count: number): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(count, 7);
}

test('on disk, nothing unfinished is left behind', async () => {
  const entries = await readdir(folder, { recursive: true });
  expect(entries.filter((name) => name.endsWith('.unfinished'))).toEqual([]);
});

test('on disk, what a writer that died left of a file goes with it', async () => {
  await mkdir(join(folder, 'died'));
  await writeFile(join(folder, 'died', 'a.zst.unfinished'), 'half of it');
  await disk.remove('died/a.zst');
  expect(await readdir(join(folder, 'died'))).toEqual([]);
});

test('on disk, every folder that got an entry is synced before a file counts as written, up to what was there', async () => {
  const root = join(folder, 'above', 'root');
  let synced = new Set<string>();
  const storage = createDiskStorage(root, async (path) => {
    for (const name of await readdir(path)) synced.add(join(path, name)); // what its sync makes durable
  });
  const folders = [join(folder, 'above'), root, join(root, 'org'), join(root, 'org', 'group')];
  await storage.write('org/group/a.zst', bytes(10));
  for (const path of [...folders, join(root, 'org/group/a.zst')]) expect(synced).toContain(path);
  expect([...synced].filter((path) => path.endsWith('.unfinished'))).toEqual([]);
  // Folders that were made by one who died before their sync.
  synced = new Set();
  await storage.write('org/group/b.zst', bytes(10));
  for (const path of [...folders.slice(2), join(root, 'org/group/b.zst')]) expect(synced).toContain(path);
});

test('in a bucket, names lie below the prefix, and no upload is left open', async () => {
  await s3.write('org/x', bytes(10));
  expect([...server.objects.keys()]).toContain('/my.bucket/some/pre fix/org/x');
  await s3With({ prefix: '' }).write('y', bytes(10));
  expect([...server.objects.keys()]).toContain('/my.bucket/y');
  expect(server.uploads.size).toBe(0);
});

test('in a bucket, a part that fails once is sent again', async () => {
  server.failNext(/^PUT .*partNumber=2/, 503, 2);
  await s3.write('again', bytes(3 * PART_BYTES));
  expect(server.objects.get('/my.bucket/some/pre fix/again')).toHaveLength(3 * PART_BYTES);
});

test('in a bucket, an upload that fails for good is aborted and says why', async () => {
  server.failNext(/^POST .*uploadId=/, 400);
  await expect(s3.write('never', bytes(3 * PART_BYTES))).rejects.toThrow(/answered 400 InternalError: made to fail/);
  expect(server.uploads.size).toBe(0);
  expect(server.objects.has('/my.bucket/some/pre fix/never')).toBe(false);
});

test('in a bucket, a wrong secret is refused, and not told', async () => {
  const failure = await s3With({ secretAccessKey: 'planted-canary' })
    .write('x', bytes(10))
    .catch((error: Error) => error.message);
  expect(failure).toMatch(/answered 403 SignatureDoesNotMatch/);
  expect(failure).not.toContain('planted-canary');
});

test('in a bucket, a file that its reader takes slowly is read to its end', async () => {
  const size = 16 * 1024 * 1024; // more than sockets and streams hold by themselves
  await s3.write('slow', bytes(size));
  const hasty = s3With({ limits: { requestMs: 300, idleMs: 5_000 } });
  const startedMs = performance.now();
  let read = 0;
  for await (const chunk of hasty.read('slow')) {
    if (read === 0) await waitFor('more time than a request has', () => performance.now() - startedMs > 700);
    read += chunk.length;
  }
  expect(read).toBe(size);
});

test('in a bucket, a file whose bytes stop coming is given up, and the connection with it', async () => {
  await s3.write('stalling', bytes(100_000));
  server.stallNext(/^GET /, 40_000);
  let read = 0;
  const reading = async () => {
    for await (const chunk of s3With({ limits: { requestMs: 5_000, idleMs: 200 } }).read('stalling'))
      read += chunk.length;
  };
  await expect(reading()).rejects.toThrow(/GET .*stalling: no byte for 200 ms/);
  expect(read).toBe(40_000);
  await waitFor('the connection to be closed', () => server.open.size === 0);
});

test.each(['GET', 'PUT', 'DELETE'])('in a bucket, a %s that is never answered is given up', async (method) => {
  server.stallNext(new RegExp(`^${method} `), null);
  const hasty = s3With({ limits: { requestMs: 200, idleMs: 5_000 } });
  const ask = async () => {
    if (method === 'GET') for await (const _ of hasty.read('x')) expect.unreachable();
    else if (method === 'PUT') await hasty.write('x', bytes(10));
    else await hasty.remove('x');
  };
  await expect(ask()).rejects.toThrow(new RegExp(`${method} .*/x: no answer for 200 ms`));
});

test('in a bucket, who stops reading closes the connection', async () => {
  await s3.write('left', bytes(16 * 1024 * 1024));
  for await (const chunk of s3.read('left')) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  await waitFor('the connection to be closed', () => server.open.size === 0);
});
