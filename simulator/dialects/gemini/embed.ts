import type { z } from 'zod';
import type { Answer, AnswerContext, Call, Problem } from '../../dialect.ts';
import { createRandom } from '../../random.ts';
import { countTokens } from '../../tokens.ts';
import { textOf } from './ask.ts';
import { badRequest } from './errors.ts';
import { batchEmbedRequest, camelFields, countRequest, embedRequest } from './schema.ts';

const DEFAULT_DIMENSIONS = 768;

type EmbedRequest = z.output<typeof embedRequest>;

/** `POST …/models/{model}:embedContent`. */
export function readEmbed(body: unknown, model: string): Call | Problem {
  const parsed = embedRequest.safeParse(camelFields(body));
  if (!parsed.success) return badRequest(parsed.error);
  return callOf(model, ({ seed }) => plain({ embedding: embed(parsed.data, model, seed) }));
}

/** `POST …/models/{model}:batchEmbedContents`; each request must name the model of the path. */
export function readBatchEmbed(body: unknown, model: string): Call | Problem {
  const parsed = batchEmbedRequest.safeParse(camelFields(body));
  if (!parsed.success) return badRequest(parsed.error);
  const { requests } = parsed.data;
  const at = requests.findIndex((request) => request.model !== `models/${model}`);
  if (at !== -1) {
    const field = `requests[${at}].model`;
    const message = `* BatchEmbedContentsRequest.${field}: unexpected model name format`;
    return { kind: 'bad-request', message, field, missing: false };
  }
  return callOf(model, ({ seed }) => plain({ embeddings: requests.map((request) => embed(request, model, seed)) }));
}

/** `POST …/models/{model}:countTokens`. */
export function readCount(body: unknown, model: string): Call | Problem {
  const parsed = countRequest.safeParse(camelFields(body));
  if (!parsed.success) return badRequest(parsed.error);
  const { contents, generateContentRequest } = parsed.data;
  const parts = (contents ?? generateContentRequest?.contents ?? []).flatMap((content) => content.parts);
  const totalTokens = parts.reduce((sum, part) => sum + countTokens(textOf(part)), 0);
  const promptTokensDetails = [{ modality: 'TEXT', tokenCount: totalTokens }];
  return callOf(model, () => plain({ totalTokens, promptTokensDetails }));
}

function callOf(model: string, answer: (context: AnswerContext) => Answer): Call {
  return { kind: 'call', model, stream: false, answer };
}

function plain(body: object): Answer {
  return { kind: 'plain', body: JSON.stringify(body), tokens: 0 };
}

/** A unit vector, the same for the same text. */
function embed({ content, outputDimensionality }: EmbedRequest, model: string, seed: number) {
  const random = createRandom(`embedding ${seed} ${model} ${content.parts.map(textOf).join('\n')}`);
  const drawn = Array.from({ length: outputDimensionality ?? DEFAULT_DIMENSIONS }, () => random() * 2 - 1);
  const length = Math.hypot(...drawn);
  return { values: drawn.map((value) => value / length) };
}
