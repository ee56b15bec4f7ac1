import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson } from '#core/shadow/canonical-json.ts';
import { rankCorrelation } from '#core/shadow/rank-correlation.ts';
import { stabilityIndex } from '#core/shadow/stability-index.ts';
import { tokenSimilarity, trigramSimilarity } from '#core/shadow/text-similarity.ts';
import { toolCallAgreement } from '#core/shadow/tool-calls.ts';

const text = fc.oneof(
  fc.array(fc.constantFrom('a', 'b', 'cat', 'the', '日', '!'), { maxLength: 40 }).map((words) => words.join(' ')),
  fc.string({ unit: 'binary', maxLength: 80 }),
);
const number = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ min: -1e6, max: 1e6, noNaN: true }));
const pairs = fc.array(fc.tuple(number, number), { minLength: 2, maxLength: 60 });

test('similarities lie in [0, 1], are symmetric, and 1 of a text and itself', () => {
  fc.assert(
    fc.property(text, text, (one, other) => {
      for (const similarity of [tokenSimilarity, trigramSimilarity]) {
        const found = similarity(one, other);
        expect(found).toBeGreaterThanOrEqual(0);
        expect(found).toBeLessThanOrEqual(1);
        expect(similarity(other, one)).toBeCloseTo(found, 12);
        expect(similarity(one, one)).toBe(1);
        expect(similarity(` ${one}\n`, one)).toBe(1);
      }
    }),
  );
});

/** The plain table, all of it. */
function longestCommon(a: readonly string[], b: readonly string[]): number {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      table[i]![j] = a[i - 1] === b[j - 1] ? table[i - 1]![j - 1]! + 1 : Math.max(table[i - 1]![j]!, table[i]![j - 1]!);
    }
  }
  return table[a.length]![b.length]!;
}

test('the share of words is what the whole table says', () => {
  const words = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(words, words, (a, b) => {
      const expected = (2 * longestCommon(a, b)) / (a.length + b.length);
      expect(tokenSimilarity(a.join(' '), b.join(' '))).toBeCloseTo(expected, 12);
    }),
  );
});

test('canonical JSON does not depend on the order of keys or on white space, and says the same', () => {
  const withKeysTurned = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(withKeysTurned);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, item]) => [key, withKeysTurned(item)]),
    );
  };
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (json) => {
      const value = JSON.parse(json) as unknown;
      const canonical = canonicalJson(json);
      expect(canonicalJson(JSON.stringify(withKeysTurned(value), null, 2))).toBe(canonical);
      expect(JSON.parse(canonical)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('agreement of tool calls lies in [0, 1], is symmetric, and has no order', () => {
  const calls = fc.array(
    fc.record({ name: fc.constantFrom('a', 'b'), arguments: fc.constantFrom('', '{}', '{"x":1}', '{"x":2}', '{') }),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(calls, calls, (one, other) => {
      const found = toolCallAgreement(one, other)!;
      expect(found).toBeGreaterThanOrEqual(0);
      expect(found).toBeLessThanOrEqual(1);
      expect(toolCallAgreement(other, one)).toBe(found);
      expect(toolCallAgreement([...one].reverse(), other)).toBe(found);
      expect(toolCallAgreement(one, [...one].reverse())).toBe(1);
    }),
  );
});

/** Pearson's correlation of ranks that are counted, not sorted. */
function spearman(x: readonly number[], y: readonly number[]): number {
  const ranks = (values: readonly number[]) =>
    values.map((value) => {
      const below = values.filter((other) => other < value).length;
      const equal = values.filter((other) => other === value).length;
      return below + (equal + 1) / 2;
    });
  const [a, b] = [ranks(x), ranks(y)];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const cov = (p: readonly number[], q: readonly number[]) =>
    p.reduce((sum, value, at) => sum + (value - mean(p)) * (q[at]! - mean(q)), 0);
  return cov(a, b) / Math.sqrt(cov(a, a) * cov(b, b));
}

const CLOSE: readonly [number, number][] = [
  [0, -999999.9999999991],
  [0, -999999.9999999992],
  [0, 0],
  [1, 0],
];

/** Keeps the order of these numbers and nothing else, without rounding: the cube of each one's place among them. */
function placesOf(values: readonly number[]): (value: number) => number {
  const sorted = [...new Set(values)].sort((one, other) => one - other);
  return (value) => sorted.indexOf(value) ** 3;
}

test('rank correlation agrees with counted ranks, is symmetric, and sees only order', () => {
  fc.assert(
    fc.property(pairs, (values) => {
      const [x, y] = [values.map(([one]) => one), values.map(([, other]) => other)];
      const found = rankCorrelation(x, y);
      const other = spearman(x, y);
      if (found === null) return void expect(Number.isNaN(other)).toBe(true);
      expect(found).toBeCloseTo(other, 10);
      expect(rankCorrelation(y, x)).toBeCloseTo(found, 12);
      expect(rankCorrelation(x, y.map(placesOf(y)))).toBeCloseTo(found, 12);
      expect(
        rankCorrelation(
          x,
          y.map((value) => -value),
        ),
      ).toBeCloseTo(-found, 12);
    }),
    // Two numbers whose cube roots are one and the same.
    { examples: [[[...CLOSE]]] },
  );
});

/** The same from its definition: each bin's count by a scan, and no memory of edges. */
function psi(expected: readonly number[], actual: readonly number[]): number {
  const sorted = [...expected].sort((a, b) => a - b);
  const edges = [...new Set([1, 2, 3, 4, 5, 6, 7, 8, 9].map((d) => sorted[Math.ceil((d * sorted.length) / 10) - 1]!))];
  const bounds = [-Infinity, ...edges, Infinity];
  let sum = 0;
  for (let bin = 1; bin < bounds.length; bin++) {
    const share = (values: readonly number[]) => {
      const inside = values.filter((value) => value > bounds[bin - 1]! && value <= bounds[bin]!).length;
      return (inside + 0.5) / (values.length + 0.5 * (bounds.length - 1));
    };
    sum += (share(actual) - share(expected)) * Math.log(share(actual) / share(expected));
  }
  return sum;
}

test('the stability index agrees with its definition, is never negative, and has no order', () => {
  const many = fc.array(number, { minLength: 10, maxLength: 80 });
  fc.assert(
    fc.property(many, many, (expected, actual) => {
      const found = stabilityIndex(expected, actual)!;
      expect(found).toBeGreaterThanOrEqual(0);
      expect(found).toBeCloseTo(psi(expected, actual), 9);
      expect(stabilityIndex([...expected].reverse(), [...actual].reverse())).toBeCloseTo(found, 9);
      expect(stabilityIndex(expected, expected)).toBe(0);
    }),
  );
});
