import { RingsideError } from '#core/errors.ts';
import type { ChatEvent } from '../../chat/events.ts';
import { type Signature, toolCallId } from '../../chat/parts.ts';
import { MAX_EVENT_BYTES } from '../../chat/provider.ts';
import type { JsonObject } from '../../chat/request.ts';
import { namedEvent } from './named-event.ts';
import { noPlaceFor, redactedBlock, textBlock, thinkingBlock, toolUseBlock, writeCitation } from './output-blocks.ts';

type Begin = Extract<ChatEvent, { type: 'begin' }>;
type Delta = Extract<ChatEvent, { type: 'delta' }>;

interface QueuedPart {
  readonly head: Begin;
  /** The id of a tool call; empty for other parts. */
  readonly callId: string;
  /** What came while an earlier part was open. */
  readonly held: Delta[];
  closed: boolean;
  /** Whether a block of it stands open in the stream. */
  isOpen: boolean;
  hasBlock: boolean;
  /** Of a tool call: written behind it, wherever among its fragments it came. */
  signature: Signature | null;
}

/**
 * Writes parts as content blocks. Parts may be open at the same time, blocks may not: a part that begins while another is open waits.
 *
 *   queued ──all parts before it closed──▶ first ──close──▶ written
 *
 * Only the first part of the queue is written as it comes; what is held for the others is bounded.
 */
export class BlockQueue {
  readonly #inferenceId: string;
  readonly #queue: QueuedPart[] = [];
  #nextIndex = 0;
  #calls = 0;
  #heldCharacters = 0;

  constructor(inferenceId: string) {
    this.#inferenceId = inferenceId;
  }

  begin(head: Begin): string {
    if (head.kind === 'image' || head.kind === 'audio') throw noPlaceFor(head.kind);
    const callId = head.kind === 'tool_call' ? (head.id ?? toolCallId(this.#inferenceId, this.#calls)) : '';
    if (head.kind === 'tool_call') this.#calls++;
    const part: QueuedPart = { head, callId, held: [], closed: false, isOpen: false, hasBlock: false, signature: null };
    this.#queue.push(part);
    return this.#queue.length === 1 ? this.#writeHead(part) : '';
  }

  delta(delta: Delta): string {
    const [first] = this.#queue;
    if (first?.head.part === delta.part) return this.#writeDelta(first, delta);
    const part = this.#queue.find(({ head }) => head.part === delta.part);
    if (part === undefined) return '';
    if (delta.kind === 'text') this.#hold(delta.text.length);
    part.held.push(delta);
    return '';
  }

  close(partNumber: number): string {
    const part = this.#queue.find(({ head }) => head.part === partNumber);
    if (part === undefined) return '';
    part.closed = true;
    let written = '';
    while (this.#queue[0]?.closed) {
      written += this.#writeClose(this.#queue.shift()!);
      const next = this.#queue[0];
      if (next !== undefined) written += this.#writeHeld(next);
    }
    return written;
  }

  #hold(characters: number): void {
    this.#heldCharacters += characters;
    if (this.#heldCharacters <= MAX_EVENT_BYTES) return;
    throw new RingsideError('upstream_protocol', 'The upstream sent too much of several tool calls at the same time.');
  }

  #writeHeld(part: QueuedPart): string {
    const held = part.held.splice(0);
    for (const delta of held) if (delta.kind === 'text') this.#heldCharacters -= delta.text.length;
    return this.#writeHead(part) + held.map((delta) => this.#writeDelta(part, delta)).join('');
  }

  /** Whether thoughts are shown or encrypted is known with their first delta only; all else begins at once. */
  #writeHead(part: QueuedPart): string {
    return part.head.kind === 'reasoning' ? '' : this.#open(part);
  }

  #writeDelta(part: QueuedPart, delta: Delta): string {
    switch (delta.kind) {
      case 'text':
        return this.#open(part) + this.#deltaEvent(textDelta(part.head.kind, delta.text));
      case 'citation':
        return (
          this.#open(part) + this.#deltaEvent({ type: 'citations_delta', citation: writeCitation(delta.citation) })
        );
      case 'signature': {
        if (part.head.kind === 'tool_call') {
          part.signature = delta.signature;
          return '';
        }
        if (delta.redacted) {
          part.hasBlock = true;
          return this.#stop(part) + this.#whole(redactedBlock(delta.signature));
        }
        const { signature } = thinkingBlock('', delta.signature);
        return this.#open(part) + this.#deltaEvent({ type: 'signature_delta', signature });
      }
      default:
        return delta satisfies never;
    }
  }

  #writeClose(part: QueuedPart): string {
    const written = (part.hasBlock ? '' : this.#open(part)) + this.#stop(part);
    return part.signature === null ? written : written + this.#whole(redactedBlock(part.signature));
  }

  #open(part: QueuedPart): string {
    if (part.isOpen) return '';
    part.isOpen = true;
    part.hasBlock = true;
    return this.#startEvent(firstBlock(part));
  }

  #stop(part: QueuedPart): string {
    if (!part.isOpen) return '';
    part.isOpen = false;
    return this.#stopEvent();
  }

  #whole(block: JsonObject): string {
    return this.#startEvent(block) + this.#stopEvent();
  }

  #startEvent(block: JsonObject): string {
    return namedEvent('content_block_start', { index: this.#nextIndex, content_block: block });
  }

  #deltaEvent(delta: JsonObject): string {
    return namedEvent('content_block_delta', { index: this.#nextIndex, delta });
  }

  #stopEvent(): string {
    return namedEvent('content_block_stop', { index: this.#nextIndex++ });
  }
}

function firstBlock({ head, callId }: QueuedPart): JsonObject {
  if (head.kind === 'tool_call') return toolUseBlock(callId, head.name);
  return head.kind === 'reasoning' ? thinkingBlock() : textBlock();
}

function textDelta(kind: Begin['kind'], text: string): JsonObject {
  if (kind === 'tool_call') return { type: 'input_json_delta', partial_json: text };
  return kind === 'reasoning' ? { type: 'thinking_delta', thinking: text } : { type: 'text_delta', text };
}
