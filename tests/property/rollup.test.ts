import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EndRecord, InferenceRow } from '#inference-log/record.ts';
import { rollUp } from '#inference-log/rollup.ts';
import { RefusedBatchError } from '#inference-log/spool.ts';
import { figuresOf, figuresOfRollups } from '#tests/support/figures.ts';
import { createMemorySink } from '#tests/support/memory-sink.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';

const GROUPS = [randomUUID(), randomUUID()] as const;
const MINUTE = Date.parse('2026-03-02T10:00:00Z');
const count = fc.option(fc.nat(100_000));
const ends: fc.Arbitrary<Partial<EndRecord>> = fc.record({
  outcome: fc.constantFrom('completed' as const, 'failed' as const, 'client_closed' as const, 'interrupted' as const),
  errorCode: fc.constantFrom(null, 'upstream_error' as const, 'client_closed' as const),
  servedVariant: fc.constantFrom(null, 'a', 'b'),
  ...{ inputTokens: count, outputTokens: count, cachedTokens: count, reasoningTokens: count, costMicroUsd: count },
  totalNs: fc.nat(4e12),
  firstTokenNs: fc.option(fc.nat(4e12), { nil: null }),
});
const rows: fc.Arbitrary<InferenceRow> = fc
  .record({
    groupId: fc.constantFrom(...GROUPS),
    ms: fc.nat(200_000),
    assignedVariant: fc.constantFrom('a', 'b', 'c\0', 'c\uFFFD'),
    end: ends,
  })
  .map(({ groupId, ms, assignedVariant, end }) => ({
    ...{ id: newInferenceId(MINUTE + ms, groupId), gatewayId: randomUUID() },
    ...{ begin: beginRecord({ groupId, assignedVariant }), end: endRecord(end), request: null, response: null },
  }));

/** As the store holds them. */
const cleaned = (some: readonly InferenceRow[]) =>
  some.map((row) => ({
    ...row,
    begin: { ...row.begin, assignedVariant: row.begin.assignedVariant.replace('\0', '\uFFFD') },
  }));

test('rollups count what is counted one by one, whatever the rows', () => {
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 60 }), (some) => {
      expect(figuresOfRollups(rollUp(some))).toEqual(figuresOf(cleaned(some)));
    }),
  );
});

test('they come in one order, whatever that of the rows, so that shippers lock alike', () => {
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 40 }), fc.nat(), (some, turn) => {
      const at = turn % (some.length + 1);
      const turned = [...some.slice(at), ...some.slice(0, at)];
      expect(rollUp(turned)).toEqual(rollUp(some));
    }),
  );
});

test('cut into batches anywhere, with batches repeated and refused, they add up to the same', async () => {
  const batches = fc.array(fc.array(rows, { maxLength: 12 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(batches, fc.array(fc.nat(7), { maxLength: 6 }), async (cut, again) => {
      const sink = createMemorySink();
      const [spoolId, gatewayId] = [randomUUID(), randomUUID()];
      const poisoned = { ...cut.flat()[0]!, id: newInferenceId(), end: endRecord({ status: 70_000 }) };
      let at = 0;
      const write = (some: readonly InferenceRow[]) => {
        const place = (offset: number) => ({ scan: { segment: 1, offset }, shipped: { segment: 1, offset } });
        const given = { expected: at === 0 ? undefined : place(at), cursor: place(at + 1), rows: some, dropped: [] };
        return sink.write({ spoolId, gatewayId, ...given, finished: false }).then(() => at++);
      };
      for (const some of cut) await write(some);
      for (const index of again) {
        const some = cut[index] ?? [];
        await write(some);
        if (some.length > 0) await expect(write([...some, poisoned])).rejects.toThrow();
      }
      expect(figuresOfRollups(sink.rollups(gatewayId))).toEqual(figuresOf(cleaned(cut.flat())));
    }),
    { numRuns: 60 },
  );
});

test.each([
  1.5,
  1e30,
  Number.POSITIVE_INFINITY,
])('a duration of %d ns is refused as data, so that its record stands alone', (ns) => {
  const row = (end: Partial<EndRecord>): InferenceRow => ({
    ...{ id: newInferenceId(MINUTE, GROUPS[0]), gatewayId: randomUUID(), request: null, response: null },
    ...{ begin: beginRecord({ groupId: GROUPS[0] }), end: endRecord(end) },
  });
  expect(() => rollUp([row({ totalNs: ns })])).toThrow(RefusedBatchError);
  expect(() => rollUp([row({ firstTokenNs: ns })])).toThrow(RefusedBatchError);
});
