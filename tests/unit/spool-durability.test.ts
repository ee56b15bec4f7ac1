import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SEGMENT_FILES } from '#inference-log/segments.ts';
import type { SpoolWriter } from '#inference-log/spool.ts';
import { createSpoolHold, readHold, type SpoolHold } from '#inference-log/spool-hold.ts';
import { DEFAULT_TERMS, type SpoolTerms } from '#inference-log/spool-terms.ts';
import { createSpoolWriter, type SpoolWriterOptions } from '#inference-log/spool-writer.ts';
import { startSyncThread } from '#inference-log/sync-thread.ts';
import { createFakeSyncer, type FakeSyncer } from '#tests/support/fake-syncer.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';
import { type CountedAccounts, countAccounts } from '#tests/support/spool-accounts.ts';
import { readSpoolModel } from '#tests/support/spool-model.ts';
import { waitFor } from '#tests/support/wait.ts';

const MEMORY: SpoolTerms = { ...DEFAULT_TERMS, durability: 'memory' };
const DISK: SpoolTerms = { ...DEFAULT_TERMS, durability: 'disk' };

let root: string;
let writer: SpoolWriter;
let syncer: FakeSyncer;
let accounts: CountedAccounts;
let hold: SpoolHold;
let alarms: string[];
let isFull: boolean;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rs-durability-'));
  [syncer, accounts, hold, alarms, isFull] = [createFakeSyncer(), countAccounts(), createSpoolHold(), [], false];
});
afterEach(async () => {
  syncer.finishAll();
  await writer.close();
  await rm(root, { recursive: true, force: true });
});

async function open(changes: Partial<SpoolWriterOptions> = {}): Promise<void> {
  writer = await createSpoolWriter({
    ...{ root, gatewayId: randomUUID(), maxSpoolBytes: 1e9, nowMs: Date.now, randomId: randomUUID, probeMs: 2 },
    ...{ openSyncer: syncer.open, accounts, hold },
    files: {
      ...SEGMENT_FILES,
      writev(fd, buffers) {
        if (isFull) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
        return SEGMENT_FILES.writev(fd, buffers);
      },
    },
    onAlarm: (code) => void alarms.push(code),
    ...changes,
  });
}

const folder = () => join(root, writer.spoolId);
const model = () => readSpoolModel(folder());
const turn = () => new Promise((done) => setImmediate(done));

function begin(terms: SpoolTerms, request = Buffer.from('request')): string {
  const id = newInferenceId();
  writer.begin(id, beginRecord(), [request], terms);
  return id;
}

/** What the answer was told, once it was told anything. */
interface Ended {
  readonly id: string;
  mayEnd: boolean | undefined;
}

function end(id: string, terms: SpoolTerms, response: Buffer | null = null): Ended {
  const ended: Ended = { id, mayEnd: undefined };
  const release = (mayEnd: boolean) => {
    ended.mayEnd = mayEnd;
  };
  writer.end(id, endRecord(), response === null ? null : [response], release, terms);
  return ended;
}

const whole = (terms: SpoolTerms) => end(begin(terms), terms);

test('process mode syncs nothing and starts nothing that could', async () => {
  await open({ maxSegmentBytes: 1_000 });
  for (let i = 0; i < 20; i++) {
    const ended = whole(DEFAULT_TERMS);
    await turn();
    expect(ended.mayEnd).toBe(true);
  }
  await writer.close();
  expect(syncer.opened).toBe(0);
  expect(readHold(hold)).toBeUndefined();
});

test('memory mode releases at once, writes late, and does not mind what becomes of the memory of its bodies', async () => {
  const late: (() => void)[] = [];
  await open({ scheduleLate: (flush) => void late.push(flush) });
  const [request, response] = [Buffer.alloc(20_000, 'q'), Buffer.alloc(20_000, 'r')];
  const ended = end(begin(MEMORY, request), MEMORY, response);
  expect(ended.mayEnd).toBe(true);
  for (const body of [request, response]) body.fill('x');
  await turn();
  expect(accounts.counts).toMatchObject({ accepted: 0, written: 0 });
  late.shift()!();
  expect(model().ended.get(ended.id)).toBe('r'.repeat(20_000));
  expect(accounts.counts).toMatchObject({ accepted: 1, written: 1 });
  expect(syncer.opened).toBe(0);
});

