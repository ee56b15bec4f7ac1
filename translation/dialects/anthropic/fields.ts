import { RingsideError } from '#core/errors.ts';
import type { At } from '../../chat/parts.ts';
import type { Extra, JsonObject } from '../../chat/request.ts';
import { roundedNumber } from '../../wires/exact-json.ts';

/**
 * Reads one object of a caller's body field by field and knows afterwards which fields nobody asked for. Null is read as not said.
 * Everything of the wrong type throws `bad_request` naming the field in the caller's spelling.
 */
export class Fields {
  readonly at: At;
  readonly #values: JsonObject;
  readonly #taken = new Set<string>();

  /** @throws bad_request when `value` is no object */
  constructor(value: unknown, at: At) {
    if (!isObject(value)) throw bad(at, 'must be an object');
    this.#values = value;
    this.at = at;
  }

  path(name: string): At {
    return this.at === '' ? name : `${this.at}.${name}`;
  }

  take(name: string): unknown {
    this.#taken.add(name);
    return (Object.hasOwn(this.#values, name) ? this.#values[name] : null) ?? null;
  }

  text(name: string): string | null {
    const value = this.take(name);
    if (value === null || typeof value === 'string') return value;
    throw bad(this.path(name), 'must be a string');
  }

  neededText(name: string): string {
    return this.text(name) ?? this.#missing(name);
  }

  flag(name: string): boolean | null {
    const value = this.take(name);
    if (value === null || typeof value === 'boolean') return value;
    throw bad(this.path(name), 'must be true or false');
  }

  number(name: string, min: number, max: number): number | null {
    const value = roundedNumber(this.take(name));
    if (value === null) return null;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    throw bad(
      this.path(name),
      max === Number.POSITIVE_INFINITY ? `must be at least ${min}` : `must be ${min} to ${max}`,
    );
  }

  count(name: string, min: number): number | null {
    const value = this.number(name, min, Number.POSITIVE_INFINITY);
    if (value === null || Number.isInteger(value)) return value;
    throw bad(this.path(name), 'must be a whole number');
  }

  choice<const Word extends string>(name: string, words: readonly Word[]): Word | null {
    const value = this.text(name);
    if (value === null) return null;
    const word = words.find((known) => known === value);
    if (word !== undefined) return word;
    throw bad(this.path(name), `must be one of ${words.map((known) => `"${known}"`).join(', ')}`);
  }

  list(name: string): readonly unknown[] | null {
    const value = this.take(name);
    if (value === null || Array.isArray(value)) return value;
    throw bad(this.path(name), 'must be a list');
  }

  texts(name: string): readonly string[] | null {
    return (
      this.list(name)?.map((value, index) => {
        if (typeof value === 'string') return value;
        throw bad(`${this.path(name)}[${index}]`, 'must be a string');
      }) ?? null
    );
  }

  object(name: string): JsonObject | null {
    const value = this.take(name);
    if (value === null || isObject(value)) return value;
    throw bad(this.path(name), 'must be an object');
  }

  fields(name: string): Fields | null {
    const value = this.take(name);
    return value === null ? null : new Fields(value, this.path(name));
  }

  neededFields(name: string): Fields {
    return this.fields(name) ?? this.#missing(name);
  }

  /** What nobody asked for goes to `extras`. */
  leave(extras: Extra[]): void {
    for (const [name, value] of Object.entries(this.#values)) {
      if (!this.#taken.has(name) && value !== null) extras.push({ at: this.path(name), name, value });
    }
  }

  #missing(name: string): never {
    throw bad(this.path(name), 'is missing');
  }
}

/** `bad_request` for a field: `"messages[0].role" must be …`. */
export function bad(at: At, what: string): RingsideError {
  return new RingsideError('bad_request', `"${at}" ${what}.`, { param: at });
}

/** For what only Anthropic's own servers know: content that cannot be left out and has no equivalent elsewhere. */
export function onlyAnthropic(at: At, what: string): RingsideError {
  return new RingsideError(
    'unsupported_parameter',
    `"${at}" cannot be sent on: ${what} is known to the provider kind "anthropic" only.`,
    { param: at },
  );
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
