import { expect, test } from 'vitest';
import type { Finding } from '#core/redaction/findings.ts';
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
  const patterns = Array.from({ length: 10 }, () => ({ name: 'p', pattern: 'x{150}' }));
  expect(patternFaults(patterns)[0]).toMatchObject({ index: 6, reason: expect.stringContaining('one too many') });
});

function compiled(pattern: string) {
  const result = compilePattern({ name: 'p', pattern });
  if (result.kind !== 'ok') throw new Error(result.reason);
  return (text: string) => {
    const findings: Finding[] = [];
    result.search(text, findings);
    return findings;
  };
}

test.each([
  ['(a+)+b|(x|xx)*y', 'a'.repeat(20_000) + 'x'.repeat(20_000)],
  ['a.*z|a', 'a'.repeat(60_000)],
  ['.{190}b', 'The b. '.repeat(9_000)],
])('%s does not block on a text made for it', (pattern, text) => {
  const start = performance.now();
  compiled(pattern)(text);
  expect(performance.now() - start).toBeLessThan(5_000);
});

test('matches are found wherever windows end, with what stands around them', () => {
  const search = compiled('\\b[0-9]{3}-[0-9]{4}\\b|^start');
  for (const before of [0, 1, 4_090, 4_096, 8_180, 8_184, 8_185, 8_186, 8_191, 8_192, 12_283, 20_000]) {
    const text = `start ${' '.repeat(before)}555-0123 1555-0123 start ${' '.repeat(9_000)}555-0199`;
    const found = search(text).map(({ start, end }) => text.slice(start, end));
    expect(found).toEqual(['start', '555-0123', '555-0199']);
  }
});

test('after very many matches the rest of the text is hidden', () => {
  const text = '1 '.repeat(30_000);
  const findings = compiled('[0-9]')(text);
  expect(findings.length).toBeLessThan(5_000);
  expect(findings.at(-1)).toEqual({ start: 2 * (findings.length - 1), end: text.length, kind: 'p' });
});
