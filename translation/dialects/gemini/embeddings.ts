import type { Extra } from '../../chat/request.ts';
import type { EmbeddingsInput, EmbeddingsReply, EmbeddingsRequest, EmbeddingsTask } from '../../embeddings/request.ts';
import type { EmbeddingsDialect } from '../../embeddings/translation.ts';
import { parseRecord } from '../../wires/exact-json.ts';
import { bad, Fields } from './fields.ts';

const MAX_INPUTS = 2_048;

const TASKS: Readonly<Record<string, EmbeddingsTask | null>> = {
  TASK_TYPE_UNSPECIFIED: null,
  RETRIEVAL_QUERY: 'query',
  RETRIEVAL_DOCUMENT: 'document',
  CLASSIFICATION: 'classification',
  CLUSTERING: 'clustering',
  SEMANTIC_SIMILARITY: 'similarity',
};

/** `embedContent` and `batchEmbedContents` for providers of another dialect (Gemini API reference, Embeddings, read 2026-11). */
export const geminiEmbeddings: EmbeddingsDialect = {
  readRequest(bytes, { model, isBatch = false }) {
    const body = parseRecord(bytes.toString('utf8'));
    if (body === null) throw bad('', 'must be one JSON object');
    const extras: Extra[] = [];
    const whole = new Fields(body, '');
    const requests = isBatch ? whole.list('requests') : [{ value: body, at: '' }];
    if (requests.length === 0 || requests.length > MAX_INPUTS) throw bad('requests', `must hold 1 to ${MAX_INPUTS}`);
    if (isBatch) whole.rest(extras);
    const [first, ...others] = requests.map(({ value, at }) => readOne(new Fields(value, at), extras));
    for (const { dimensions, task, spelling } of others) {
      if (dimensions !== first!.dimensions) throw bad(spelling.dimensions, 'must be the same in all requests');
      if (task !== first!.task) throw bad(spelling.task, 'must be the same in all requests');
    }
    const { dimensions, task, spelling } = first!;
    const inputs = [first!, ...others].map(({ input }) => input);
    return { model: model ?? '', inputs, dimensions, task, spelling, encoding: 'float', isBatch, extras };
  },
  writeReply,
};

/** The model of each request names the path's, or is the gateway's to name. */
function readOne(fields: Fields, extras: Extra[]) {
  fields.take('model');
  const content = fields.fields('content');
  if (content === null) throw bad(fields.where('content'), 'is missing');
  content.take('role');
  const texts = content.list('parts').map(({ value, at }) => readPart(new Fields(value, at), extras));
  if (texts.length === 0) throw bad(content.where('parts'), 'is missing');
  content.rest(extras);
  const word = fields.string('taskType');
  if (word !== null && !Object.hasOwn(TASKS, word)) {
    throw bad(fields.where('taskType'), `must be one of: ${Object.keys(TASKS).join(', ')}`);
  }
  const dimensions = fields.integer('outputDimensionality');
  fields.rest(extras);
  const input: EmbeddingsInput = { kind: 'text', at: content.at, text: texts.join('\n') };
  const spelling = { dimensions: fields.where('outputDimensionality'), task: fields.where('taskType') };
  return { input, dimensions, task: word === null ? null : TASKS[word]!, spelling };
}

function readPart(part: Fields, extras: Extra[]): string {
  const text = part.string('text');
  if (text === null) throw bad(part.where('text'), 'must be a text: nothing else is embedded by other providers');
  part.rest(extras);
  return text;
}

function writeReply({ vectors, inputTokens }: EmbeddingsReply, { isBatch }: EmbeddingsRequest): string {
  const embeddings = vectors.map((values) => ({ values }));
  const usage = inputTokens === null ? {} : { usageMetadata: { promptTokenCount: inputTokens } };
  return JSON.stringify({ ...(isBatch ? { embeddings } : { embedding: embeddings[0] }), ...usage });
}
