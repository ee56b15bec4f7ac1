import { RingsideError } from '#core/errors.ts';
import { isRecord, type JsonRecord, parseRecord } from '#translation/wires/exact-json.ts';

/** Where a body of `countTokens` holds the request whose tokens are counted. */
const NESTED = ['generateContentRequest', 'generate_content_request'] as const;

/** One of these keys, or a key with an escape in it, which may be one. */
const MAY_NAME = /"(?:requests|generateContentRequest|generate_content_request)"|\\u00[0-9a-f]{2}\w*"\s*:/i;

/** A model's resource name: `models/…`, unless the name has a collection of its own (`tunedModels/…`). */
export function resourceName(upstreamModel: string): string {
  return upstreamModel.includes('/') ? upstreamModel : `models/${upstreamModel}`;
}

/**
 * The body of `batchEmbedContents` or `countTokens` for another model: unlike chats they name it below the top, too (in each of `requests`, in
 * `generateContentRequest`), and Google refuses a name that differs from the path. Null where nothing is to be changed.
 * @throws bad_request for what cannot be read
 */
export function renameModels(body: Buffer, upstreamModel: string): Buffer | null {
  if (!MAY_NAME.test(body.toString('latin1'))) return null;
  const value = parseRecord(body.toString('utf8'));
  // Google reads more than JSON allows, and might find a model in it that we do not.
  if (value === null) throw new RingsideError('bad_request', 'The body is not valid JSON, or nested too deeply.');
  const model = resourceName(upstreamModel);
  const named = (item: unknown): unknown => (isRecord(item) ? { ...item, model } : item);
  const renamed: JsonRecord = 'model' in value ? { ...value, model } : { ...value };
  for (const key of NESTED) if (key in renamed) renamed[key] = named(renamed[key]);
  const { requests } = renamed;
  if (requests !== undefined) renamed['requests'] = Array.isArray(requests) ? requests.map(named) : named(requests);
  return Buffer.from(JSON.stringify(renamed));
}
