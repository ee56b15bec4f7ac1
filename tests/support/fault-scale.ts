import { randomInt } from 'node:crypto';
import { createRandom, type Random } from '#simulator/random.ts';

/** How long the fault tests are: `npm run test:faults -- --full` runs each at its whole length. */
export const FULL_LENGTH = process.env['FAULTS_FULL'] === '1';

/** The usual length, and the whole one. */
export function scaled<Value>(usual: Value, full: Value): Value {
  return FULL_LENGTH ? full : usual;
}

/** A seeded source of random moments. The seed is printed with the results; FAULTS_SEED repeats it. */
export function createMoments(): { readonly seed: string; readonly random: Random } {
  const seed = process.env['FAULTS_SEED'] ?? String(randomInt(1_000_000));
  return { seed, random: createRandom(seed) };
}