test('memory mode: what could not be written after its answer is counted', async () => {
  await open();
  await turn();
  isFull = true;
  const ended = whole(MEMORY);
  await waitFor('the loss to be counted', () => accounts.losses.write_failed === 1);
  expect(ended.mayEnd).toBe(true);
  expect(accounts.inFlight()).toBe(0);
});

test('disk mode: answers wait for a sync, those that end meanwhile share the next', async () => {
  await open();
  const first = [whole(DISK), whole(DISK)];
  await turn();
  const second = [whole(DISK), whole(DISK)];
  const other = whole(DEFAULT_TERMS);
  await turn();
  expect(syncer.orders).toHaveLength(1);
  expect([...first, ...second].map(({ mayEnd }) => mayEnd)).toEqual(Array(4).fill(undefined));
  expect(other.mayEnd).toBe(true);
  // Handed to the system, like any other; only the answer waits.
  expect(accounts.counts).toMatchObject({ accepted: 5, written: 5 });
  expect(readHold(hold)).toEqual({ segment: 1, offset: 0 });
  syncer.finish();
  expect(first.map(({ mayEnd }) => mayEnd)).toEqual([true, true]);
  expect(second.map(({ mayEnd }) => mayEnd)).toEqual([undefined, undefined]);
  expect(readHold(hold)!.offset).toBeGreaterThan(0);
  syncer.finish();
  expect(second.map(({ mayEnd }) => mayEnd)).toEqual([true, true]);
  expect(readHold(hold)).toBeUndefined();
  expect(syncer.isBusy).toBe(false);
  expect(syncer.opened).toBe(1);
});

test('disk mode: names are synced when they are new, the spool’s own with the first', async () => {
  await open({ maxSegmentBytes: 1_000 });
  const directories: (readonly string[])[] = [];
  for (let i = 0; i < 4; i++) {
    whole(DISK);
    await turn();
    while (syncer.isBusy) syncer.finish();
  }
  for (const order of syncer.orders) directories.push(order.directories);
  expect(directories[0]).toEqual([folder(), root, dirname(root)]);
  const named = new Set<number>();
  for (const order of syncer.orders) {
    const isNew = order.files.some(({ segment }) => !named.has(segment));
    expect(order.directories.includes(folder())).toBe(isNew);
    for (const { segment } of order.files) named.add(segment);
  }
  expect(named.size).toBeGreaterThan(2);
});

test('disk mode: a segment that has ended is synced before anything in the next is released, and then closed', async () => {
  const closed: number[] = [];
  await open({
    maxSegmentBytes: 100,
    files: {
      ...SEGMENT_FILES,
      close(fd) {
        closed.push(fd);
        SEGMENT_FILES.close(fd);
      },
    },
  });
  const id = begin(DISK); // in the first segment, which nobody has asked to sync
  writer.handOver();
  const ended = end(id, DISK);
  await turn();
  const [order] = syncer.orders;
  expect(order!.files.map(({ segment }) => segment)).toEqual([1, 2]);
  expect([ended.mayEnd, closed]).toEqual([undefined, []]);
  syncer.finish();
  expect([ended.mayEnd, closed]).toEqual([true, [order!.files[0]!.fd]]);
});

