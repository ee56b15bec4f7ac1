import { z } from 'zod';
import type { Answer, AnswerContext, Call, Problem } from '../../dialect.ts';
import { createRandom } from '../../random.ts';
import { badRequest } from './errors.ts';
import { digestInput } from './prompt.ts';

const DEFAULT_DIMENSIONS = 1536;
/** In how many dimensions each word shows. */
const DIMENSIONS_PER_WORD = 8;

const tokenNumbers = z.array(z.int()).min(1);

const embeddingsRequest = z.object({
  model: z.string().min(1).max(256),
  input: z.union([
    z.string().min(1),
    tokenNumbers,
    z.array(z.string().min(1)).min(1).max(2048),
    z.array(tokenNumbers).min(1).max(2048),
  ]),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).max(8192).nullish(),
});

type EmbeddingsRequest = z.output<typeof embeddingsRequest>;
type Input = string | readonly number[];

/** `POST /v1/embeddings`. */
export function readEmbeddings(body: unknown): Call | Problem {
  const parsed = embeddingsRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error, body);
  const request = parsed.data;
  return { kind: 'call', model: request.model, stream: false, answer: (context) => embed(request, context) };
}

function inputsOf(input: EmbeddingsRequest['input']): Input[] {
  if (typeof input === 'string') return [input];
  return input.every((item) => typeof item === 'number') ? [input] : input;
}

function embed(request: EmbeddingsRequest, { seed, behaviour }: AnswerContext): Answer {
  const inputs = inputsOf(request.input);
  const space = `${seed} ${request.model}`;
  const data = inputs.map((input, index) => {
    const vector = embedOne(input, space, request.dimensions ?? DEFAULT_DIMENSIONS);
    const embedding =
      request.encoding_format === 'base64' ? Buffer.from(vector.buffer).toString('base64') : Array.from(vector);
    return { object: 'embedding', index, embedding };
  });
  const counted = inputs.reduce((sum, input) => sum + digestInput(input).tokens, 0);
  const tokens = behaviour.usage === 'zero' ? 0 : counted;
  const usage = behaviour.usage === 'missing' ? undefined : { prompt_tokens: tokens, total_tokens: tokens };
  return {
    kind: 'plain',
    body: JSON.stringify({ object: 'list', data, model: request.model, usage }),
    tokens: 0,
  };
}

/**
 * A unit vector by feature hashing: each word adds ±1 in a few dimensions of its own, so that texts which share words
 * are near each other (a semantic cache can be tried) and texts which share none are nearly orthogonal.
 */
function embedOne(input: Input, space: string, dimensions: number): Float32Array<ArrayBuffer> {
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
