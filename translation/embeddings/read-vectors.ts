import { RingsideError } from '#core/errors.ts';
import type { Refusals } from '../chat/refusals.ts';
import type { EmbeddingsRequest } from './request.ts';

/** Texts, for a provider that takes nothing else. */
export function textsOf({ inputs }: EmbeddingsRequest, refusals: Refusals): string[] {
  return inputs.map((input) =>
    input.kind === 'text' ? input.text : refusals.content(input.at, 'takes texts, and no numbers of tokens'),
  );
}

/** Vectors of an upstream's answer. Throws `upstream_protocol` for what are none. */
export function readVectors(value: unknown): number[][] {
  if (Array.isArray(value) && value.every(isVector)) return value;
  throw new RingsideError('upstream_protocol', 'The upstream sent embeddings that are no lists of numbers.');
}

function isVector(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}
