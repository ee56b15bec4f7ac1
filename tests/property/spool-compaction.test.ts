import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMemorySink } from '#tests/support/memory-sink.ts';
import { segmentFiles } from '#tests/support/spool-model.ts';
import { INFERENCES, openSpoolSession, type Step } from '#tests/support/spool-session.ts';
import { faults, faulty, ship, shipping } from '#tests/support/spool-shipping.ts';
import { waitFor } from '#tests/support/wait.ts';

const gatewayId = randomUUID();
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rs-compact-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const SEGMENT_BYTES = 6_000;
const LONG = 0;
const MAX_PAYLOAD_BYTES = 700;
const MAX_PARTS = 4;
/** An inference with its frames' headers and records, but for its bodies. */
const RECORD_BYTES = 1_500;

const bytes = fc.option(fc.nat(MAX_PAYLOAD_BYTES));
const frame = (what: 'begin' | 'part' | 'end', inference: number, size: number | null): Step => ({
  ...{ do: what, inference, bytes: size, poison: false },
});

/** Short inferences, of which some span segments, beside a long one that gets a part now and then. */
const rounds = fc.array(
  fc.record({
    inference: fc.integer({ min: 1, max: INFERENCES - 1 }),
    sizes: fc.tuple(bytes, bytes),
    hasPart: fc.nat(9),
  }),
  { minLength: 60, maxLength: 120, size: 'max' },
);

test('an answer that stays open does not hold the segments written after it, whatever fails, and comes out whole', async () => {
  let segmentsWritten = 0;
  await fc.assert(
    fc.asyncProperty(rounds, shipping, faults, async (traffic, how, script) => {
      const session = await openSpoolSession({ root, gatewayId, maxSegmentBytes: SEGMENT_BYTES });
      const sink = createMemorySink();
      let closed = false;
      const shipped = ship({
        ...{ root, spoolId: session.spoolId, gatewayId, sink: faulty(sink, script), how },
        sealed: () => closed,
      });
      await session.run([frame('begin', LONG, MAX_PAYLOAD_BYTES), { do: 'flush' }]);
      let parts = 0;
      for (const { inference, sizes, hasPart } of traffic) {
        const part: Step[] = hasPart === 0 && parts < MAX_PARTS ? [frame('part', LONG, 100 + parts)] : [];
        parts += part.length;
        // The others begin twice as often as they end, so that each is open across some of the rest.
        const other = [frame('begin', inference, sizes[0]), ...part, frame('end', (inference % 3) + 1, sizes[1])];
        await session.run([...other, { do: 'flush' }]);
      }
      const caughtUp = () => sink.rows.size === session.recorded.size;
      await waitFor('the shipper', caughtUp);
      const names = segmentFiles(session.folder);
      segmentsWritten += Number(names.at(-1)!.slice(0, 8));
      // Two segments, or twice what is needed, behind the one that is written and the one before.
      const neededBytes = INFERENCES * (RECORD_BYTES + 2 * MAX_PAYLOAD_BYTES) + MAX_PARTS * 200;
      const sizes = await Promise.all(names.map(async (name) => (await stat(join(session.folder, name))).size));
      const total = sizes.reduce((sum, size) => sum + size, 0);
      expect(total).toBeLessThanOrEqual(2 * neededBytes + 4 * (SEGMENT_BYTES + 2_000));
      await session.run([frame('end', LONG, 50), { do: 'flush' }]);
      await session.close();
      closed = true;
      await shipped;
      expect(new Set(sink.written).size).toBe(sink.written.length);
      const ended = [...sink.rows.values()].filter(({ end }) => end.outcome === 'completed');
      expect(new Set(ended.map(({ id }) => id))).toEqual(session.recorded);
      expect(sink.rows.size).toBe(session.recorded.size + session.open());
      const long = sink.rows.get([...session.recorded].at(-1)!)!;
      const expected = Array.from({ length: parts }, (_, index) => '0'.repeat(100 + index)).join('') + '0'.repeat(50);
      expect(Buffer.from(long.response!).toString()).toBe(expected);
      expect(long.request).toHaveLength(MAX_PAYLOAD_BYTES);
    }),
    { numRuns: 25 },
  );
  expect(segmentsWritten).toBeGreaterThan(25 * 9);
}, 60_000);
