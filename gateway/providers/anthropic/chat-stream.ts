import type { ChatEvent, PartDelta, PartHead } from '#translation/chat/events.ts';
import type { StreamReader } from '#translation/chat/provider.ts';
import type { JsonObject } from '#translation/chat/request.ts';
import { openEventStream } from '#translation/chat/sse.ts';
import { readCitation } from '#translation/wires/anthropic/citations.ts';
import { parseExact } from '#translation/wires/exact-json.ts';
import { protocol } from './chat-reply.ts';
import { mergeUsage, readChatUsage } from './chat-usage.ts';
import { statusOf } from './error-types.ts';
import { readStopReason } from './stop-reasons.ts';

interface OpenBlock {
  readonly part: number;
  /** Arguments that came whole at the start of a call; null once fragments came, and for other blocks. */
  wholeInput: string | null;
}

type Emit = (event: ChatEvent) => void;

/**
 * Reads Anthropic's events.
 *
 *   awaiting ──message_start──▶ flowing ──message_stop──▶ over
 *       └─────────────error───────┴──error──▶ over             (what follows is dropped)
 *
 * Events and blocks that it does not know (those of server tools) are skipped. A stream that ends without `message_stop` is whole
 * if it had said why it stopped.
 */
export function openReader(): StreamReader {
  const reader = new MessageReader();
  return {
    push: (chunk, emit) => reader.push(chunk, emit),
    close: (emit) => reader.close(emit),
  };
}

class MessageReader {
  readonly #events = openEventStream((data) => this.#read(data));
  readonly #blocks = new Map<number, OpenBlock>();
  #emit: Emit = () => {};
  #state: 'awaiting' | 'flowing' | 'over' = 'awaiting';
  #parts = 0;
  #usage: JsonObject | null = null;
  #stopReason: string | null = null;
  #stopSequence: string | null = null;

  push(chunk: Buffer, emit: Emit): void {
    if (this.#state === 'over') return;
    this.#emit = emit;
    this.#events.push(chunk);
  }

  close(emit: Emit): void {
    if (this.#state === 'over') return;
    this.#emit = emit;
    this.#events.close();
    if (this.#state === 'awaiting') throw protocol('closed a stream without an event of a message');
    if (this.#state === 'flowing') {
      if (this.#stopReason === null) throw protocol('broke off in the middle of a stream');
      this.#end();
    }
  }

  #read(data: string): void {
    if (this.#state === 'over') return;
    const event = parse(data);
    switch (event['type']) {
      case 'message_start':
        return this.#start(objectOf(event, 'message'));
      case 'content_block_start':
        return this.#begin(indexOf(event), objectOf(event, 'content_block'));
      case 'content_block_delta':
        return this.#delta(indexOf(event), objectOf(event, 'delta'));
      case 'content_block_stop':
        return this.#close(indexOf(event));
      case 'message_delta': {
        this.#needMessage();
        const delta = objectOf(event, 'delta');
        if (typeof delta['stop_reason'] === 'string') this.#stopReason = delta['stop_reason'];
        if (typeof delta['stop_sequence'] === 'string') this.#stopSequence = delta['stop_sequence'];
        this.#usage = mergeUsage(this.#usage, event['usage']);
        return;
      }
      case 'message_stop':
        this.#needMessage();
        return this.#end();
      case 'ping':
        return this.#emit({ type: 'alive' });
      case 'error':
        this.#state = 'over';
        return this.#emit({ type: 'error', status: statusOf(event), body: Buffer.from(data) });
      default:
        return;
    }
  }

  #start(message: JsonObject): void {
    if (this.#state !== 'awaiting') return;
    this.#state = 'flowing';
    this.#usage = mergeUsage(null, message['usage']);
    const usage = readChatUsage(this.#usage);
    this.#emit({
      type: 'start',
      id: typeof message['id'] === 'string' ? message['id'] : null,
      model: typeof message['model'] === 'string' ? message['model'] : null,
      // What it says here of the output is where it begins, not what it comes to.
      usage: usage === null ? null : { ...usage, outputTokens: null, reasoningTokens: null },
    });
  }

  #begin(index: number, block: JsonObject): void {
    this.#needMessage();
    const head = headOf(block);
    if (head === null) return;
    const part = this.#parts++;
    const input = head.kind === 'tool_call' ? JSON.stringify(block['input'] ?? {}) : null;
    this.#blocks.set(index, { part, wholeInput: input });
    this.#emit({ type: 'begin', candidate: 0, part, ...head });
    for (const delta of firstDeltas(block)) this.#emit({ type: 'delta', candidate: 0, part, ...delta });
  }

  #delta(index: number, delta: JsonObject): void {
    const block = this.#blocks.get(index);
    if (block === undefined) return;
    const read = readDelta(delta);
    if (read === null) return;
    if (read.kind === 'text') block.wholeInput = null;
    this.#emit({ type: 'delta', candidate: 0, part: block.part, ...read });
  }

  #close(index: number): void {
    const block = this.#blocks.get(index);
    if (block === undefined) return;
    this.#blocks.delete(index);
    const { part, wholeInput } = block;
    if (wholeInput !== null) this.#emit({ type: 'delta', candidate: 0, part, kind: 'text', text: wholeInput });
    this.#emit({ type: 'close', candidate: 0, part });
  }

