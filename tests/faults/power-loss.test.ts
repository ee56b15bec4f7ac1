import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSpoolHold, readHold } from '#inference-log/spool-hold.ts';
import { DEFAULT_TERMS, type SpoolTerms } from '#inference-log/spool-terms.ts';
import { failingFiles } from '../support/failing-files.ts';
import { createMemorySink } from '../support/memory-sink.ts';
import { createForgetfulDisk, isLeft } from '../support/power-loss.ts';
import { arbitrarySteps, INFERENCES, openSpoolSession } from '../support/spool-session.ts';
import { faults, faulty, ship, shipping } from '../support/spool-shipping.ts';

const gatewayId = randomUUID();
const DISK: SpoolTerms = { ...DEFAULT_TERMS, durability: 'disk' };
let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'rs-power-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** Two of the four inferences under way are in `disk` mode: the others share their segments and promise nothing here. */
const termsOf = (inference: number): SpoolTerms =>
  inference < INFERENCES / 2 ? DISK : { ...DEFAULT_TERMS, durability: inference === 2 ? 'process' : 'memory' };

const limits = fc.array(
  fc.oneof({ weight: 20, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(1500) }),
  { maxLength: 60, size: 'max' },
);

test('power cut at any moment: every inference acknowledged in disk mode is stored exactly once', async () => {
  const seen = { cuts: 0, acknowledged: 0, unacknowledged: 0, stored: 0, storedBefore: 0, duplicates: 0, lost: 0 };
  await fc.assert(
    fc.asyncProperty(
      ...[arbitrarySteps, fc.integer({ min: 100, max: 4000 }), limits, shipping, faults, fc.boolean()],
      fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
      async (steps, maxSegmentBytes, limit, how, script, isShipping, draws) => {
        const draw = () => draws.next().value as number;
        const root = join(scratch, randomUUID());
        await mkdir(root);
        const disk = createForgetfulDisk();
        const hold = createSpoolHold();
        const { writev } = failingFiles(limit, disk.files);
        const session = await openSpoolSession({
          ...{ root, gatewayId, maxSegmentBytes, termsOf, hold },
          files: { ...disk.files, writev },
          syncer: { open: disk.openSyncer, finish: disk.finish, finishAll: disk.finishAll },
        });
        const sink = createMemorySink();
        let isCut = false;
        // The shipper may have stored some of it before; the store is elsewhere and keeps that.
        const shipped = isShipping
          ? ship({
              ...{ root, spoolId: session.spoolId, gatewayId, sink: faulty(sink, script), how },
              ...{ sealed: () => false, holdAt: () => readHold(hold), stopped: () => isCut },
            })
          : undefined;
        await session.run(steps);
        isCut = true;
        await shipped;
        const acknowledged = session.acknowledged(DISK).difference(session.poisoned);
        seen.storedBefore += sink.rows.size;
        const left = disk.cut(root, draw);
        const { spoolId } = session;
        if (isLeft(left, session.folder)) await ship({ root: left, spoolId, gatewayId, sink, how });
        const stored = new Set(
          [...sink.rows.values()].filter(({ end }) => end.outcome === 'completed').map(({ id }) => id),
        );
        seen.cuts++;
        seen.acknowledged += acknowledged.size;
        seen.unacknowledged += session.lost.size + session.open();
        seen.stored += stored.size;
        // Twice handed to the store: possible where no sync was promised, when the end was stored and then lost.
        const again = sink.written.filter((id, index) => sink.written.indexOf(id) !== index);
        seen.duplicates += acknowledged.intersection(new Set(again)).size;
        seen.lost += acknowledged.difference(stored).size;
        await session.close();
        expect(acknowledged.difference(stored)).toEqual(new Set());
        expect(acknowledged.intersection(new Set(again))).toEqual(new Set());
      },
    ),
    { numRuns: 250, endOnFailure: true },
  );
  // biome-ignore lint/suspicious/noConsole: the figures are the result
  console.log(`power loss: ${JSON.stringify(seen)}`);
  expect(seen.acknowledged).toBeGreaterThan(80);
  expect(seen.storedBefore).toBeGreaterThan(20);
}, 120_000);
