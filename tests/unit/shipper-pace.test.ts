import { expect, test } from 'vitest';
import { allocateCells, GAUGE, utilisationOf } from '#gateway/telemetry/layout.ts';
import { busiestOf, restMs } from '#inference-log/pace.ts';

test('shipping rests while a serving thread is busy, three times as long as it worked', () => {
  expect(restMs(40, 0.49, 0)).toBe(0);
  expect(restMs(40, 0.5, 0)).toBe(120);
  expect(restMs(40, 1, 0.249)).toBe(120);
});

test('a backlog of a quarter of the bound comes before latency', () => {
  expect(restMs(40, 1, 0.25)).toBe(0);
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
