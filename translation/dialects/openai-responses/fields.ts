import { RingsideError } from '#core/errors.ts';
import type { At } from '../../chat/parts.ts';
import type { Extra, JsonObject } from '../../chat/request.ts';

/** Reads a value that is there, or throws `bad_request` naming where it stands. */
type Read<Value> = (value: unknown, at: At) => Value;

export function bad(at: At, message: string): RingsideError {
  return new RingsideError('bad_request', message, { param: at });
}

/** What only OpenAI itself, or nobody here, can do: leaving it out would change what is asked, so that it is refused at once. */
export function unsupported(at: At, why: string): RingsideError {
  return new RingsideError('unsupported_parameter', `"${at}" cannot be used here: ${why}.`, { param: at });
}

/** Null where nothing is said; OpenAI takes `null` for that everywhere. */
export function optional<Value>(value: unknown, at: At, read: Read<Value>): Value | null {
  return value === undefined || value === null ? null : read(value, at);
}

export function readObject(value: unknown, at: At): JsonObject {
  if (isObject(value)) return value;
  throw bad(at, `"${at}" must be an object.`);
}

export function readList(value: unknown, at: At): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw bad(at, `"${at}" must be a list.`);
}

export function readString(value: unknown, at: At): string {
  if (typeof value === 'string') return value;
  throw bad(at, value === undefined || value === null ? `"${at}" is missing.` : `"${at}" must be a string.`);
}

/** A string that says something. */
export function readName(value: unknown, at: At): string {
  const text = readString(value, at);
  if (text === '') throw bad(at, `"${at}" must not be empty.`);
  return text;
}

export function readFlag(value: unknown, at: At): boolean {
  if (typeof value === 'boolean') return value;
  throw bad(at, `"${at}" must be true or false.`);
}

export function numberIn(min: number, max: number): Read<number> {
  return (value, at) => {
    if (typeof value === 'number' && value >= min && value <= max) return value;
    throw bad(at, `"${at}" must be a number from ${min} to ${max}.`);
  };
}

export function integerIn(min: number, max: number): Read<number> {
  return (value, at) => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw bad(at, `"${at}" must be a whole number ${range}.`);
  };
}

export function oneOf<const Word extends string>(words: readonly Word[]): Read<Word> {
  return (value, at) => {
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    throw bad(at, `"${at}" must be one of ${words.map((word) => `"${word}"`).join(', ')}.`);
  };
}

/** What has no place in the neutral request, in the order in which it was found. */
export class Extras {
  readonly found: Extra[] = [];

  add(at: At, name: string, value: unknown): void {
    if (value !== undefined && value !== null) this.found.push({ at, name, value });
  }

  /** The fields of an object that are not among the known ones. */
  rest(object: JsonObject, known: ReadonlySet<string>, at: At): void {
    for (const [name, value] of Object.entries(object)) {
      if (!known.has(name)) this.add(at === '' ? name : `${at}.${name}`, name, value);
    }
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
