import { openBoundedEvents } from '../bounded-events.ts';
import { DeltaMerge, isObject, type JsonObject } from '../merge-deltas.ts';
import type { Reassembler, ReassemblerOptions } from '../reassembler.ts';

/** Reassembles the events of a message stream, whatever blocks and fields are in it: those of server tools and of later versions, too. */
export function openReassembler({ maxHeld, lookAhead }: ReassemblerOptions): Reassembler {
  const message = new GrowingMessage(new DeltaMerge(maxHeld, lookAhead));
  let unreadableEvents = 0;
  const events = openBoundedEvents((data) => {
    const event = data === null ? null : parse(data);
    if (event === null) unreadableEvents++;
    else message.take(event);
  });
  return {
    push: (chunk) => events.push(chunk),
    message() {
      events.close();
      const isReadable = unreadableEvents === 0;
      const whole = message.close();
      const text = JSON.stringify(isReadable ? whole : { ...whole, unreadable_events: unreadableEvents });
      return { text, isWhole: isReadable && !message.isCut };
    },
  };
}

class GrowingMessage {
  readonly #merge: DeltaMerge;
  readonly #answer: JsonObject = {};
  readonly #content: unknown[] = [];
  readonly #blocks = new Map<unknown, JsonObject | null>();

  constructor(merge: DeltaMerge) {
    this.#merge = merge;
  }

  get isCut(): boolean {
    return this.#merge.isCut;
  }

  take(event: JsonObject): void {
    const { type, index, message, content_block: block, delta, usage, ...rest } = event;
    switch (type) {
      case 'message_start':
        return this.#start(message);
      case 'content_block_start':
        return this.#begin(index, block);
      case 'content_block_delta':
        return this.#grow(index, delta);
      case 'message_delta':
        this.#replaceAll(this.#answer, isObject(delta) ? delta : {});
        this.#addUsage(usage);
        return this.#replaceAll(this.#answer, rest);
      case 'content_block_stop':
      case 'message_stop':
      case 'ping':
        return;
      case 'error':
        return this.#replaceAll(this.#answer, rest);
      default:
        return this.#keep(event);
    }
  }

  /** The message as far as it came: the arguments of calls, which come as text, are objects in it. */
  close(): JsonObject {
    for (const block of this.#blocks.values()) if (block !== null) closeInput(block);
    return this.#answer;
  }

  #start(message: unknown): void {
    if (!isObject(message)) return;
    this.#replaceAll(this.#answer, { ...message, content: null });
    this.#answer['content'] = this.#content;
  }

  /** Texts in it may grow. What else it holds (the results of a server tool) has come whole, and stays whole or is dropped. */
  #begin(index: unknown, block: unknown): void {
    this.#answer['content'] ??= this.#content;
    const target = this.#merge.element(this.#content, {});
    this.#blocks.set(index, target);
    if (target === null || !isObject(block)) return;
    for (const [key, value] of Object.entries(block)) {
      if (typeof value === 'string') this.#merge.add(target, { [key]: value });
      else this.#merge.replace(target, key, value);
    }
  }

  #grow(index: unknown, delta: unknown): void {
    const target = this.#blocks.get(index);
    if (target === null || !isObject(delta)) return;
    // A block that nobody began: its text must be looked at like any other.
    if (target === undefined) {
      this.#begin(index, {});
      if (this.#blocks.get(index) !== null) this.#grow(index, delta);
      return;
    }
    const { type, partial_json: json, signature, citation, ...rest } = delta;
    void type;
    if (typeof json === 'string') this.#merge.add(target, { input: json });
    if (signature !== undefined) this.#merge.replace(target, 'signature', signature);
    if (isObject(citation)) this.#merge.add(target, { citations: [citation] });
    this.#merge.add(target, rest);
  }

  /** Totals are cumulative; what a later event does not say still holds. */
  #addUsage(usage: unknown): void {
    if (!isObject(usage)) return;
    const before = this.#answer['usage'];
    const said = Object.entries(usage).filter(([, value]) => value !== null);
    const merged = { ...usage, ...(isObject(before) ? before : {}), ...Object.fromEntries(said) };
    this.#merge.replace(this.#answer, 'usage', merged);
  }

  #keep(event: JsonObject): void {
    this.#answer['other_events'] ??= [];
    const target = this.#merge.element(this.#answer['other_events'] as unknown[], {});
    if (target !== null) this.#replaceAll(target, event);
  }

  #replaceAll(target: JsonObject, fields: JsonObject): void {
    for (const [key, value] of Object.entries(fields)) this.#merge.replace(target, key, value);
  }
}

function closeInput(block: JsonObject): void {
  const { input } = block;
  // Fragments are a text that grows; an object came whole.
  if (!isObject(input) || !('isCut' in input)) return;
  const parsed = parse(String(input));
  if (parsed !== null) block['input'] = parsed;
}

function parse(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
