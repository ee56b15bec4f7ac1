import { z } from 'zod';
import type { Call, Problem } from '../../dialect.ts';
import { countTokens } from '../../tokens.ts';
import { embedOne } from '../../vectors.ts';
import { badRequest } from './errors.ts';

const DEFAULT_DIMENSIONS = 1024;

const embeddingsRequest = z.strictObject({
  model: z.string().min(1).max(256),
  input: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  output_dimension: z.int().min(1).max(3072).nullish(),
  output_dtype: z.literal('float').nullish(),
  encoding_format: z.literal('float').nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
});

/** `POST /v1/embeddings`. */
export function readEmbeddings(body: unknown): Call | Problem {
  const parsed = embeddingsRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error);
  const { model, input, output_dimension: dimensions } = parsed.data;
  const texts = typeof input === 'string' ? [input] : input;
  const tokens = texts.reduce((sum, text) => sum + countTokens(text), 0);
  return {
    kind: 'call',
    model,
    stream: false,
    answer({ seed, behaviour }) {
      const data = texts.map((text, index) => {
        const embedding = Array.from(embedOne(text, `${seed} ${model}`, dimensions ?? DEFAULT_DIMENSIONS));
        return { object: 'embedding', index, embedding };
      });
      const usage = behaviour.usage === 'missing' ? {} : { usage: { prompt_tokens: tokens, total_tokens: tokens } };
      return { kind: 'plain', body: JSON.stringify({ id: 'emb', object: 'list', model, data, ...usage }), tokens: 0 };
    },
  };
}
