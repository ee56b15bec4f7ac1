import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MAX_FRAME_BYTES } from '#inference-log/frame.ts';
import { SEGMENT_FILES, type SegmentFiles } from '#inference-log/segments.ts';
import type { SpoolWriter } from '#inference-log/spool.ts';
import { createSpoolWriter, type SpoolWriterOptions } from '#inference-log/spool-writer.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';
import { countAccounts } from '#tests/support/spool-accounts.ts';
import { readSpoolModel } from '#tests/support/spool-model.ts';
import { waitFor } from '#tests/support/wait.ts';

let root: string;
let writer: SpoolWriter;
let alarms: string[];
let full: boolean;
let writes: number[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rs-writer-'));
  [alarms, full, writes] = [[], false, []];
});
afterEach(async () => {
  await writer.close();
  await rm(root, { recursive: true, force: true });
});

/** A disk that can be full, and that counts the buffers of each write. */
const files: SegmentFiles = {
  ...SEGMENT_FILES,
  writev(fd, buffers) {
    if (full) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    writes.push(buffers.length);
    return SEGMENT_FILES.writev(fd, buffers);
  },
  tryOut(path, bytes) {
    if (full) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    SEGMENT_FILES.tryOut(path, bytes);
  },
};

async function open(changes: Partial<SpoolWriterOptions> = {}): Promise<void> {
  writer = await createSpoolWriter({
    ...{ root, gatewayId: randomUUID(), maxSpoolBytes: 1e9, nowMs: Date.now, randomId: randomUUID, probeMs: 2, files },
    onAlarm: (code) => void alarms.push(code),
    ...changes,
  });
}

const model = () => readSpoolModel(join(root, writer.spoolId));

function end(id: string, response: readonly Uint8Array[] | null = null): Promise<boolean> {
  return new Promise((release) => writer.end(id, endRecord(), response, release));
}

function begin(): string {
  const id = newInferenceId();
  writer.begin(id, beginRecord(), [Buffer.from('request')]);
  return id;
}

test('all frames of a turn go in one write, and none is released before it', async () => {
  await open();
  const ids = Array.from({ length: 50 }, begin);
  let released = 0;
  const ends = ids.map((id) => end(id).then((recorded) => recorded && released++));
  await Promise.resolve();
  expect([released, writes]).toEqual([0, []]);
  await Promise.all(ends);
  expect([released, writes]).toEqual([50, [1]]);
  expect(model().ended.size).toBe(50);
});

test('a turn with more buffers than one call takes is written whole', async () => {
  await open();
  const ids = Array.from({ length: 1000 }, begin);
  const large = (fill: string) => Buffer.alloc(9_000, fill);
  await Promise.all(ids.map((id) => end(id, [large('a'), large('b')])));
  expect(writes.length).toBeGreaterThan(1);
  expect(writes.slice(0, -1).every((buffers) => buffers === 1024)).toBe(true);
  const answer = 'a'.repeat(9_000) + 'b'.repeat(9_000);
  expect([...model().ended.values()].every((response) => response === answer)).toBe(true);
});

test('what begins waits a moment for what ends; `handOver` writes it at once', async () => {
  const late: (() => void)[] = [];
  const accounts = countAccounts();
  await open({ accounts, scheduleLate: (flush) => void late.push(flush) });
  const accepted = () => accounts.counts.accepted;
  writer.begin(newInferenceId(), beginRecord(), null);
  await new Promise(setImmediate);
  expect([writes, accepted()]).toEqual([[], 0]);
  late.shift()!();
  expect([writes, accepted()]).toEqual([[1], 1]);
  const id = begin();
  writer.handOver();
  expect(writes).toEqual([1, 1]);
  late.shift()!();
  expect(await end(id)).toBe(true);
  expect(writes).toEqual([1, 1, 1]);
});

test('a full disk refuses what is affected, alarms once, and the spool goes on by itself', async () => {
  await open();
  const [kept, cut] = [begin(), begin()];
  expect(await end(kept)).toBe(true);
  full = true;
  const unbegun = begin();
  expect(await end(cut)).toBe(false);
  expect(writer.accepting).toBe(false);
  const late = begin();
  expect(await end(late)).toBe(false);
  expect(await Promise.all([end(unbegun)])).toEqual([false]);
  expect(alarms).toEqual(['spool_write_failed']);
  full = false;
  await waitFor('the spool to accept', () => writer.accepting);
  const after = begin();
  expect(await end(after)).toBe(true);
  expect(alarms).toEqual(['spool_write_failed', 'spool_recovered']);
  // The refused one is closed in the file: it is neither a row nor does it hold its segment for ever.
  await waitFor('the drop frame', () => !model().open.has(cut));
  expect([...model().ended.keys()].sort()).toEqual([kept, after].sort());
  expect(model()).toMatchObject({ strays: 0, open: new Set() });
});

test('an end whose part was lost is refused, though its own write would succeed', async () => {
  await open();
  const id = begin();
  await end(begin());
  full = true;
  writer.part(id, Buffer.from('lost'));
  await waitFor('the failure', () => !writer.accepting);
  full = false;
  await waitFor('the spool to accept', () => writer.accepting);
  expect(await end(id)).toBe(false);
});

test('a frame that is too large is refused and nothing else', async () => {
  await open();
  const [large, small] = [begin(), begin()];
  expect(await Promise.all([end(large, [Buffer.alloc(MAX_FRAME_BYTES)]), end(small)])).toEqual([false, true]);
  expect(alarms).toEqual(['frame_too_large']);
  expect(writer.accepting).toBe(true);
});

test('a release that throws does not keep the others waiting', async () => {
  await open();
  const [first, second] = [begin(), begin()];
  writer.end(first, endRecord(), null, () => {
    throw new Error('defect');
  });
  expect(await end(second)).toBe(true);
  expect(alarms).toEqual(['release_failed']);
});

test('closing writes what is pending; afterwards everything is refused', async () => {
  await open();
  const ending = end(begin());
  const left = begin();
  await writer.close();
  expect(await ending).toBe(true);
  expect(writer.accepting).toBe(false);
  expect(await end(left)).toBe(false);
  expect(model().open).toEqual(new Set([left]));
  expect((await readdir(join(root, writer.spoolId))).filter((name) => name.endsWith('.seg'))).toHaveLength(1);
});
