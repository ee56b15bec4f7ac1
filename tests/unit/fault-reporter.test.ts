import { expect, test } from 'vitest';
import { uncountedFaults } from '#tests/support/fault-reporter.ts';

test('a fault without a count is missing, unless a skipped test names it', () => {
  const results = ['R1', 'R2', 'R3', 'R4', 'R6', 'R7', 'R8', 'R9', 'R11'].map((fault) => ({ fault }));
  expect(uncountedFaults(results, ['R5: a disk of 16 MB > is full', 'something of R10 and R25'])).toEqual({
    missing: ['R10', 'R25'],
    skipped: ['R5'],
  });
});
