import { z } from 'zod';
import type { Answer, AnswerContext, Call, Problem } from '../../dialect.ts';
import { embedOne } from '../../vectors.ts';
import { badRequest } from './errors.ts';
import { digestInput } from './prompt.ts';

const DEFAULT_DIMENSIONS = 1536;

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
