import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSpoolHold, readHold } from '#inference-log/spool-hold.ts';
import type { SpoolTerms } from '#inference-log/spool-terms.ts';
import { failingFiles, roomFor } from '#tests/support/failing-files.ts';
import { createMemorySink } from '#tests/support/memory-sink.ts';
import { arbitrarySteps, INFERENCES, openSpoolSession } from '#tests/support/spool-session.ts';
import { faults, faulty, ship, shipping } from '#tests/support/spool-shipping.ts';

const gatewayId = randomUUID();
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rs-ledger-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const arbitraryTerms: fc.Arbitrary<SpoolTerms[]> = fc.array(
  fc.record({
    durability: fc.constantFrom('memory' as const, 'process' as const, 'disk' as const, 'disk' as const),
    whenSpoolFull: fc.constantFrom('shed' as const, 'serve-unlogged' as const, 'metadata-only' as const),
    account: fc.constant(0),
  }),
  { minLength: INFERENCES, maxLength: INFERENCES },
);
const limits = fc.array(
  fc.oneof({ weight: 12, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(1500) }),
  { maxLength: 60, size: 'max' },
);
/** What the disk takes before the stop: after so many bytes nothing more, at times for a few steps before it. */
const stops = fc.record({
  room: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat(2_000)),
  early: fc.nat(12),
});
/** From one that is full after a few records to one that never is. */
const bounds = fc.constantFrom(2_500, 12_000, 16_000, 1_000_000);

test('in every mode, with a disk that is full, fails and does not sync, the ledger balances and agrees with the store', async () => {
  const seen = { stored: 0, syncFailed: 0, unlogged: 0, full: 0, unpaid: 0 };
  await fc.assert(
    fc.asyncProperty(
      ...[arbitrarySteps, arbitraryTerms, fc.integer({ min: 100, max: 6000 }), bounds, limits, stops, shipping, faults],
      async (steps, terms, maxSegmentBytes, maxSpoolBytes, limit, stop, how, script) => {
        const files = failingFiles(limit);
        let room = Number.POSITIVE_INFINITY;
        const hold = createSpoolHold();
        const session = await openSpoolSession({
          ...{
            root,
            gatewayId,
            maxSegmentBytes,
            maxSpoolBytes,
            hold,
            files: roomFor(files, (bytes) => {
              room -= bytes;
              return room >= 0;
            }),
          },
          termsOf: (inference) => terms[inference]!,
          onStep: () => expect(session.accounts.inFlight()).toBeGreaterThanOrEqual(0),
        });
        const sink = createMemorySink();
        let closed = false;
        const shipped = ship({
          ...{ root, spoolId: session.spoolId, gatewayId, sink: faulty(sink, script), how },
          ...{ sealed: () => closed, holdAt: () => readHold(hold) },
        });
        await session.run(steps);
        room = stop.room;
        if (stop.early > 0) await session.run(steps.slice(0, stop.early));
        await session.close();
        closed = true;
        await shipped;
        const { accounts, recorded, lost, poisoned } = session;
        const [totals] = await sink.readLedger(gatewayId);
        const { stored, dropped, interrupted } = totals ?? { stored: 0, dropped: 0, interrupted: 0 };
        expect(new Set(sink.written).size).toBe(sink.written.length);
        // accepted = recorded + in flight; what is in flight at the end was never ended, or could not be closed in the file.
        expect(interrupted).toBe(accounts.inFlight());
        // recorded = stored + dropped: by the store, and by the writer, of which the store knows nothing.
        expect(accounts.counts.written).toBe(stored + dropped);
        expect(dropped).toBeLessThanOrEqual(poisoned.size);
        for (const [id, { end }] of sink.rows) if (end.outcome !== 'interrupted') expect(lost).not.toContain(id);
        if (
          terms.every(({ durability, whenSpoolFull }) => durability !== 'memory' && whenSpoolFull !== 'serve-unlogged')
        ) {
          const rows = [...sink.rows.values()].filter(({ end }) => end.outcome !== 'interrupted');
          expect(new Set(rows.map(({ id }) => id))).toEqual(recorded.difference(poisoned));
        }
        seen.stored += stored;
        seen.syncFailed += accounts.losses.sync_failed;
        seen.unlogged += accounts.losses.unlogged;
        seen.full += accounts.losses.spool_full;
        const cut = [...sink.rows.values()].filter(({ end }) => end.outcome === 'interrupted');
        seen.unpaid += cut.filter(({ id }) => lost.has(id)).length;
      },
    ),
    { numRuns: 120 },
  );
  for (const count of Object.values(seen)) {
    expect(count, JSON.stringify(seen)).toBeGreaterThan(5);
  }
}, 60_000);
