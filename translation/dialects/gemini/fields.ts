import { RingsideError } from '#core/errors.ts';
import type { At } from '../../chat/parts.ts';
import type { Extra } from '../../chat/request.ts';
import { isRecord, type JsonRecord, roundedNumber } from '../../wires/exact-json.ts';

/**
 * One object of a request. Google's servers read each field in camelCase and in snake_case (ProtoJSON), and one object where a list is
 * due; so do we. What is not asked for in the end becomes an {@link Extra}. Values of the wrong type throw `bad_request`.
 */
export class Fields {
  readonly at: At;
  readonly #object: JsonRecord;
  readonly #taken = new Set<string>();

  constructor(value: unknown, at: At) {
    if (!isRecord(value)) throw bad(at, 'must be an object');
    this.at = at;
    this.#object = value;
  }

  /** The value of a field; undefined where it is missing or null. */
  take(name: string): unknown {
    const key = this.#spelled(name);
    this.#taken.add(key);
    return Object.hasOwn(this.#object, key) ? (this.#object[key] ?? undefined) : undefined;
  }

  /** Where the field stands, as the caller spelled it. */
  where(name: string): At {
    const key = this.#spelled(name);
    return this.at === '' ? key : `${this.at}.${key}`;
  }

  has(name: string): boolean {
    return (this.#object[this.#spelled(name)] ?? undefined) !== undefined;
  }

  string(name: string): string | null {
    return this.#typed(name, 'string', 'must be a string') as string | null;
  }

  boolean(name: string): boolean | null {
    return this.#typed(name, 'boolean', 'must be true or false') as boolean | null;
  }

  /** ProtoJSON takes numbers as texts, too. */
  number(name: string): number | null {
    const value = roundedNumber(this.take(name));
    if (value === undefined) return null;
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isFinite(number)) throw bad(this.where(name), 'must be a number');
    return number;
  }

  integer(name: string): number | null {
    const value = this.number(name);
    if (value !== null && !Number.isSafeInteger(value)) throw bad(this.where(name), 'must be a whole number');
    return value;
  }

  fields(name: string): Fields | null {
    const value = this.take(name);
    return value === undefined ? null : new Fields(value, this.where(name));
  }

  list(name: string): { readonly value: unknown; readonly at: At }[] {
    const value = this.take(name);
    const at = this.where(name);
    if (value === undefined) return [];
    return Array.isArray(value)
      ? value.map((item, index) => ({ value: item, at: `${at}[${index}]` }))
      : [{ value, at }];
  }

  strings(name: string): string[] {
    return this.list(name).map(({ value, at }) => {
      if (typeof value !== 'string') throw bad(at, 'must be a string');
      return value;
    });
  }

  /** A field with a meaning that only Google's models know. */
  extra(name: string, extras: Extra[]): void {
    const value = this.take(name);
    if (value !== undefined) extras.push({ at: this.where(name), name, value });
  }

  /** All fields that nobody asked for. */
  rest(extras: Extra[]): void {
    for (const [name, value] of Object.entries(this.#object)) {
      if (this.#taken.has(name) || value === null) continue;
      extras.push({ at: this.at === '' ? name : `${this.at}.${name}`, name, value });
    }
  }

  #typed(name: string, type: 'string' | 'boolean', what: string): unknown {
    const value = this.take(name);
    if (value === undefined) return null;
    if (typeof value !== type) throw bad(this.where(name), what);
    return value;
  }

  #spelled(name: string): string {
    if (Object.hasOwn(this.#object, name)) return name;
    const snake = snakeOf(name);
    return Object.hasOwn(this.#object, snake) ? snake : name;
  }
}

/** By our own names of fields: as many as this folder asks for. */
const SNAKES = new Map<string, string>();

function snakeOf(name: string): string {
  const known = SNAKES.get(name);
  if (known !== undefined) return known;
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  SNAKES.set(name, snake);
  return snake;
}

/** `param` empty: the body itself. */
export function bad(param: At, what: string): RingsideError {
  if (param === '') return new RingsideError('bad_request', `The request body ${what}.`);
  return new RingsideError('bad_request', `"${param}" ${what}.`, { param });
}