  #end(): void {
    this.#state = 'over';
    for (const index of [...this.#blocks.keys()]) this.#close(index);
    if (this.#stopReason !== null) {
      this.#emit({
        type: 'finish',
        candidate: 0,
        finish: readStopReason(this.#stopReason),
        rawFinish: this.#stopReason,
        stopSequence: this.#stopSequence,
      });
    }
    const usage = readChatUsage(this.#usage);
    if (usage !== null) this.#emit({ type: 'usage', usage });
    this.#emit({ type: 'end' });
  }

  #needMessage(): void {
    if (this.#state === 'awaiting') throw protocol('sent a stream that does not begin with a message');
  }
}

function parse(data: string): JsonObject {
  try {
    const value: unknown = parseExact(data);
    if (typeof value === 'object' && value !== null) return value as JsonObject;
  } catch (cause) {
    throw protocol('sent an event that is not JSON', cause);
  }
  throw protocol('sent an event that is no object');
}

function objectOf(event: JsonObject, name: string): JsonObject {
  const value = event[name];
  if (typeof value === 'object' && value !== null) return value as JsonObject;
  throw protocol(`sent an event without "${name}"`);
}

function indexOf({ index }: JsonObject): number {
  if (typeof index === 'number') return index;
  throw protocol('sent an event of a block without its index');
}

function headOf(block: JsonObject): PartHead | null {
  switch (block['type']) {
    case 'text':
      return { kind: 'text' };
    case 'thinking':
    case 'redacted_thinking':
      return { kind: 'reasoning' };
    case 'tool_use':
      return {
        kind: 'tool_call',
        id: typeof block['id'] === 'string' ? block['id'] : null,
        name: String(block['name']),
      };
    default:
      return null;
  }
}

/** What a block may hold as it begins; of thoughts that are hidden it is all. */
function firstDeltas(block: JsonObject): PartDelta[] {
  const deltas: (PartDelta | null)[] = [
    readDelta({ type: 'text_delta', text: block['text'] }),
    readDelta({ type: 'thinking_delta', thinking: block['thinking'] }),
    readDelta({ type: 'signature_delta', signature: block['signature'] }),
  ];
  if (Array.isArray(block['citations'])) {
    for (const citation of block['citations']) deltas.push(readDelta({ type: 'citations_delta', citation }));
  }
  if (block['type'] === 'redacted_thinking' && typeof block['data'] === 'string') {
    deltas.push({ kind: 'signature', signature: { origin: 'anthropic', value: block['data'] }, redacted: true });
  }
  return deltas.filter((delta) => delta !== null);
}

function readDelta(delta: JsonObject): PartDelta | null {
  const text = (value: unknown): PartDelta | null =>
    typeof value === 'string' && value !== '' ? { kind: 'text', text: value } : null;
  switch (delta['type']) {
    case 'text_delta':
      return text(delta['text']);
    case 'thinking_delta':
      return text(delta['thinking']);
    case 'input_json_delta':
      return text(delta['partial_json']);
    case 'signature_delta': {
      const value = delta['signature'];
      if (typeof value !== 'string' || value === '') return null;
      return { kind: 'signature', signature: { origin: 'anthropic', value }, redacted: false };
    }
    case 'citations_delta': {
      const citation = readCitation(delta['citation']);
      return citation === null ? null : { kind: 'citation', citation };
    }
    default:
      return null;
  }
}
