import { describe, expect, test } from 'vitest';
import type { ArmSums } from '#core/experiments/look.ts';
import { daysFor, unitGrowth, unitsIn } from '#core/experiments/unit-growth.ts';
import { REPLAY_MEASURES, type ReplayCell, type ReplayMeasure, replay } from '#core/replay/replay.ts';

const NOTHING: ArmSums = { units: 0, n: 0, nSquares: 0, sum: 0, sumSquares: 0, products: 0 };

/** The sums of units that have one inference each, with these values. */
function sumsOf(values: readonly number[]): ArmSums {
  const sum = values.reduce((total, value) => total + value, 0);
  const sumSquares = values.reduce((total, value) => total + value * value, 0);
  return { units: values.length, n: values.length, nSquares: values.length, sum, sumSquares, products: sum };
}

function cell(
  actual: string,
  proposed: string,
  values: Partial<Record<ReplayMeasure, readonly number[]>>,
  kind = 'chat size 0',
): ReplayCell {
  const inferences = Math.max(...Object.values(values).map((list) => list.length));
  const measures = Object.fromEntries(
    REPLAY_MEASURES.map((measure) => [measure, values[measure] === undefined ? NOTHING : sumsOf(values[measure])]),
  ) as Record<ReplayMeasure, ArmSums>;
  return {
    actual,
    proposed,
    kind,
    inferences,
    measures: { ...measures, failures: sumsOf(values.failures ?? new Array(inferences).fill(0)) },
  };
}

const repeat = (count: number, of: (index: number) => number) => Array.from({ length: count }, (_, index) => of(index));

