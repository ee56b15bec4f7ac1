import { z } from 'zod';
import type { Call, Problem } from '../../dialect.ts';
import { drawText, hashText } from '../../random.ts';
import { badRequest } from './errors.ts';

const CATEGORIES = [
  ...['harassment', 'harassment/threatening', 'hate', 'hate/threatening', 'illicit', 'illicit/violent', 'self-harm'],
  ...['self-harm/instructions', 'self-harm/intent', 'sexual', 'sexual/minors', 'violence', 'violence/graphic'],
];

const moderationRequest = z.object({
  model: z.string().min(1).max(256),
  input: z.union([
    z.string(),
    z.array(z.string()).min(1),
    z.array(z.looseObject({ type: z.enum(['text', 'image_url']) })).min(1),
  ]),
});

/** `POST /v1/moderations`: what speaks of violence is flagged as such. */
export function readModeration(body: unknown): Call | Problem {
  const parsed = moderationRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error, body);
  const { model, input } = parsed.data;
  // A list of parts is one input; a list of texts is as many.
  const texts = typeof input === 'string' ? [input] : input.every((item) => typeof item === 'string') ? input : null;
  const results = (texts ?? [JSON.stringify(input)]).map(moderate);
  return {
    kind: 'call',
    model,
    stream: false,
    answer: ({ random }) => ({
      kind: 'plain',
      body: JSON.stringify({ id: `modr-${drawText(random, 29)}`, model, results }),
      tokens: 0,
    }),
  };
}

function moderate(text: string) {
  const isViolent = /violen|kill|attack/i.test(text);
  const of = <Value>(value: (category: string) => Value) =>
    Object.fromEntries(CATEGORIES.map((category) => [category, value(category)]));
  const low = (hashText(text) % 1000) / 1e6;
  return {
    flagged: isViolent,
    categories: of((category) => isViolent && category === 'violence'),
    category_scores: of((category) => (isViolent && category === 'violence' ? 0.9 + low : low)),
    category_applied_input_types: of(() => ['text']),
  };
}
