import { createRandom } from './random.ts';

/** In how many dimensions each word shows. */
const DIMENSIONS_PER_WORD = 8;

/**
 * A unit vector by feature hashing: each word adds ±1 in a few dimensions of its own, so that texts which share words
 * are near each other (a semantic cache can be tried) and texts which share none are nearly orthogonal.
 */
export function embedOne(
  input: string | readonly number[],
  space: string,
  dimensions: number,
): Float32Array<ArrayBuffer> {
  const words = typeof input === 'string' ? (input.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [input]) : input;
  const vector = new Float32Array(dimensions);
  for (const word of words) {
    const random = createRandom(`embedding ${space} ${word}`);
    for (let times = 0; times < DIMENSIONS_PER_WORD; times++) {
      vector[Math.floor(random() * dimensions)]! += random() < 0.5 ? -1 : 1;
    }
  }
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  if (length === 0) vector[0] = 1;
  else for (let at = 0; at < dimensions; at++) vector[at]! /= length;
  return vector;
}
