import { randomUUID } from 'node:crypto';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failingFiles } from '#tests/support/failing-files.ts';
import { figuresOf, figuresOfRollups } from '#tests/support/figures.ts';
import { createMemorySink, type MemorySink } from '#tests/support/memory-sink.ts';
import { readSpoolModel, segmentFiles } from '#tests/support/spool-model.ts';
import { arbitrarySteps, openSpoolSession } from '#tests/support/spool-session.ts';
import { faults, faulty, ship, shipping } from '#tests/support/spool-shipping.ts';

const gatewayId = randomUUID();
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rs-spool-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const segmentBytes = fc.integer({ min: 100, max: 6000 });
const spoolOf = ({ spoolId }: { readonly spoolId: string }) => ({ root, spoolId, gatewayId });

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
        await session.close();
        const last = segmentFiles(session.folder).at(-1);
        if (last !== undefined) {
          const path = join(session.folder, last);
          truncateSync(path, Math.round(statSync(path).size * cut));
        }
        const model = readSpoolModel(session.folder);
        const sink = createMemorySink();
        await ship({ ...spoolOf(session), sink: faulty(sink, script), how });
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
        await ship({ ...spoolOf(session), sink, how });
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
        const shipped = ship({
          ...{ ...spoolOf(session), sink: faulty(sink, script), how },
          sealed: () => closed,
        });
        await session.run(steps);
        await session.close();
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
      await session.close();
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
      await ship({ ...spoolOf(session), sink, how });
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
