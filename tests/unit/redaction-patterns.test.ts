import { expect, test } from 'vitest';
import { compilePattern, patternFaults } from '#core/redaction/patterns.ts';

test.each([
  ['(', 'is no RE2 pattern'],
  ['a**', 'is no RE2 pattern'],
  ['(a)\\1', 'is no RE2 pattern'],
  ['(?=a)', 'is no RE2 pattern'],
  ['[z-a]', 'is no RE2 pattern'],
  ['(a{1000}){1000}', 'is '],
  ['(((x{30}){30}){30})', 'is '],
  ['.{1000}', 'is too large'],
  ['a*', 'matches the empty text'],
])('%s is refused', (pattern, reason) => {
  expect(patternFaults([{ name: 'p', pattern }])).toEqual([{ index: 0, reason: expect.stringContaining(reason) }]);
});

test('usual patterns compile, and the fault names its own', () => {
  const fine = [
    'sk-[A-Za-z0-9]{20,}',
    '\\b\\d{3}-\\d{2}-\\d{4}\\b',
    '(?i)secret\\s*[:=]\\s*\\S+',
    '\\p{Greek}+',
    '\\d{9}',
  ];
  const patterns = fine.map((pattern) => ({ name: 'p', pattern }));
  expect(patternFaults(patterns)).toEqual([]);
  expect(patternFaults([...patterns, { name: 'bad', pattern: '[' }])).toMatchObject([{ index: fine.length }]);
});

test('many large patterns are too many', () => {
  const patterns = Array.from({ length: 10 }, () => ({ name: 'p', pattern: 'x{400}' }));
  expect(patternFaults(patterns)[0]).toMatchObject({ index: 4, reason: expect.stringContaining('one too many') });
});

test('a text made to be slow is not', () => {
  const compiled = compilePattern({ name: 'p', pattern: '(a+)+b|(x|xx)*y' });
  if (compiled.kind !== 'ok') throw new Error(compiled.reason);
  const start = performance.now();
  compiled.search('a'.repeat(20_000) + 'x'.repeat(20_000), []);
  expect(performance.now() - start).toBeLessThan(3_000);
});
