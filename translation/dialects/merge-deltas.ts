export type JsonObject = Record<string, unknown>;

/** What a key or an element costs beside its text, in characters. */
const NODE_COST = 32;
/** Sent whole, with one chunk or with each of them. */
const NAMES: ReadonlySet<string> = new Set(['id', 'type', 'role', 'name', 'object']);

/** What is nested deeper is dropped: no delta that is known is, and who walks it would run out of stack. */
const MAX_DEPTH = 128;

/**
 * Adds the deltas of a stream to the message that they make, within a budget of characters: texts grow, objects are merged, elements are
 * found by their `index`, other values are replaced by the newest. What the budget does not hold is dropped, and a text that
 * goes on in what was dropped loses `lookAhead` characters more: what is looked for in it may have begun there.
 */
export class DeltaMerge {
  /** Whether anything was dropped. */
  isCut = false;
  #left: number;
  readonly #lookAhead: number;

  constructor(budget: number, lookAhead: number) {
    this.#left = budget;
    this.#lookAhead = lookAhead;
  }

  add(target: JsonObject, delta: JsonObject, depth = 0): void {
    if (depth > MAX_DEPTH) return this.#drop();
    for (const [key, value] of Object.entries(delta)) {
      const present = ownValue(target, key);
      if (value === null) {
        if (present === undefined && this.#takeNode(key)) setOwn(target, key, null);
      } else if (typeof value === 'string') this.#grow(target, key, present, value);
      else if (Array.isArray(value)) this.#extend(target, key, present, value, depth);
      else if (isObject(value)) {
        if (isObject(present) && !(present instanceof GrowingText)) this.add(present, value, depth + 1);
        else if (this.#takeNode(key)) this.add(setOwn(target, key, {}), value, depth + 1);
      } else if (present !== undefined || this.#takeNode(key)) setOwn(target, key, value);
    }
  }

  /** Sets what is said about the whole and not in pieces. */
  replace(target: JsonObject, key: string, value: unknown): void {
    const present = ownValue(target, key);
    // As a rule each chunk says the same again.
    if (present === value || (present !== undefined && value === null)) return;
    const isNew = present === undefined;
    const fits = isNew ? this.#takeNode(key, sizeOf(value)) : this.#take(Math.max(0, sizeOf(value) - sizeOf(present)));
    if (fits) setOwn(target, key, value);
  }

  /** The element with the index of `delta`, the last one where a text part goes on in it, or a new one; null when there is no room. */
  element(list: unknown[], delta: JsonObject): JsonObject | null {
    const { index } = delta;
    if (typeof index === 'number') {
      const present = list.find((item) => isObject(item) && item['index'] === index);
      if (present !== undefined) return present as JsonObject;
    }
    const last = list.at(-1);
    if (isTextPart(delta) && isObject(last) && String(last['type']) === delta['type']) return last;
    if (!this.#take(NODE_COST)) return null;
    const added: JsonObject = {};
    list.push(added);
    return added;
  }

  #grow(target: JsonObject, key: string, present: unknown, text: string): void {
    if (!(present instanceof GrowingText)) {
      if (this.#takeNode(key)) setOwn(target, key, this.#newText(text));
      return;
    }
    if (NAMES.has(key) && (present.text === text || text === '')) return;
    const fits = this.#fitting(text);
    present.text += fits;
    present.isCut ||= fits.length < text.length;
  }

  #extend(target: JsonObject, key: string, present: unknown, items: readonly unknown[], depth: number): void {
    if (!Array.isArray(present) && !this.#takeNode(key)) return;
    const list: unknown[] = Array.isArray(present) ? present : setOwn(target, key, []);
    for (const item of items) {
      if (isObject(item)) {
        const element = this.element(list, item);
        if (element !== null) this.add(element, item, depth + 1);
      } else if (this.#take(NODE_COST)) list.push(typeof item === 'string' ? this.#newText(item) : this.#scalar(item));
    }
  }

  #newText(text: string): GrowingText {
    const fits = this.#fitting(text);
    return new GrowingText(fits, fits.length < text.length, this.#lookAhead);
  }

  /** Lists in lists are in no delta that is known; they are not kept. */
  #scalar(value: unknown): unknown {
    if (!Array.isArray(value)) return value;
    this.#drop();
    return null;
  }

  #fitting(text: string): string {
    const fits = text.slice(0, Math.max(0, this.#left));
    this.#left -= text.length;
    if (fits.length < text.length) this.#drop();
    return fits;
  }

  #takeNode(key: string, valueCost = 0): boolean {
    return this.#take(NODE_COST + key.length + valueCost);
  }

  // A key that does not fit once never does, so that no text begins in its middle: what is left only shrinks.
  #take(cost: number): boolean {
    if (cost > this.#left) {
      this.#drop();
      return false;
    }
    this.#left -= cost;
    return true;
  }

  #drop(): void {
    this.isCut = true;
  }
}

/** A piece of a text in a list of parts that have no index (Mistral's content). */
function isTextPart({ index, type, text, thinking }: JsonObject): boolean {
  return index === undefined && typeof type === 'string' && (typeof text === 'string' || Array.isArray(thinking));
}

/** A text that comes in pieces; JSON.stringify writes what there is of it. */
class GrowingText {
  text: string;
  isCut: boolean;
  readonly #lookAhead: number;

  constructor(text: string, isCut: boolean, lookAhead: number) {
    this.text = text;
    this.isCut = isCut;
    this.#lookAhead = lookAhead;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.isCut ? this.text.slice(0, Math.max(0, this.text.length - this.#lookAhead)) : this.text;
  }
}

/** An own property, whatever its name: "__proto__" too. */
function setOwn<Value>(target: JsonObject, key: string, value: Value): Value {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  return value;
}

function ownValue(target: JsonObject, key: string): unknown {
  return Object.hasOwn(target, key) ? target[key] : undefined;
}

function sizeOf(value: unknown): number {
  return typeof value === 'object' || typeof value === 'string' ? JSON.stringify(value).length : 0;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
