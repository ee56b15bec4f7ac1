import type { RingsideError } from '#core/errors.ts';
import { type ErrorSource, readError as readWireError } from '#translation/wires/openai/errors.ts';
import { isObject, type Json, objectOf, textOf } from '#translation/wires/openai/json.ts';

/**
 * Reads Azure's errors: OpenAI's body, or `{statusCode, message}` of the gateway before it. A prompt that the filters stopped is the caller's
 * matter: 400, and which of them did.
 */
export function readError(
  status: number,
  body: Buffer,
  retryAfter: string | undefined,
  target: ErrorSource,
): RingsideError {
  const error = objectOf(parse(body)['error']);
  if (error['code'] !== 'content_filter') return readWireError(status, body, retryAfter, target);
  const filtered = filteredBy(objectOf(error['innererror']));
  const said = textOf(error['message']) ?? 'the content filter stopped it';
  const message = filtered.length === 0 ? said : `${said} (filtered: ${filtered.join(', ')})`;
  // A filter that stops an answer in the middle of a stream has no status of its own.
  return readWireError(400, Buffer.from(JSON.stringify({ error: { ...error, message } })), retryAfter, target);
}

/** The names of the filters that matched: `hate`, `jailbreak`, … */
function filteredBy(inner: Json): string[] {
  const results = Object.entries(objectOf(inner['content_filter_result'] ?? inner['content_filter_results']));
  return results.flatMap(([name, found]) => (objectOf(found)['filtered'] === true ? [name] : []));
}

function parse(body: Buffer): Json {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isObject(value) ? value : {};
  } catch {
    return {}; // a page of a proxy, which the wire's reader passes over as well
  }
}
