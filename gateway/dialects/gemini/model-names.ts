import { RingsideError } from '#core/errors.ts';
import { isRecord, parseExact } from '../../wires/gemini/exact-json.ts';

/**
 * The body of `embedContent`, `batchEmbedContents` or `countTokens` for another model: unlike chats they may name it in the body, too (on top, in
 * each of `requests`, in `generateContentRequest`), and Google refuses one that differs from the path. Everything else stays. Throws
 * `bad_request` for what is no JSON object.
 */
export function renameModels(body: Buffer, upstreamModel: string): Buffer {
  let value: unknown;
  try {
    value = parseExact(body.toString('utf8'));
  } catch (cause) {
    throw new RingsideError('bad_request', 'The request body must be one JSON object.', { cause });
  }
  if (!isRecord(value)) throw new RingsideError('bad_request', 'The request body must be one JSON object.');
  const name = `models/${upstreamModel}`;
  const named = (item: unknown): unknown => (isRecord(item) && 'model' in item ? { ...item, model: name } : item);
  const renamed = { ...value };
  if ('model' in renamed) renamed['model'] = name;
  for (const key of ['generateContentRequest', 'generate_content_request']) {
    if (key in renamed) renamed[key] = named(renamed[key]);
  }
  const { requests } = renamed;
  if (Array.isArray(requests)) renamed['requests'] = requests.map(named);
  return Buffer.from(JSON.stringify(renamed));
}
