import { randomUUID } from 'node:crypto';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SEGMENT_FILES, type SegmentFiles } from '#inference-log/segments.ts';
import { shipSpool } from '#inference-log/ship-spool.ts';
import { type Sink, StaleCursorError } from '#inference-log/spool.ts';
import { createWakeSignal } from '#inference-log/wake-signal.ts';
import { figuresOf, figuresOfRollups } from '#tests/support/figures.ts';
import { createMemorySink, type MemorySink } from '#tests/support/memory-sink.ts';
import { readSpoolModel, segmentFiles } from '#tests/support/spool-model.ts';
import { arbitrarySteps, openSpoolSession } from '#tests/support/spool-session.ts';

const gatewayId = randomUUID();
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rs-spool-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const segmentBytes = fc.integer({ min: 100, max: 6000 });
const shipping = fc.record({
  batchRows: fc.integer({ min: 1, max: 6 }),
  batchBytes: fc.integer({ min: 1000, max: 9000 }),
  chunkBytes: fc.integer({ min: 40, max: 3000 }),
  maxKeptFrameBytes: fc.constantFrom(0, 900, 100_000),
  maxKeptBytes: fc.constantFrom(0, 3000, 1_000_000),
});
type Shipping = typeof shipping extends fc.Arbitrary<infer Value> ? Value : never;
const faults = fc.array(fc.constantFrom('none', 'none', 'unreachable', 'answer_lost', 'stale'), { maxLength: 30 });

/** A sink of which calls fail as scripted: before the commit, or after it, as when the connection breaks just then. */
function faulty(sink: Sink, script: readonly string[]): Sink {
  const todo = [...script];
  return {
    ...sink,
    async write(batch) {
      const fault = todo.shift();
      if (fault === 'unreachable') throw new Error('connection refused');
      if (fault === 'stale') throw new StaleCursorError('moved');
      await sink.write(batch);
      if (fault === 'answer_lost') throw new Error('connection reset');
    },
  };
}

/** Ships as the shipper does, beginning anew from the cursor after each failure, until the spool is finished. */
async function ship(spoolId: string, sink: Sink, how: Shipping, sealed: () => boolean = () => true): Promise<void> {
  for (;;) {
    try {
      const shipped = await shipSpool({
        ...how,
        ...{ root, spoolId, gatewayId, sink, sealed },
        ...{
          maxBatchAgeMs: 2,
          pollMs: 1,
          nowMs: Date.now,
          monotonicMs: () => performance.now(),
          signal: createWakeSignal(),
        },
        rest: async () => {},
        ...{ onAlarm: () => {}, stopping: () => 'no', onCursor: () => {}, onHealthy: () => {} },
      });
      expect(shipped).toBe('finished');
      return;
    } catch (error) {
      if (!/connection|moved/.test(String(error))) throw error;
    }
  }
}

/** Checks that every id came once and that the ledger says the same. */
async function expectOnce(sink: MemorySink, spoolId: string, dropped = 0) {
  expect(new Set(sink.written).size).toBe(sink.written.length);
  const rows = [...sink.rows.values()];
  const isInterrupted = ({ end }: (typeof rows)[number]) => end.outcome === 'interrupted';
  const interrupted = new Set(rows.filter(isInterrupted).map(({ id }) => id));
  const ended = new Set(rows.filter((row) => !isInterrupted(row)).map(({ id }) => id));
  const sums = { stored: 0, interrupted: 0, dropped: 0 };
  for (const totals of await sink.readLedger(gatewayId)) {
    for (const name of ['stored', 'interrupted', 'dropped'] as const) sums[name] += totals[name];
  }
  expect(sums).toEqual({ stored: ended.size, interrupted: interrupted.size, dropped });
  expect(figuresOfRollups(sink.rollups(gatewayId))).toEqual(figuresOf(rows));
  expect(sink.cursors.get(spoolId)?.finished).toBe(true);
  return { ended, interrupted };
}

