import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CUT,
  CUT_REASONS,
  interruptedFacts,
  MISSING_REASONS,
  missingFacts,
  packFacts,
  REDACTED,
  readFacts,
  type SideReading,
  spoolFullFacts,
  unendedFacts,
  WHOLE,
} from '#core/capture-facts.ts';

const reading: fc.Arbitrary<SideReading> = fc.oneof(
  fc.constantFrom(...MISSING_REASONS).map((why) => ({ kind: 'missing' as const, why })),
  fc.record({ kind: fc.constant('kept' as const), isRedacted: fc.boolean(), cutBy: fc.subarray([...CUT_REASONS]) }),
);

function factsOf(side: SideReading): number {
  if (side.kind === 'missing') return missingFacts(side.why);
  return side.cutBy.reduce((facts, reason) => facts | CUT[reason], side.isRedacted ? REDACTED : WHOLE);
}

test('both sides fit into a smallint and come back as they were', () => {
  fc.assert(
    fc.property(reading, reading, (request, response) => {
      const packed = packFacts(factsOf(request), factsOf(response))!;
      expect(packed).toBeGreaterThanOrEqual(0);
      expect(packed).toBeLessThan(2 ** 15);
      expect(readFacts(packed, 'request')).toEqual(request);
      expect(readFacts(packed, 'response')).toEqual(response);
    }),
  );
});

test('what an older release wrote, or a newer one means, is not known', () => {
  expect(packFacts(undefined, WHOLE)).toBeNull();
  expect(packFacts(WHOLE, undefined)).toBeNull();
  expect(readFacts(null, 'request')).toBeUndefined();
  expect(readFacts(packFacts(32, 64 + 60), 'request')).toBeUndefined();
  expect(readFacts(packFacts(32, 64 + 60), 'response')).toBeUndefined();
});

test('a reason why nothing is kept is not overwritten by a later one', () => {
  const off = missingFacts('capture_off');
  expect([interruptedFacts(off, false), spoolFullFacts(off), unendedFacts(off, false)]).toEqual([off, off, off]);
  expect(spoolFullFacts(REDACTED | CUT.limit)).toBe(missingFacts('spool_full'));
  expect(interruptedFacts(REDACTED | CUT.limit, true)).toBe(REDACTED | CUT.limit | CUT.interrupted);
  expect(interruptedFacts(WHOLE, false)).toBe(missingFacts('no_answer'));
  expect(unendedFacts(REDACTED, false)).toBe(missingFacts('interrupted'));
  expect(unendedFacts(CUT.limit, true)).toBe(CUT.interrupted);
});

test('an upload is counted only; what that says of the answer of a gateway that died is nothing', () => {
  expect(unendedFacts(missingFacts('binary'), false)).toBe(missingFacts('interrupted'));
  expect(unendedFacts(missingFacts('capture_off'), false)).toBe(missingFacts('capture_off'));
  expect(unendedFacts(missingFacts('binary'), true)).toBe(CUT.interrupted);
});
