import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createShipperThread } from '#gateway/shipper-thread.ts';
import { waitFor } from '../support/wait.ts';

test('a stop while a dead shipper waits for its successor still ships: a last one starts, and ends', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rs-shipper-'));
  const blocked = join(folder, 'blocked');
  await writeFile(blocked, ''); // where a folder has to be: the thread cannot start
  const log: string[] = [];
  const spoolRoot = join(blocked, 'spool');
  const databaseUrl = 'postgresql://nobody@127.0.0.1:1/none';
  const shipper = createShipperThread({
    databaseUrl,
    spoolRoot,
    gatewayId: 'g',
    maxSpoolBytes: 1e9,
    log: (line) => void log.push(line),
  });
  shipper.start([]);
  await waitFor('the shipper to end', () => log.some((line) => line.startsWith('the shipper ended')));
  await rm(blocked);
  const before = log.length;
  await shipper.stop(15_000); // a thread may take long to start
  expect(existsSync(spoolRoot)).toBe(true); // made by the last one
  expect(log.slice(before)).toEqual([]);
  await rm(folder, { recursive: true, force: true });
});

test('a stop before the start does nothing', async () => {
  const shipper = createShipperThread({
    databaseUrl: '',
    spoolRoot: '/nowhere',
    gatewayId: 'g',
    maxSpoolBytes: 1e9,
    log: () => undefined,
  });
  await shipper.stop(1_000);
});
