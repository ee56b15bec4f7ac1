import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FrameBatch } from '#inference-log/frame-batch.ts';
import type { SpoolPosition } from '#inference-log/spool.ts';
import { SPOOL_START, segmentName } from '#inference-log/spool-folder.ts';
import { createSpoolReader, type SpoolReader } from '#inference-log/spool-reader.ts';
import { newInferenceId } from '#tests/support/records.ts';

let folder: string;
let alarms: string[];
let reader: SpoolReader;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rs-reader-'));
  alarms = [];
  reader = createSpoolReader({ folder, from: SPOOL_START, chunkBytes: 200, onAlarm: (code) => void alarms.push(code) });
});
afterEach(async () => {
  await reader.close();
  await rm(folder, { recursive: true, force: true });
});

const batch = new FrameBatch();

function frame(id: string, payloadBytes = 0): Buffer {
  batch.clear();
  batch.append('begin', id, '{}', [Buffer.alloc(payloadBytes)]);
  return Buffer.concat(batch.buffers());
}

const segment = (number: number) => join(folder, segmentName(number));

/** Reads until there is nothing more, for now or ever. */
async function readIds(sealed: boolean): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const step = await reader.next(sealed);
    if (step.kind !== 'frames') return ids;
    ids.push(...step.frames.map((placed) => placed.frame.id));
  }
}

test('a writer that ends its segment while we look at its end loses no frame', async () => {
  const written: string[] = [];
  const read: string[] = [];
  for (let number = 1; number <= 300; number++) {
    const reading = readIds(false);
    for (let turns = number % 9; turns > 0; turns--) await turn(); // the race, at every moment
    const id = newInferenceId();
    written.push(id);
    appendFileSync(segment(number), frame(id));
    writeFileSync(segment(number + 1), '');
    read.push(...(await reading));
  }
  read.push(...(await readIds(true)));
  expect(read).toEqual(written);
  expect(alarms).toEqual([]);
});

test('a frame longer than a chunk is read whole, and again by its place', async () => {
  const ids = [newInferenceId(), newInferenceId(), newInferenceId()];
  writeFileSync(segment(1), Buffer.concat(ids.map((id, index) => frame(id, index * 5_000))));
  const first = await reader.next(true);
  if (first.kind !== 'frames') throw new Error(first.kind);
  const { at, next } = first.frames[0]!;
  expect(await readIds(true)).toEqual(ids.slice(1));
  expect((await reader.readAt(at, next.offset - at.offset))?.id).toBe(ids[0]);
});

test('half a frame is waited for while there is a writer, and skipped once there is none or a next segment', async () => {
  const [first, second] = [newInferenceId(), newInferenceId()];
  writeFileSync(segment(1), frame(first));
  truncateSync(segment(1), frame(first).length - 1);
  expect((await reader.next(false)).kind).toBe('idle');
  writeFileSync(segment(1), frame(first));
  expect(await readIds(false)).toEqual([first]);
  appendFileSync(segment(1), frame(second).subarray(0, 20));
  expect(await reader.next(true)).toEqual({ kind: 'end', position: { segment: 2, offset: 0 } });
  writeFileSync(segment(2), frame(second));
  expect(await readIds(false)).toEqual([second]);
  expect(alarms).toEqual([]);
});

test('bytes that do not check cost the rest of their segment, with one alarm', async () => {
  const ids = [newInferenceId(), newInferenceId(), newInferenceId()];
  const bad = frame(ids[1]!);
  bad[20]! ^= 1;
  writeFileSync(segment(1), Buffer.concat([frame(ids[0]!), bad, frame(ids[1]!)]));
  expect(await readIds(false)).toEqual([ids[0]]);
  expect(await readIds(false)).toEqual([]);
  writeFileSync(segment(2), frame(ids[2]!));
  expect(await readIds(false)).toEqual([ids[2]]);
  expect(alarms).toEqual(['spool_corrupt']);
});

test('a hold in a segment that has been left binds, too: the writer rotated behind it', async () => {
  const ids = [newInferenceId(), newInferenceId()];
  writeFileSync(segment(1), frame(ids[0]!));
  writeFileSync(segment(2), '');
  let hold: SpoolPosition | undefined;
  await reader.close();
  reader = createSpoolReader({ folder, from: SPOOL_START, onAlarm: () => undefined, holdAt: () => hold });
  expect(await readIds(false)).toEqual([ids[0]]);
  hold = { segment: 1, offset: frame(ids[0]!).length };
  appendFileSync(segment(2), frame(ids[1]!));
  expect(await reader.next(false)).toEqual({ kind: 'idle', position: { segment: 2, offset: 0 } });
  hold = undefined;
  expect(await readIds(false)).toEqual([ids[1]]);
});

test('a folder that has been removed is gone', async () => {
  await rm(folder, { recursive: true });
  expect((await reader.next(false)).kind).toBe('gone');
});
