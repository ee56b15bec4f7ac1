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