describe('replay', () => {
  test('weights as they are change nothing, without any uncertainty', () => {
    const { moved, figures } = replay(
      [cell('a', 'a', { cost: repeat(50, (i) => i) }), cell('b', 'b', { cost: repeat(50, () => 9) })],
      1,
    );
    expect(moved).toBe(0);
    const total = (49 * 50) / 2 + 450;
    expect(figures.cost).toEqual({
      before: total,
      after: { value: total, lower: total, upper: total },
      difference: { value: 0, lower: 0, upper: 0 },
    });
  });

  test('what moves costs what its new variant costs, within its interval', () => {
    const cells = [
      cell('a', 'a', { cost: repeat(100, () => 10) }),
      cell('a', 'b', { cost: repeat(100, () => 10) }),
      cell('b', 'b', { cost: repeat(100, (i) => (i % 2 === 0 ? 20 : 40)) }),
    ];
    const { moved, inferences, figures } = replay(cells, 1);
    expect([inferences, moved]).toEqual([300, 100]);
    expect(figures.cost.before).toBe(5_000);
    expect(figures.cost.after!.value).toBeCloseTo(7_000, 6);
    // 100 moved of variance V, and a mean known to V/100: Var = 100²·V/100 + 100·V = 200 V with V = 10 000/99.
    const half = 1.959963984540054 * Math.sqrt((200 * 10_000) / 99);
    expect(figures.cost.difference!.upper - figures.cost.difference!.value).toBeCloseTo(half, 6);
  });

  test('requests are estimated by their kind, and by all where the kind is rare', () => {
    const cells = [
      cell('a', 'b', { outputTokens: repeat(10, () => 1) }, 'chat size 3'),
      cell('a', 'b', { outputTokens: repeat(10, () => 1) }, 'chat size 5'),
      cell('b', 'b', { outputTokens: repeat(40, () => 100) }, 'chat size 3'),
      cell('b', 'b', { outputTokens: repeat(20, () => 1_000) }, 'chat size 5'),
    ];
    const { figures } = replay(cells, 1);
    const kept = 40 * 100 + 20 * 1_000;
    expect(figures.outputTokens.after!.value).toBeCloseTo(kept + 10 * 100 + 10 * (kept / 60), 6);
  });

  test('what several cells are estimated by is uncertain once, not once for each of them', () => {
    const costs = repeat(60, (i) => (i % 2 === 0 ? 20 : 40));
    const together = [cell('a', 'b', { cost: repeat(100, () => 10) }), cell('b', 'b', { cost: costs })];
    const apart = [
      cell('a', 'b', { cost: repeat(50, () => 10) }),
      cell('c', 'b', { cost: repeat(50, () => 10) }),
      cell('b', 'b', { cost: costs }),
    ];
    // Kinds that are too rare for a mean of their own share that of the whole variant.
    const rare = [
      cell('a', 'b', { cost: repeat(50, () => 10) }, 'chat size 3'),
      cell('a', 'b', { cost: repeat(50, () => 10) }, 'chat size 5'),
      cell('b', 'b', { cost: costs }),
    ];
    const { lower, upper } = replay(together, 1).figures.cost.difference!;
    for (const cells of [apart, rare]) {
      const { difference } = replay(cells, 1).figures.cost;
      expect(difference!.lower).toBeCloseTo(lower, 6);
      expect(difference!.upper).toBeCloseTo(upper, 6);
    }
  });

  test('units that were left out are part of the uncertainty', () => {
    // A unit that moves adds 7 to the cost, and 30 units of 120 were looked at: 4·√(30·(1 − ¼))·7 beside what the model itself leaves open.
    const moving = repeat(30, () => 3);
    const cells = [cell('a', 'b', { cost: moving }), cell('b', 'b', { cost: repeat(40, () => 10) })];
    const { difference, after } = replay(cells, 0.25).figures.cost;
    expect(difference!.value).toBeCloseTo(4 * 30 * 7, 6);
    const half = 1.959963984540054 * 4 * Math.sqrt(30 * 0.75) * 7;
    expect(difference!.upper - difference!.value).toBeCloseTo(half, 6);
    const total = 1.959963984540054 * 4 * Math.sqrt(0.75 * (30 + 40) * 10 * 10);
    expect(after!.upper - after!.value).toBeCloseTo(total, 6);
  });

  test('rates and means are per inference, and a share of values that are missing stays missing', () => {
    const cells = [
      cell('a', 'b', { failures: repeat(100, () => 0), latency: repeat(100, () => 5) }),
      cell('b', 'b', { failures: repeat(100, (i) => (i < 20 ? 1 : 0)), latency: repeat(80, () => 15) }),
    ];
    const { figures } = replay(cells, 1);
    expect(figures.failures.before).toBeCloseTo(0.1, 12);
    expect(figures.failures.after!.value).toBeCloseTo(0.2, 12);
    expect(figures.latency.before).toBeCloseTo((500 + 1_200) / 180, 9);
    expect(figures.latency.after!.value).toBeCloseTo(15, 9);
  });

  test('a variant that had nothing is named, and nothing is made up for it', () => {
    const { unknown, figures } = replay(
      [cell('a', 'a', { cost: [1, 2] }), cell('a', 'new', { cost: repeat(60, () => 1) })],
      1,
    );
    expect(unknown).toEqual(['new']);
    expect(figures.cost.before).toBe(63);
    expect(figures.cost.after).toBeNull();
  });

  test('a cost that nobody knows is null and not 0', () => {
    expect(replay([cell('a', 'a', { latency: [1, 2, 3] })], 1).figures.cost).toEqual({
      before: null,
      after: null,
      difference: null,
    });
  });

  test('a sample of the units is scaled up, means are not', () => {
    const { inferences, figures } = replay(
      [cell('a', 'a', { cost: repeat(50, () => 2), latency: repeat(50, () => 7) })],
      0.25,
    );
    expect(inferences).toBe(200);
    expect(figures.cost.before).toBe(400);
    expect(figures.latency.before).toBe(7);
  });
});

describe('how many units come', () => {
  test('a window of a week fixes the curve at a day and at the week', () => {
    const growth = unitGrowth(2_000, 7_000, 7)!;
    expect(unitsIn(growth, 1)).toBeCloseTo(1_000, 9);
    expect(unitsIn(growth, 7)).toBeCloseTo(2_000, 9);
    expect(daysFor(growth, 2_000)).toBeCloseTo(7, 9);
    expect(daysFor(growth, 500)).toBeCloseTo(0.5, 9);
  });

  test('units that never come back grow in line, those that always do not at all', () => {
    expect(unitsIn(unitGrowth(7_000, 7_000, 7)!, 14)).toBeCloseTo(14_000, 6);
    const same = unitGrowth(100, 700, 7)!;
    expect(unitsIn(same, 28)).toBeCloseTo(100, 9);
    expect(daysFor(same, 101)).toBeNull();
  });

  test('nothing is known of no traffic, and of a short time only its rate', () => {
    expect(unitGrowth(0, 0, 7)).toBeNull();
    expect(unitGrowth(50, 50, 0.5)).toEqual({ unitsPerDay: 100, exponent: 1 });
  });
});
