import { z } from 'zod';
import type { Call, Problem } from '../../dialect.ts';
import { drawText } from '../../random.ts';
import { countTokens } from '../../tokens.ts';
import { embedOne } from '../../vectors.ts';
import { badRequest } from './errors.ts';

const DEFAULT_DIMENSIONS = 1536;

/** Cohere's limits are in it: what the real API would not take is refused here, too. */
const embedRequest = z.strictObject({
  model: z.string().min(1).max(256),
  texts: z.array(z.string()).min(1).max(96),
  input_type: z.enum(['search_document', 'search_query', 'classification', 'clustering', 'image']),
  embedding_types: z.array(z.literal('float')).optional(),
  output_dimension: z.union([z.literal(256), z.literal(512), z.literal(1024), z.literal(1536)]).optional(),
  truncate: z.enum(['NONE', 'START', 'END']).optional(),
});

/** `POST /v2/embed`. */
export function readEmbed(body: unknown): Call | Problem {
  const parsed = embedRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error, body);
  const { model, texts, output_dimension: dimensions } = parsed.data;
  const tokens = texts.reduce((sum, text) => sum + countTokens(text), 0);
  return {
    kind: 'call',
    model,
    stream: false,
    answer({ seed, behaviour, random }) {
      const space = `${seed} ${model}`;
      const float = texts.map((text) => Array.from(embedOne(text, space, dimensions ?? DEFAULT_DIMENSIONS)));
      const units = behaviour.usage === 'missing' ? {} : { billed_units: { input_tokens: tokens } };
      const meta = { api_version: { version: '2' }, ...units };
      const reply = {
        id: drawText(random, 36),
        embeddings: { float },
        texts,
        meta,
        response_type: 'embeddings_by_type',
      };
      return { kind: 'plain', body: JSON.stringify(reply), tokens: 0 };
    },
  };
}
