import { z } from 'zod';

const microUsdPerMillion = z.int().min(0).max(1_000_000_000_000);

/** What a model costs, in micro-dollars per million tokens ($3 a million is 3 000 000). */
export const pricesSchema = z.object({
  input: microUsdPerMillion,
  output: microUsdPerMillion,
  /** Of the prompt's tokens that the provider had cached; left out: as the others. */
  cachedInput: microUsdPerMillion.optional(),
});

export type Prices = z.output<typeof pricesSchema>;

/** Token counts as an upstream reported them; null is "not said". Cached tokens are a part of the input. */
interface UsedTokens {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedTokens: number | null;
}

const TOKENS_PER_PRICE = 1_000_000;

/**
 * What a call cost, in micro-dollars: one price for all input tokens but the cached ones, one for all output tokens, summed exactly and
 * then rounded once, half a micro-dollar up. Null when it is not known: a count is missing (or is no whole number) that has a price
 * other than 0. Where nothing is said of cached tokens there were none.
 */
export function costMicroUsd(prices: Prices, usage: UsedTokens): number | null {
  const input = priced(usage.inputTokens, Math.max(prices.input, prices.cachedInput ?? 0));
  const output = priced(usage.outputTokens, prices.output);
  if (input === null || output === null) return null;
  const cached = Math.min(priced(usage.cachedTokens ?? 0, 0) ?? 0, input);
  const cachedPrice = prices.cachedInput ?? prices.input;
  const total = (input - cached) * prices.input + cached * cachedPrice + output * prices.output;
  // hot: prices of today stay far below 2^53 here
  if (total <= Number.MAX_SAFE_INTEGER - TOKENS_PER_PRICE) {
    const halfUp = total + TOKENS_PER_PRICE / 2;
    return (halfUp - (halfUp % TOKENS_PER_PRICE)) / TOKENS_PER_PRICE;
  }
  const exact =
    BigInt(input - cached) * BigInt(prices.input) +
    BigInt(cached) * BigInt(cachedPrice) +
    BigInt(output) * BigInt(prices.output);
  const cost = Number((exact + BigInt(TOKENS_PER_PRICE / 2)) / BigInt(TOKENS_PER_PRICE));
  return Number.isSafeInteger(cost) ? cost : null;
}

/** A count of tokens that counts: 0 where it is not known and costs nothing, null where that leaves the cost unknown. */
function priced(tokens: number | null, price: number): number | null {
  if (tokens !== null && Number.isSafeInteger(tokens) && tokens >= 0) return tokens;
  return price === 0 ? 0 : null;
}
