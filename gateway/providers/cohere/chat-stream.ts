import { RingsideError } from '#core/errors.ts';
import type { ChatEvent, PartHead } from '#translation/chat/events.ts';
import type { StreamReader } from '#translation/chat/provider.ts';
import { openEventStream } from '#translation/chat/sse.ts';
import { type Json, objectOf, parseUpstream, textOf } from '#translation/wires/openai/json.ts';
import { count, FAILED, readCitation, readFinish, readLogprobs, readUsage } from './chat-facts.ts';

type Emit = (event: ChatEvent) => void;

/**
 * Reads the events of `POST /v2/chat` with `stream`.
 *
 *   waiting ──message-start──▶ open ──message-end──▶ over
 *
 * A text stays open beyond its `content-end`, until something else begins, for citations that come late.
 */
export function openReader(): StreamReader {
  const reader = new Reader();
  const events = openEventStream((data) => reader.take(data));
  return {
    push: (chunk, emit) => reader.during(emit, () => events.push(chunk)),
    close: (emit) =>
      reader.during(emit, () => {
        events.close();
        if (!reader.over) throw new RingsideError('upstream_protocol', "The upstream's stream ended in the middle.");
      }),
  };
}

class Reader {
  #emit: Emit = () => {};
  #started = false;
  #over = false;
  #parts = 0;
  /** Open parts by their place: `content 0`, `plan`, `call 1`. */
  readonly #open = new Map<string, { readonly part: number; readonly kind: PartHead['kind'] }>();
  /** The place of the text that Cohere has closed and we have not. */
  #lingering: string | null = null;
  #lastText: string | null = null;

  get over(): boolean {
    return this.#over;
  }

  during(emit: Emit, work: () => void): void {
    this.#emit = emit;
    work();
  }

  // hot
  take(data: string): void {
    if (this.#over) return;
    const event = parse(data);
    const delta = objectOf(event['delta']);
    const message = objectOf(delta['message']);
    const index = count(event['index']) ?? 0;
    switch (event['type']) {
      case 'content-delta':
        return this.#content(index, objectOf(message['content']), event['logprobs']);
      case 'tool-call-delta':
        return this.#more(`call ${index}`, readArguments(message));
      case 'message-start':
        return this.#start(textOf(event['id']));
      case 'content-start': {
        const content = objectOf(message['content']);
        const kind = content['type'] === 'thinking' ? 'reasoning' : 'text';
        this.#begin(`content ${index}`, { kind });
        return this.#content(index, content, undefined);
      }
      case 'content-end':
        return this.#contentEnd(`content ${index}`);
      case 'tool-plan-delta':
        if (!this.#open.has('plan')) this.#begin('plan', { kind: 'text' });
        return this.#more('plan', textOf(message['tool_plan']));
      case 'tool-call-start': {
        const call = onlyOne(message['tool_calls']);
        const name = textOf(objectOf(call['function'])['name']) ?? '';
        this.#begin(`call ${index}`, { kind: 'tool_call', id: textOf(call['id']), name });
        return this.#more(`call ${index}`, readArguments(message));
      }
      case 'tool-call-end':
        return this.#close(`call ${index}`);
      case 'citation-start':
        return this.#cite(onlyOne(message['citations']));
      case 'message-end':
        return this.#end(delta);
      default: // citation-end, debug, what is new; an error without a type is one all the same
        if (event['type'] === undefined && textOf(event['message']) !== null) this.#fail(data);
    }
  }

  #start(id: string | null): void {
    if (this.#started) return;
    this.#started = true;
    this.#emit({ type: 'start', id, model: null, usage: null });
  }

  #begin(place: string, head: PartHead): void {
    this.#start(null);
    this.#close(place);
    if (this.#lingering !== null) this.#close(this.#lingering);
    // The plan has no end of its own.
    if (head.kind === 'tool_call') this.#close('plan');
    const part = this.#parts++;
    this.#open.set(place, { part, kind: head.kind });
    if (head.kind === 'text') this.#lastText = place;
    this.#emit({ type: 'begin', candidate: 0, part, ...head });
  }

  #content(index: number, content: Json, logprobs: unknown): void {
    const place = `content ${index}`;
    const thoughts = textOf(content['thinking']);
    if (!this.#open.has(place)) this.#begin(place, { kind: thoughts === null ? 'text' : 'reasoning' });
    this.#more(place, textOf(content['text']) ?? thoughts);
    const read = logprobs === undefined || logprobs === null ? [] : readLogprobs(logprobs);
    if (read.length > 0) this.#emit({ type: 'logprobs', candidate: 0, logprobs: read });
  }

  #more(place: string, added: string | null): void {
    const open = this.#open.get(place);
    if (open === undefined) {
      throw new RingsideError('upstream_protocol', 'The upstream went on with something that it had not begun.');
    }
    if (added === null) return;
    this.#emit({ type: 'delta', candidate: 0, part: open.part, kind: 'text', text: added });
  }

  #contentEnd(place: string): void {
    if (this.#open.get(place)?.kind === 'text') this.#lingering = place;
    else this.#close(place);
  }

  #close(place: string): void {
    const open = this.#open.get(place);
    if (open === undefined) return;
    this.#open.delete(place);
    if (this.#lingering === place) this.#lingering = null;
    this.#emit({ type: 'close', candidate: 0, part: open.part });
  }

  #cite(value: unknown): void {
    const { plan, content, citations } = readCitation(value);
    const place = plan ? 'plan' : content === null ? this.#lastText : `content ${content}`;
    const open = place === null ? undefined : this.#open.get(place);
    if (open?.kind !== 'text') return; // of thoughts, or of what has been closed for long
    for (const citation of citations) {
      this.#emit({ type: 'delta', candidate: 0, part: open.part, kind: 'citation', citation });
    }
  }

  #end(delta: Json): void {
    const rawFinish = textOf(delta['finish_reason']);
    const error = textOf(delta['error']);
    if (rawFinish === FAILED || error !== null) {
      return this.#fail(JSON.stringify({ message: error ?? 'generating failed' }));
    }
    this.#start(null);
    for (const place of [...this.#open.keys()]) this.#close(place);
    const usage = readUsage(delta['usage']);
    this.#emit({ type: 'finish', candidate: 0, finish: readFinish(rawFinish), rawFinish, stopSequence: null });
    if (usage !== null) this.#emit({ type: 'usage', usage });
    this.#over = true;
    this.#emit({ type: 'end' });
  }

  #fail(body: string): void {
    this.#over = true;
    this.#emit({ type: 'error', status: null, body: Buffer.from(body) });
  }
}

function parse(data: string): Json {
  // A stream may end so after its last event; before it, it has broken off.
  return data.trim() === '[DONE]' ? {} : parseUpstream(data, 'an event');
}

/** What a stream brings one by one, where a whole answer has a list: an object as documented; a list of one is understood, too. */
function onlyOne(value: unknown): Json {
  return objectOf(Array.isArray(value) ? value[0] : value);
}

function readArguments(message: Json): string | null {
  return textOf(objectOf(onlyOne(message['tool_calls'])['function'])['arguments']);
}
