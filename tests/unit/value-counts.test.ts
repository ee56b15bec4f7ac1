import { expect, test } from 'vitest';
import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import type { Look, Observation } from '#core/experiments/look.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import { hasDriedUp } from '#core/experiments/value-counts.ts';
import { nextStep } from '#core/rollout/machine.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { factsOf, lookOf, machineOf } from '#tests/support/rollout-looks.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DEFINITION = experimentDefinitionSchema.parse({
  ...{ primary: { metric: 'score', direction: 'increase' }, guardrails: [], fastGuard: null },
});

/** A look at an experiment that began at 0, with so many requests and values of each arm. */
function seen(atMs: number, requests: readonly number[], values: readonly number[] | null, before?: Look): Look {
  const sums = (n: number) => (n === 0 ? null : { units: n, n, nSquares: n, sum: n, sumSquares: n, products: n });
  const observation: Observation = {
    ...{ atMs, arms: ['a', 'b'], phase: 1, minSrmP: 1, values: before?.values },
    phases: [
      {
        ...{ phase: 1, weightsBp: [5_000, 5_000], units: requests, failingUnits: [0, 0], requests, failures: [0, 0] },
        startedAtMs: 0,
      },
    ],
    metrics: values === null ? {} : { score: [{ phase: 1, arms: values.map(sums) }] },
    evidence: { lost: 0, underWay: 0, lastAtMs: atMs, broken: [] },
  };
  return lookAt(DEFINITION, observation);
}

const dry = (look: Look) => [0, 1].map((arm) => hasDriedUp(look, 'score', arm));

test('looks carry how many values there are, since when there are no more, and the longest time without any', () => {
  const first = seen(MINUTE_MS, [100, 100], [0, 10]);
  expect(first.values!['score']).toEqual([
    { n: 0, requests: 0, sinceMs: 0, longestMs: 0 },
    { n: 10, requests: 100, sinceMs: MINUTE_MS, longestMs: MINUTE_MS },
  ]);
  const second = seen(5 * MINUTE_MS, [500, 500], [40, 10], first);
  expect(second.values!['score']).toEqual([
    { n: 40, requests: 500, sinceMs: 5 * MINUTE_MS, longestMs: 5 * MINUTE_MS },
    first.values!['score']![1],
  ]);
  // The fast guard's glance sees no values, and forgets none.
  expect(seen(6 * MINUTE_MS, [600, 600], null, second).values).toEqual(second.values);
});

test('a metric has dried up when traffic goes on that would have brought 20 values more, for ten minutes at least', () => {
  const measured = seen(MINUTE_MS, [1_000, 1_000], [100, 100]);
  const after = (minutes: number, requests: number) =>
    dry(seen(minutes * MINUTE_MS, [requests, requests], [100, 100], measured));
  expect(after(11, 1_200)).toEqual([true, true]);
  expect(after(10, 1_200), 'so long it may take').toEqual([false, false]);
  expect(after(24 * 60, 1_199), 'low traffic').toEqual([false, false]);
  // One arm that falls silent is enough: its answers may be what keeps reports away.
  const half = seen(11 * MINUTE_MS, [1_200, 1_200], [120, 100], measured);
  expect(dry(half)).toEqual([false, true]);
  expect(dry(seen(30 * MINUTE_MS, [1_200, 9_000], [120, 150], half))).toEqual([false, false]);
  expect(dry(lookOf({ b: {} })), 'looks of earlier releases').toEqual([false, false]);
});

test('reports that come once a day have not dried up before the second day is over', () => {
  const day = (days: number) => days * 24 * HOUR_MS;
  const daily = seen(day(1), [1_000, 1_000], [100, 100]);
  expect(dry(seen(day(2.9), [2_900, 2_900], [100, 100], daily))).toEqual([false, false]);
  expect(dry(seen(day(3), [3_000, 3_000], [100, 100], daily))).toEqual([true, true]);
});

test('a rollout whose metric dries up holds, and pauses after the same time as for one that never came', () => {
  const measured = seen(MINUTE_MS, [1_000, 1_000], [100, 100]);
  const better = lookOf({ b: { verdict: 'challenger_better' } });
  const look = (atMs: number): Look => ({
    ...better,
    ...{ atMs, requests: [9_000, 9_000], values: measured.values },
  });
  const holding = machineOf(
    { strategy: { kind: 'ab' }, missingMetricHoldMs: HOUR_MS },
    { state: 'holding', memory: rolloutMemorySchema.parse({ trafficSinceMs: 0 }) },
  );
  const step = (rollout: typeof holding, atMs: number) => nextStep(rollout, factsOf({ look: look(atMs) }), atMs);
  expect(step(holding, 2 * MINUTE_MS)).toMatchObject({ event: 'decide' });
  const held = step(holding, 20 * MINUTE_MS)!;
  expect(held).toMatchObject({ event: 'missing', reason: 'holds: nothing is measured of score any more' });
  const waiting = { ...holding, memory: held.memory };
  expect(step(waiting, 70 * MINUTE_MS)).toBeNull();
  expect(step(waiting, 80 * MINUTE_MS)).toMatchObject({
    event: 'pause',
    reason: 'nothing is measured of score any more, for 1 h',
  });
});
