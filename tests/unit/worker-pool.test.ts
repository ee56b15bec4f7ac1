import { openSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type BootedWorker, bootWorkers } from '#gateway/boot.ts';
import { bindListener } from '#gateway/listener.ts';
import { createKeyTable } from '#gateway/snapshot/key-table.ts';
import { startWorkerPool } from '#gateway/worker-pool.ts';
import { gatewaySettings } from '../support/gateway-settings.ts';

let folder: string;
let booted: BootedWorker[];
let ended: Promise<unknown>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rs-pool-'));
  booted = bootWorkers(2);
  ended = Promise.all(booted.map(({ worker }) => new Promise((done) => worker.once('exit', done))));
});
afterEach(async () => {
  await Promise.all(booted.map(({ worker }) => worker.terminate()));
  await rm(folder, { recursive: true, force: true });
});

function start(descriptors: readonly number[], duplicate: (count: number) => Promise<number[]>, log: string[] = []) {
  return startWorkerPool({
    ...{ settings: gatewaySettings(folder), gatewayId: 'g', descriptors, booted, listener: { duplicate } },
    config: { current: () => ({ version: 3, snapshots: [], keys: createKeyTable([]).buffers }) },
    onSpool: () => undefined,
    onServing: () => undefined,
    log: (line) => void log.push(line),
  });
}

test('all listen, serve the version they started with, and end with a stop', async () => {
  const listener = bindListener('127.0.0.1', 0);
  const pool = await start(await listener.duplicate(2), (count) => listener.duplicate(count));
  expect(pool.servedVersion()).toBe(3);
  const answer = await fetch(`http://127.0.0.1:${listener.port}/healthz`, { headers: { connection: 'close' } });
  expect(answer.status).toBe(200);
  listener.close();
  await pool.stop(1_000);
  await ended;
  expect(pool.restarts).toBe(0);
});

test('a descriptor that cannot be listened on fails the start, with the reason in the log, and ends every thread', async () => {
  const path = join(folder, 'no-socket');
  await writeFile(path, '');
  const log: string[] = [];
  const none = () => Promise.reject(new Error('none is asked for'));
  const descriptors = [openSync(path, 'r'), openSync(path, 'r')];
  await expect(start(descriptors, none, log)).rejects.toThrow(/worker \d ended/);
  await ended;
  expect(log.join('\n')).toMatch(/did not start: .*EINVAL/);
});
