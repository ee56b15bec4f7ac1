import { openBoundedEvents } from '../bounded-events.ts';
import { DeltaMerge, isObject, type JsonObject } from '../merge-deltas.ts';
import type { Reassembler, ReassemblerOptions } from '../reassembler.ts';

/** The texts that come in pieces, and where in their item they grow. */
const GROWING: Readonly<Record<string, (event: JsonObject) => JsonObject>> = {
  'response.output_text.delta': ({ content_index: index, delta }) =>
    content({ index, type: 'output_text', text: delta }),
  'response.refusal.delta': ({ content_index: index, delta }) => content({ index, type: 'refusal', refusal: delta }),
  'response.reasoning_text.delta': ({ content_index: index, delta }) =>
    content({ index, type: 'reasoning_text', text: delta }),
  'response.reasoning_summary_text.delta': ({ summary_index: index, delta }) => ({
    summary: [{ index, type: 'summary_text', text: delta }],
  }),
  'response.function_call_arguments.delta': ({ delta }) => ({ arguments: delta }),
  'response.mcp_call_arguments.delta': ({ delta }) => ({ arguments: delta }),
  'response.custom_tool_call_input.delta': ({ delta }) => ({ input: delta }),
  'response.code_interpreter_call_code.delta': ({ delta }) => ({ code: delta }),
};
/** Say nothing that deltas, the item's end or the last event do not say, too. */
const REPEATING =
  /\.(?:done|in_progress|completed|queued|searching|generating|interpreting|compacting|failed)$|part\.added$/;

/**
 * Reassembles a stream of events to its Response. The last event repeats all of it; of a stream that broke off it is what its
 * items and deltas made.
 */
export function openReassembler(options: ReassemblerOptions): Reassembler {
  const response = new GrowingResponse(options);
  let unreadableEvents = 0;
  const events = openBoundedEvents((data) => {
    const event = data === null ? null : parse(data);
    if (event !== null) response.take(event);
    else if (data === null || !data.trimStart().startsWith('[DONE]')) unreadableEvents++;
  });
  return {
    push: (chunk) => events.push(chunk),
    message() {
      events.close();
      const isReadable = unreadableEvents === 0;
      const whole = response.close();
      const text = JSON.stringify(isReadable ? whole : { ...whole, unreadable_events: unreadableEvents });
      return { text, isWhole: isReadable && response.isWhole };
    },
  };
}

/** growing ──the last event, if it fits──▶ whole */
class GrowingResponse {
  readonly #maxHeld: number;
  readonly #merge: DeltaMerge;
  #answer: JsonObject = {};
  /** By their index in the output. */
  #items: JsonObject = {};
  /** Items of which something was said that is not kept until they end. */
  readonly #incomplete = new Set<string>();
  #whole: JsonObject | null = null;

  constructor({ maxHeld, lookAhead }: ReassemblerOptions) {
    this.#maxHeld = maxHeld;
    this.#merge = new DeltaMerge(maxHeld, lookAhead);
  }

  get isWhole(): boolean {
    return this.#whole !== null || (!this.#merge.isCut && this.#incomplete.size === 0);
  }

  take(event: JsonObject): void {
    if (this.#whole !== null) return;
    const type = String(event['type']);
    const key = String(event['output_index'] ?? '');
    switch (type) {
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
        return this.#end(event['response']);
      case 'response.created':
      case 'response.in_progress':
      case 'response.queued':
        return this.#replaceAll(event['response']);
      case 'response.output_item.added':
        return this.#merge.replace(this.#items, key, withoutLogprobs(event['item']));
      case 'response.output_item.done':
        this.#incomplete.delete(key);
        return this.#merge.replace(this.#items, key, withoutLogprobs(event['item']));
      case 'error':
        return this.#merge.replace(this.#answer, 'error', event['error'] ?? event);
      default:
        return this.#grow(type, key, event);
    }
  }

  /** The response as far as it came. */
  close(): JsonObject {
    if (this.#whole !== null) return this.#whole;
    const indexes = Object.keys(this.#items).sort((a, b) => Number(a) - Number(b));
    return { ...this.#answer, output: indexes.map((index) => withoutIndexes(this.#items[index])) };
  }

  #grow(type: string, key: string, event: JsonObject): void {
    const made = Object.hasOwn(GROWING, type) ? GROWING[type] : undefined;
    if (made !== undefined) this.#merge.add(this.#items, { [key]: made(event) });
    else if (typeof event['delta'] === 'string') {
      // Not known, and in pieces: they belong together all the same.
      this.#merge.add(this.#answer, { other_texts: { [`${type} ${key}`]: event['delta'] } });
    } else if (!REPEATING.test(type)) this.#incomplete.add(key);
  }

  #end(response: unknown): void {
    const whole = isObject(response) ? withoutLogprobs(response) : null;
    if (isObject(whole) && JSON.stringify(whole).length <= this.#maxHeld) {
      this.#whole = whole;
      this.#answer = {};
      this.#items = {};
      return;
    }
    this.#replaceAll(response);
    this.#merge.isCut = true;
  }

  #replaceAll(response: unknown): void {
    if (!isObject(response)) return;
    const { output: _output, ...fields } = response;
    for (const [key, value] of Object.entries(fields)) this.#merge.replace(this.#answer, key, value);
  }
}

function content(part: JsonObject): JsonObject {
  return { content: [part] };
}

/** They are the text once more, token by token; whoever redacts does not keep it. */
function withoutLogprobs(value: unknown): unknown {
  if (!isObject(value)) return value;
  const { output, content: parts } = value;
  const without = (list: unknown[]) => list.map(withoutLogprobs);
  return {
    ...value,
    ...(Array.isArray(output) ? { output: without(output) } : {}),
    ...(Array.isArray(parts) ? { content: without(parts) } : {}),
    ...('logprobs' in value ? { logprobs: [] } : {}),
  };
}

/** Parts were found by their index, which stands in none of OpenAI's. */
function withoutIndexes(item: unknown): unknown {
  if (!isObject(item)) return item;
  const bare = Object.entries(item).map(([key, value]) => {
    if ((key !== 'content' && key !== 'summary') || !Array.isArray(value)) return [key, value];
    return [key, value.map((part) => (isObject(part) ? { ...part, index: undefined } : part))];
  });
  return Object.fromEntries(bare);
}

function parse(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
