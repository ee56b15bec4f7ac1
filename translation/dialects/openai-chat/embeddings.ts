import { RingsideError } from '#core/errors.ts';
import {
  EMBEDDINGS_TASKS,
  type EmbeddingsInput,
  type EmbeddingsReply,
  type EmbeddingsRequest,
  type EmbeddingsTask,
} from '../../embeddings/request.ts';
import type { EmbeddingsDialect } from '../../embeddings/translation.ts';
import { isObject, type Json } from '../../wires/openai/json.ts';
import { extrasOf, fault, optional, readInteger, readName, readText, readWord } from './chat-fields.ts';

/** `user` is the gateway's unit, `metadata` goes into its log. `input_type` is what compatible servers call a task. */
const KNOWN: ReadonlySet<string> = new Set([
  ...['model', 'input', 'dimensions', 'encoding_format', 'input_type', 'user', 'metadata'],
]);
const MAX_INPUTS = 2_048;
const OTHER_WORDS: Readonly<Record<string, EmbeddingsTask>> = {
  search_query: 'query',
  search_document: 'document',
  passage: 'document',
};

/** `/v1/embeddings` for providers of another dialect (OpenAI's API reference, read 2026-11). */
export const openaiEmbeddings: EmbeddingsDialect = {
  readRequest(bytes, target) {
    const body = parse(bytes);
    return {
      model: target.model ?? readName(body['model'], 'model'),
      inputs: readInputs(body['input']),
      dimensions: optional(body['dimensions'], 'dimensions', (value, at) => readInteger(value, at, 1)),
      task: optional(body['input_type'], 'input_type', readTask),
      encoding: optional(body['encoding_format'], 'encoding_format', readEncoding) ?? 'float',
      isBatch: true,
      spelling: { dimensions: 'dimensions', task: 'input_type' },
      extras: extrasOf(body, '', KNOWN),
    };
  },
  writeReply,
};

function readEncoding(value: unknown, at: string): EmbeddingsRequest['encoding'] {
  return readWord(value, at, ['float', 'base64']);
}

function readTask(value: unknown, at: string): EmbeddingsTask {
  const word = readText(value, at);
  return Object.hasOwn(OTHER_WORDS, word) ? OTHER_WORDS[word]! : readWord(word, at, EMBEDDINGS_TASKS);
}

/** One text, or one list of token numbers, is one input; a list of either is as many. */
function readInputs(value: unknown): EmbeddingsInput[] {
  if (typeof value === 'string') return [readInput(value, 'input')];
  if (!Array.isArray(value)) throw fault('input', 'must be a text, a list of texts, or lists of token numbers');
  if (value.length === 0 || value.length > MAX_INPUTS) throw fault('input', `must hold 1 to ${MAX_INPUTS} inputs`);
  if (value.every((item) => typeof item === 'number')) return [readInput(value, 'input')];
  return value.map((item, index) => readInput(item, `input[${index}]`));
}

function readInput(value: unknown, at: string): EmbeddingsInput {
  if (typeof value === 'string') {
    if (value === '') throw fault(at, 'must not be empty');
    return { kind: 'text', at, text: value };
  }
  const isTokens = Array.isArray(value) && value.length > 0 && value.every((item) => Number.isSafeInteger(item));
  if (!isTokens) throw fault(at, 'must be a text or a list of token numbers');
  return { kind: 'tokens', at, tokens: value as number[] };
}

/** Usage is required in this dialect: what the provider did not say is 0 here, and nothing in the log. */
function writeReply({ vectors, inputTokens, model }: EmbeddingsReply, request: EmbeddingsRequest): string {
  const { encoding } = request;
  const data = vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: encoding === 'base64' ? toBase64(vector) : vector,
  }));
  const tokens = inputTokens ?? 0;
  return JSON.stringify({
    object: 'list',
    data,
    model: model ?? request.model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}

/** 32-bit floats, little-endian. */
function toBase64(vector: readonly number[]): string {
  const bytes = Buffer.allocUnsafe(vector.length * 4);
  vector.forEach((value, index) => void bytes.writeFloatLE(value, index * 4));
  return bytes.toString('base64');
}

function parse(bytes: Buffer): Json {
  try {
    const body: unknown = JSON.parse(bytes.toString('utf8'));
    if (isObject(body)) return body;
  } catch (cause) {
    throw new RingsideError('bad_request', 'The request body is not valid JSON.', { cause });
  }
  throw new RingsideError('bad_request', 'The request body must be one JSON object.');
}
