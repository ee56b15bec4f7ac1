import { RingsideError } from '#core/errors.ts';
import { parseExact } from '#translation/wires/exact-json.ts';

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON of an object, or `upstream_protocol`. */
export function parseObject(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = parseExact(body.toString('utf8'));
    if (isRecord(value)) return value;
  } catch {
    // Said below: its text could hold anything.
  }
  throw notAnAnswer();
}

export function notAnAnswer(): RingsideError {
  return new RingsideError('upstream_protocol', 'The upstream sent something that is no answer of Bedrock.');
}
