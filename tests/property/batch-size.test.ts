import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  createBatchSize,
  MAX_SCALE,
  MIN_SCALE,
  nextScale,
  QUICK_MS,
  SLOW_MS,
  sizeAt,
} from '#inference-log/batch-size.ts';

const options = { batchRows: 1_000, batchBytes: 8_000_000 };
const scales = fc.double({ min: MIN_SCALE, max: MAX_SCALE, noNaN: true });
const commits = fc.record({
  rows: fc.nat(8_000),
  bytes: fc.nat(20_000_000),
  tookMs: fc.double({ min: 0, max: 60_000, noNaN: true }),
});

test('whatever commits are like, the size stays within its bounds, and bytes never grow', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(commits, fc.constant('failed' as const))), (story) => {
      const size = createBatchSize(options);
      for (const commit of story) {
        size.committed(commit);
        expect(size.current.rows).toBeGreaterThanOrEqual(250);
        expect(size.current.rows).toBeLessThanOrEqual(4_000);
        expect(size.current.bytes).toBeGreaterThanOrEqual(2_000_000);
        expect(size.current.bytes).toBeLessThanOrEqual(8_000_000);
      }
    }),
  );
});

test('it grows after a quick commit of a full batch only, and shrinks after a slow one of a batch that was half full only', () => {
  fc.assert(
    fc.property(scales, commits, (scale, commit) => {
      const size = sizeAt(scale, options);
      const next = nextScale(scale, size, commit);
      const fill = Math.max(commit.rows / size.rows, commit.bytes / size.bytes);
      if (next > scale) expect(commit.tookMs < QUICK_MS && fill >= 1).toBe(true);
      if (next < scale) expect(commit.tookMs > SLOW_MS && fill >= 0.5).toBe(true);
    }),
  );
});

test('with a store that takes so long a row, full batches come to take between quick and slow, or end at a bound', () => {
  const stores = fc.record({
    fixedMs: fc.double({ min: 0, max: 20, noNaN: true }),
    msPerRow: fc.double({ min: 0.001, max: 2, noNaN: true }),
  });
  fc.assert(
    fc.property(stores, ({ fixedMs, msPerRow }) => {
      const size = createBatchSize(options);
      const tookMs = () => fixedMs + msPerRow * size.current.rows;
      for (let i = 0; i < 30; i++) size.committed({ rows: size.current.rows, bytes: 1, tookMs: tookMs() });
      const settled = tookMs();
      if (size.current.rows < 4_000) expect(settled).toBeGreaterThanOrEqual(QUICK_MS);
      if (size.current.rows > 250) expect(settled).toBeLessThanOrEqual(SLOW_MS + msPerRow);
    }),
  );
});

test('failures halve it down to its bound, and quick commits bring it back', () => {
  const size = createBatchSize(options);
  size.committed('failed');
  expect(size.current).toEqual({ rows: 500, bytes: 4_000_000 });
  for (let i = 0; i < 5; i++) size.committed('failed');
  expect(size.current).toEqual({ rows: 250, bytes: 2_000_000 });
  for (let i = 0; i < 30; i++) size.committed({ ...size.current, tookMs: 10 });
  expect(size.current).toEqual({ rows: 4_000, bytes: 8_000_000 });
});
