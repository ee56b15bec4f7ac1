import fc from 'fast-check';
import { expect, test } from 'vitest';
import { costMicroUsd, type Prices } from '#core/prices.ts';

const usage = (inputTokens: number | null, outputTokens: number | null, cachedTokens: number | null = null) => ({
  ...{ inputTokens, outputTokens, cachedTokens },
});

test('prices are per million tokens, cached ones have their own', () => {
  const prices: Prices = { input: 3_000_000, output: 15_000_000, cachedInput: 300_000 };
  expect(costMicroUsd(prices, usage(1_000, 200))).toBe(3_000 + 3_000);
  expect(costMicroUsd(prices, usage(1_000, 200, 400))).toBe(1_800 + 120 + 3_000);
  expect(costMicroUsd({ input: 3_000_000, output: 0 }, usage(1_000, 0, 400))).toBe(3_000);
});

test('it is rounded once, half up, and only behind the sum', () => {
  expect(costMicroUsd({ input: 499_999, output: 0 }, usage(1, 0))).toBe(0);
  expect(costMicroUsd({ input: 500_000, output: 0 }, usage(1, 0))).toBe(1);
  expect(costMicroUsd({ input: 300_000, output: 300_000 }, usage(1, 1))).toBe(1);
});

test('what was not said is unknown where it has a price, and nothing where it has none', () => {
  const prices: Prices = { input: 1_000_000, output: 1_000_000 };
  expect(costMicroUsd(prices, usage(null, 5))).toBeNull();
  expect(costMicroUsd(prices, usage(5, null))).toBeNull();
  expect(costMicroUsd({ input: 20_000, output: 0 }, usage(1_000_000, null))).toBe(20_000);
  expect(costMicroUsd({ input: 0, output: 1_000_000, cachedInput: 5 }, usage(null, 7))).toBeNull();
  expect(costMicroUsd(prices, usage(0, 0))).toBe(0);
});

test.each([-1, 0.5, Number.NaN, 1e300])('%d is no count of tokens', (tokens) => {
  expect(costMicroUsd({ input: 1, output: 1 }, usage(tokens, 1))).toBeNull();
});

test('more cached tokens than there are count as all of them', () => {
  expect(costMicroUsd({ input: 2_000_000, output: 0, cachedInput: 1_000_000 }, usage(10, 0, 99))).toBe(10);
});

test('it is exact for any prices and counts', () => {
  const price = fc.oneof(fc.nat(100_000_000), fc.integer({ min: 0, max: 1_000_000_000_000 }));
  const tokens = fc.oneof(fc.nat(100_000), fc.nat(2_147_483_647));
  fc.assert(
    fc.property(
      price,
      price,
      price,
      tokens,
      tokens,
      tokens,
      (input, output, cachedInput, inTokens, outTokens, some) => {
        const cached = Math.min(some, inTokens);
        const exact =
          BigInt(inTokens - cached) * BigInt(input) +
          BigInt(cached) * BigInt(cachedInput) +
          BigInt(outTokens) * BigInt(output);
        const rounded = (exact * 2n + 1_000_000n) / 2_000_000n;
        expect(costMicroUsd({ input, output, cachedInput }, usage(inTokens, outTokens, cached))).toBe(Number(rounded));
      },
    ),
  );
});
