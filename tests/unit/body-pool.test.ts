import { expect, test } from 'vitest';
import { createBodyPool } from '#gateway/flow/body-pool.ts';

const KB = 1024;

test('memory comes back for the next body of its size, with exactly the bytes asked for', () => {
  const pool = createBodyPool(1024 * KB);
  const first = pool.take(100_000);
  expect(first.length).toBe(100_000);
  pool.give(first);
  const second = pool.take(128 * KB);
  expect([second.length, second.buffer === first.buffer]).toEqual([128 * KB, true]);
  expect(pool.take(100_000).buffer).not.toBe(first.buffer);
});

test('what is idle is bounded', () => {
  const pool = createBodyPool(256 * KB);
  const taken = [pool.take(100_000), pool.take(100_000), pool.take(100_000)];
  for (const buffer of taken) pool.give(buffer);
  const again = new Set([pool.take(100_000).buffer, pool.take(100_000).buffer, pool.take(100_000).buffer]);
  expect(taken.filter(({ buffer }) => again.has(buffer))).toHaveLength(2);
});

test('small and very large bodies are not kept', () => {
  const pool = createBodyPool(1024 * 1024 * KB);
  for (const bytes of [10 * KB, 9 * 1024 * KB]) {
    const buffer = pool.take(bytes);
    pool.give(buffer);
    expect(pool.take(bytes).buffer).not.toBe(buffer.buffer);
  }
});

test('idle memory of one size makes room for another', () => {
  const pool = createBodyPool(1024 * KB);
  for (const buffer of [pool.take(500_000), pool.take(500_000)]) pool.give(buffer);
  const small = [pool.take(100_000), pool.take(100_000)];
  for (const buffer of small) pool.give(buffer);
  const again = new Set([pool.take(100_000).buffer, pool.take(100_000).buffer]);
  expect(small.every(({ buffer }) => again.has(buffer))).toBe(true);
});

test('says what memory a body takes', () => {
  const pool = createBodyPool(1024 * KB);
  for (const bytes of [1, 65_535, 65_536, 100_000, 5_000_000, 9_000_000])
    expect(pool.take(bytes).buffer.byteLength).toBe(pool.sizeFor(bytes));
  expect(pool.sizeFor(100_000)).toBe(128 * KB);
});
