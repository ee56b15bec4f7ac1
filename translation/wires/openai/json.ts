import { RingsideError } from '#core/errors.ts';

/** JSON as it comes from outside. */
export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value if it is an object, else one without keys: for fields that may be missing or null. */
export function objectOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The text, or null for whatever is none or empty. */
export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Parses what an upstream calls JSON. Throws `upstream_protocol` for what is no JSON object: HTML, half a text. */
export function parseUpstream(text: string, what: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RingsideError('upstream_protocol', `The upstream sent ${what} that is no JSON.`, { cause });
  }
  if (isObject(value)) return value;
  throw new RingsideError('upstream_protocol', `The upstream sent ${what} that is no JSON object.`);
}
