import { RingsideError } from '#core/errors.ts';
import type { At } from '../../chat/parts.ts';
import type { Extra, JsonObject } from '../../chat/request.ts';
import { isObject, type Json } from '../../wires/openai/json.ts';

/** A fault of the caller's, at its place in the body. */
export function fault(at: At, expected: string): RingsideError {
  return new RingsideError('bad_request', `"${at}" ${expected}.`, { param: at });
}

/** Something that only OpenAI itself can do, and that cannot be left out. */
export function untranslatable(at: At, why: string): RingsideError {
  return new RingsideError('unsupported_parameter', `"${at}" cannot be translated: ${why}.`, { param: at });
}

export function readObject(value: unknown, at: At): JsonObject {
  if (isObject(value)) return value;
  throw fault(at, 'must be an object');
}

export function readList(value: unknown, at: At): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw fault(at, 'must be an array');
}

export function readText(value: unknown, at: At): string {
  if (typeof value === 'string') return value;
  throw fault(at, 'must be a string');
}

export function readName(value: unknown, at: At): string {
  const name = readText(value, at);
  if (name === '') throw fault(at, 'must not be empty');
  return name;
}

export function readNumber(value: unknown, at: At): number {
  if (typeof value === 'number') return value;
  throw fault(at, 'must be a number');
}

export function readInteger(value: unknown, at: At, least: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
  throw fault(at, `must be an integer of at least ${least}`);
}

export function readBoolean(value: unknown, at: At): boolean {
  if (typeof value === 'boolean') return value;
  throw fault(at, 'must be true or false');
}

/** Null and missing are one in this dialect. */
export function optional<Value>(value: unknown, at: At, read: (value: unknown, at: At) => Value): Value | null {
  return value === undefined || value === null ? null : read(value, at);
}

/** One of a closed list. */
export function readWord<const Word extends string>(value: unknown, at: At, words: readonly Word[]): Word {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw fault(at, `must be one of: ${words.join(', ')}`);
}

/** The keys of an object that its reader does not know, as extras. What says nothing (null, an empty list) is none. */
export function extrasOf(value: Json, at: At, known: ReadonlySet<string>): Extra[] {
  const prefix = at === '' ? '' : `${at}.`;
  return Object.entries(value)
    .filter(([key, said]) => !known.has(key) && !isSilent(said))
    .map(([key, said]) => ({ at: `${prefix}${key}`, name: `${prefix}${key}`, value: said }));
}

/** The same, put behind `extras`. */
export function noteExtras(value: Json, at: At, known: ReadonlySet<string>, extras: Extra[]): void {
  for (const extra of extrasOf(value, at, known)) extras.push(extra);
}

function isSilent(value: unknown): boolean {
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0);
}