test('a failed sync condemns its segment: what it had not confirmed is lost and taken back, one alarm, and it goes on', async () => {
  await open();
  const good = whole(DISK);
  await turn();
  syncer.finish();
  const unconfirmed = begin(DISK);
  const [waiting, kept] = [whole(DISK), whole(DEFAULT_TERMS)];
  await turn();
  const meanwhile = whole(DISK);
  await turn();
  syncer.finish('input/output error');
  expect(writer.accepts(DISK)).toBe(false);
  expect(writer.accepts(DEFAULT_TERMS)).toBe(true);
  await turn();
  expect([good, waiting, kept, meanwhile].map(({ mayEnd }) => mayEnd)).toEqual([true, false, true, false]);
  expect(alarms).toEqual(['spool_sync_failed']);
  expect(readHold(hold)).toBeUndefined();
  await waitFor('the probe', () => syncer.isBusy);
  const probed = syncer.orders.at(-1)!.files.map(({ segment }) => segment);
  expect(probed).toEqual([2]);
  syncer.finish();
  expect(alarms).toEqual(['spool_sync_failed', 'spool_recovered']);
  expect(writer.accepts(DISK)).toBe(true);
  // Its begin frame is in the segment that was given up: no later sync says anything about that.
  const broken = end(unconfirmed, DISK);
  const after = whole(DISK);
  await turn();
  while (syncer.isBusy) syncer.finish();
  expect([broken.mayEnd, after.mayEnd]).toEqual([false, true]);
  await waitFor('the drop frames', () => model().open.size === 0);
  expect([...model().ended.keys()].sort()).toEqual([good.id, kept.id, after.id].sort());
  expect(accounts.losses.sync_failed).toBe(3);
  expect(accounts.counts.written).toBe(3);
  expect(accounts.inFlight()).toBe(0);
});

test('while syncs fail there is one alarm, and policies that need no record go on', async () => {
  await open();
  whole(DISK);
  await turn();
  for (let i = 0; i < 3; i++) {
    await waitFor('a sync', () => syncer.isBusy);
    syncer.finish('input/output error');
  }
  expect(alarms).toEqual(['spool_sync_failed']);
  const unlogged: SpoolTerms = { ...DISK, whenSpoolFull: 'serve-unlogged' };
  expect(writer.accepts(unlogged)).toBe(true);
  const ended = whole(unlogged);
  await turn();
  expect(ended.mayEnd).toBe(true);
  expect(accounts.losses).toMatchObject({ sync_failed: 1, unlogged: 1 });
  expect(writer.accepts({ ...DISK, whenSpoolFull: 'metadata-only' })).toBe(false);
});

test('a write that fails in the middle: what came through is synced before it is released', async () => {
  let allowed = Number.POSITIVE_INFINITY;
  await open({
    files: {
      ...SEGMENT_FILES,
      writev(fd, buffers) {
        if (allowed <= 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
        const taken = SEGMENT_FILES.writev(fd, [Buffer.concat(buffers).subarray(0, allowed)]);
        allowed -= taken;
        return taken;
      },
    },
  });
  const [kept, cut] = [whole(DISK), whole(DISK)];
  allowed = 1_500;
  await turn();
  expect(syncer.orders[0]!.files.map(({ segment }) => segment)).toContain(1);
  expect([kept.mayEnd, cut.mayEnd]).toEqual([undefined, false]);
  syncer.finish();
  expect(kept.mayEnd).toBe(true);
  expect(model().ended.has(cut.id)).toBe(false);
});

test('closing waits for the answers that wait for a sync', async () => {
  await open();
  const ended = whole(DISK);
  const closing = writer.close();
  expect(ended.mayEnd).toBeUndefined();
  syncer.finishAll();
  await closing;
  expect(ended.mayEnd).toBe(true);
});

test('the thread syncs real files, says what fails, and is replaced when it dies', async () => {
  const real = startSyncThread();
  await open({ openSyncer: () => real });
  const ended = [whole(DISK), whole(DISK)];
  await waitFor('the sync', () => ended.every(({ mayEnd }) => mayEnd === true));
  const failure = new Promise<string | undefined>((done) =>
    real.sync({ files: [], directories: [join(root, 'missing')] }, done),
  );
  expect(await failure).toMatch(/missing.*ENOENT/);
  await real.close();
  const late = new Promise<string | undefined>((done) => real.sync({ files: [], directories: [] }, done));
  expect(await late).toMatch(/thread/);
  expect(existsSync(folder())).toBe(true);
  expect((await readdir(folder())).some((name) => name.endsWith('.seg'))).toBe(true);
});
