import { link, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { claimOwnership, type Ownership } from '#inference-log/ownership.ts';
import { waitFor } from '#tests/support/wait.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rs-own-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function claim(path = folder): Promise<Extract<Ownership, { kind: 'owned' }> | undefined> {
  const ownership = await claimOwnership(path);
  return ownership.kind === 'owned' ? ownership : undefined;
}

test('one of many claimants at once owns the folder, the next one after its release', async () => {
  const claims = await Promise.all(Array.from({ length: 20 }, () => claim()));
  const owners = claims.filter((owner) => owner !== undefined);
  expect(owners).toHaveLength(1);
  expect(await claim()).toBeUndefined();
  await owners[0]!.release();
  expect(await readdir(folder)).toEqual(['owner-1.sock']); // numbers only ever rise
  const next = await claim();
  expect(next).toBeDefined();
  expect((await readdir(folder)).filter((name) => !name.startsWith('owner-'))).toEqual([]);
  await next?.release();
});

test('however claims and releases interleave, there is never a second owner', async () => {
  let [owners, won] = [0, 0];
  const contender = async () => {
    while (won < 150) {
      const owned = await claim();
      if (owned === undefined) continue;
      owners++;
      expect(owners).toBe(1);
      won++;
      await readdir(folder); // holds it for a moment
      owners--;
      await owned.release();
    }
  };
  await Promise.all(Array.from({ length: 8 }, contender));
  expect(won).toBeGreaterThanOrEqual(150);
});

test('a claimant that was slow does not become a second owner under an old number', async () => {
  await (await claim())?.release(); // leaves generation 1, dead
  let goOn = () => {};
  const gate = new Promise<void>((open) => {
    goOn = open;
  });
  const atLink = Promise.withResolvers<void>();
  const slow = claimOwnership(folder, async (existing, added) => {
    atLink.resolve();
    await gate;
    await link(existing, added);
  });
  await atLink.promise; // it has found generation 1 dead and will link generation 2
  await (await claim())?.release();
  const owner = await claim();
  expect(owner).toBeDefined();
  goOn();
  expect((await slow).kind).toBe('taken');
  await owner?.release();
});

test('paths beyond the length of a socket address work, and leave nothing behind in the temporary folder', async () => {
  const deep = join(folder, 'd'.repeat(90), 'e'.repeat(90));
  await mkdir(deep, { recursive: true });
  const temporary = join(folder, 'tmp');
  await mkdir(temporary);
  vi.stubEnv('TMPDIR', temporary);
  const owned = await claim(deep);
  expect(owned).toBeDefined();
  expect(await claim(deep)).toBeUndefined();
  await owned?.release();
  const again = await claim(deep);
  expect(again).toBeDefined();
  await again?.release();
  vi.unstubAllEnvs();
  expect(await readdir(temporary)).toEqual([]);
});

test('a thread that is busy keeps its folder; a thread that is gone does not', async () => {
  const worker = new Worker(new URL('../support/owner-thread.ts', import.meta.url), { workerData: folder });
  await new Promise((owned) => worker.once('message', owned)); // from now on it spins
  expect(await claim()).toBeUndefined();
  await worker.terminate();
  const owned = await waitFor('the folder to be free', () => claim());
  await owned.release();
});

test('a folder that is not there cannot be claimed', async () => {
  expect(await claim(join(folder, 'missing'))).toBeUndefined();
});
