import { expect, test } from 'vitest';
import { allocateCells, GAUGE, utilisationOf } from '#gateway/telemetry/layout.ts';
import { busiestOf, calmBytesFor, createPace, restMs } from '#inference-log/pace.ts';

const MEGABYTE = 1024 * 1024;

test('shipping rests while a serving thread is busy, three times as long as it worked', () => {
  expect(restMs(40, 0.49, 0, 100)).toBe(0);
  expect(restMs(40, 0.5, 0, 100)).toBe(120);
});

test('it rests less, the more has piled up, and not at all from a quarter of the bound or 256 MB on', () => {
  expect(restMs(40, 1, 50, 100)).toBe(60);
  expect(restMs(40, 1, 100, 100)).toBe(0);
  expect(restMs(40, 1, 1_000, 100)).toBe(0);
  expect(calmBytesFor(100 * MEGABYTE)).toBe(25 * MEGABYTE);
  expect(calmBytesFor(10 * 1024 * MEGABYTE)).toBe(256 * MEGABYTE);
});

test('a store that was slow once does not make it rest for long', () => {
  expect(restMs(60_000, 1, 0, 100)).toBe(500);
});

test('all spools rest together', async () => {
  let now = 1_000;
  const slept: number[] = [];
  const pace = createPace({
    monotonicMs: () => now,
    busiest: () => 0.9,
    calmBytes: 100,
    sleep: async (ms) => void slept.push(ms),
  });
  await pace.rest(100, 0);
  now += 50; // another spool's commit within that rest
  await pace.rest(10, 0);
  now += 1_000;
  await pace.rest(0, 0);
  expect(slept).toEqual([300, 250]);
});

test('the busiest thread counts, as its cell says at the moment', () => {
  const workers = [allocateCells(), allocateCells()];
  const load = workers.map(utilisationOf);
  expect(busiestOf([])).toBe(0);
  expect(busiestOf(load)).toBe(0);
  workers[0]![GAUGE.LOOP_UTILISATION] = 0.4;
  workers[1]![GAUGE.LOOP_UTILISATION] = 0.9;
  expect(busiestOf(load)).toBe(0.9);
  workers[1]![GAUGE.LOOP_UTILISATION] = 0.1;
  expect(busiestOf(load)).toBe(0.4);
});
