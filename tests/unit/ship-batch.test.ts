import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEAD_LETTER_FOLDER } from '#inference-log/dead-letters.ts';
import { shipBatch } from '#inference-log/ship-batch.ts';
import type { ShipItem } from '#inference-log/ship-item.ts';
import { createMemorySink } from '#tests/support/memory-sink.ts';
import { beginRecord, endRecord, GROUP_ID, newInferenceId } from '#tests/support/records.ts';
import { mountTmpfs } from '#tests/support/tmpfs.ts';

// A dead letter on a disk that is full: shipping is what makes room there, so it must go on.

const PAYLOAD_BYTES = 600_000;
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rs-batch-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const at = (offset: number) => ({ segment: 1, offset });
const item = (offset: number, content: ShipItem['content']): ShipItem => ({
  ...{ id: newInferenceId(), shipped: at(offset), scan: undefined, bytes: 1 },
  frames: [{ type: 'begin', id: newInferenceId(), meta: Buffer.from('{}'), payload: Buffer.alloc(PAYLOAD_BYTES) }],
  content,
});
const good = (offset: number): ShipItem => {
  const made = item(offset, { kind: 'dropped', groupId: GROUP_ID, reason: '' });
  const row = {
    id: made.id,
    gatewayId: 'gateway',
    begin: beginRecord(),
    end: endRecord(),
    request: null,
    response: null,
  };
  return { ...made, content: { kind: 'row', row } };
};
const poison = (offset: number) => item(offset, { kind: 'dropped', groupId: GROUP_ID, reason: 'bad' });

async function ship(folder: string, items: readonly ShipItem[]) {
  const sink = createMemorySink();
  const alarms: string[] = [];
  const target = { root: folder, spoolId: 's', gatewayId: 'gateway', sink };
  const cursor = { scan: at(1_000), shipped: at(1_000) };
  const shipped = shipBatch(
    { ...target, onAlarm: (_, message) => void alarms.push(message) },
    { stored: undefined, safeScan: at(0) },
    ...([items, cursor, false] as const),
  );
  const outcome = await shipped.then(
    () => 'shipped',
    (error: NodeJS.ErrnoException) => error.code,
  );
  return { outcome, alarms, sink, cursor: await sink.readCursor('s') };
}

const disk = mountTmpfs(randomUUID().slice(0, 8), 1);
afterAll(() => disk?.unmount());

describe.skipIf(disk === undefined)('a disk with hardly any room', () => {
  test('the letter goes without its payloads, and the rows behind it are stored', async () => {
    await writeFile(join(disk!.path, 'other'), Buffer.alloc(500_000));
    const items = [good(10), poison(20), good(30)];
    const { outcome, alarms, sink, cursor } = await ship(disk!.path, items);
    expect([outcome, [...sink.rows.keys()], cursor?.shipped]).toEqual([
      'shipped',
      [items[0]!.id, items[2]!.id],
      at(1_000),
    ]);
    expect(alarms).toEqual([expect.stringContaining('1 of them without their payloads')]);
    const lines = (await readFile(join(disk!.path, DEAD_LETTER_FOLDER, 's.jsonl'), 'utf8')).split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { id: items[1]!.id, withoutPayloads: true, frames: [{ meta: 'e30=', payload: null }] },
    ]);
  });
});

test('a letter that cannot be written at all: what is before it is stored, and it is tried again', async () => {
  await mkdir(join(root, DEAD_LETTER_FOLDER));
  await symlink('/nowhere/at/all', join(root, DEAD_LETTER_FOLDER, 's.jsonl'));
  const items = [good(10), good(20), poison(30), good(40)];
  const first = await ship(root, items);
  expect(first).toMatchObject({ outcome: 'ENOENT', alarms: [], cursor: { scan: at(0), shipped: at(20) } });
  expect([...first.sink.rows.keys()]).toEqual([items[0]!.id, items[1]!.id]);
});