test('whatever is written and wherever a crash cuts it, each end is one row and each open one is interrupted once', async () => {
  const seen = { ended: 0, open: 0, dropped: 0 };
  const cuts = fc.double({ min: 0, max: 1, noNaN: true });
  await fc.assert(
    fc.asyncProperty(
      arbitrarySteps,
      segmentBytes,
      cuts,
      shipping,
      faults,
      async (steps, maxSegmentBytes, cut, how, script) => {
        const session = await openSpoolSession({ root, gatewayId, maxSegmentBytes });
        await session.run(steps);
        session.close();
        const last = segmentFiles(session.folder).at(-1);
        if (last !== undefined) {
          const path = join(session.folder, last);
          truncateSync(path, Math.round(statSync(path).size * cut));
        }
        const model = readSpoolModel(session.folder);
        const sink = createMemorySink();
        await ship(session.spoolId, faulty(sink, script), how);
        const whole = new Set(model.ended.keys());
        const dropped = whole.intersection(session.poisoned).size;
        const { ended, interrupted } = await expectOnce(sink, session.spoolId, dropped);
        expect(ended).toEqual(whole.difference(session.poisoned));
        expect(interrupted).toEqual(model.open);
        for (const id of ended) {
          const stored = sink.rows.get(id)!.response;
          expect(stored === null ? null : Buffer.from(stored).toString('latin1')).toBe(model.ended.get(id));
        }
        seen.dropped += dropped;
        // Once more, as after a crash just before the folder was removed.
        await ship(session.spoolId, sink, how);
        await expectOnce(sink, session.spoolId, dropped);
        seen.ended += ended.size;
        seen.open += interrupted.size;
      },
    ),
    { numRuns: 60 },
  );
  expect(seen.ended).toBeGreaterThan(100);
  expect(seen.open).toBeGreaterThan(30);
  expect(seen.dropped).toBeGreaterThan(5);
}, 60_000);

/** Files of which writes are cut short or fail, as scripted; undefined lets one through. */
function failingFiles(limits: readonly (number | undefined)[]): SegmentFiles {
  const left = [...limits];
  let full = false;
  return {
    ...SEGMENT_FILES,
    writev(fd, buffers) {
      if (full) {
        full = false;
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      }
      const limit = left.shift();
      const bytes = Buffer.concat(buffers);
      if (limit === undefined || limit >= bytes.length) return SEGMENT_FILES.writev(fd, [bytes]);
      full = true;
      return SEGMENT_FILES.writev(fd, [bytes.subarray(0, Math.max(1, limit))]);
    },
  };
}

test('while the disk fails and comes back, what was acknowledged is stored and what was refused is not', async () => {
  const seen = { recorded: 0, lost: 0 };
  const limits = fc.array(fc.option(fc.nat(1500), { freq: 2, nil: undefined }), { maxLength: 40, size: 'max' });
  await fc.assert(
    fc.asyncProperty(
      arbitrarySteps,
      segmentBytes,
      limits,
      shipping,
      faults,
      async (steps, maxSegmentBytes, limit, how, script) => {
        const session = await openSpoolSession({ root, gatewayId, maxSegmentBytes, files: failingFiles(limit) });
        const sink = createMemorySink();
        let closed = false;
        const shipped = ship(session.spoolId, faulty(sink, script), how, () => closed);
        await session.run(steps);
        session.close();
        closed = true;
        await shipped;
        const dropped = session.recorded.intersection(session.poisoned).size;
        const { ended, interrupted } = await expectOnce(sink, session.spoolId, dropped);
        expect(ended).toEqual(session.recorded.difference(session.poisoned));
        for (const id of interrupted) expect(session.recorded.has(id)).toBe(false);
        seen.recorded += session.recorded.size;
        seen.lost += session.lost.size;
      },
    ),
    { numRuns: 50 },
  );
  expect(seen.recorded).toBeGreaterThan(50);
  expect(seen.lost).toBeGreaterThan(50);
}, 60_000);

test('with any byte flipped, shipping ends, doubles nothing and invents nothing', async () => {
  let damaged = 0;
  await fc.assert(
    fc.asyncProperty(arbitrarySteps, segmentBytes, fc.nat(), shipping, async (steps, maxSegmentBytes, place, how) => {
      const session = await openSpoolSession({ root, gatewayId, maxSegmentBytes });
      await session.run(steps);
      session.close();
      const before = readSpoolModel(session.folder);
      const files = segmentFiles(session.folder);
      const path = join(session.folder, files[place % files.length] ?? 'none');
      const bytes = files.length === 0 ? Buffer.alloc(0) : readFileSync(path);
      if (bytes.length > 0) {
        bytes[place % bytes.length]! ^= 1 << (place % 8);
        writeFileSync(path, bytes);
      }
      const model = readSpoolModel(session.folder);
      const sink = createMemorySink();
      await ship(session.spoolId, sink, how);
      const whole = new Set(model.ended.keys());
      const dropped = model.strays + whole.intersection(session.poisoned).size;
      const { ended } = await expectOnce(sink, session.spoolId, dropped);
      expect(ended).toEqual(whole.difference(session.poisoned));
      if (model.ended.size < before.ended.size) damaged++;
    }),
    { numRuns: 40 },
  );
  expect(damaged).toBeGreaterThan(8);
}, 60_000);
