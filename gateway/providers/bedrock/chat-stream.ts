import { RingsideError } from '#core/errors.ts';
import type { ChatEvent, PartDelta, PartHead } from '#translation/chat/events.ts';
import { MAX_EVENT_BYTES, type StreamReader } from '#translation/chat/provider.ts';
import { readFinish, readUsage } from './chat-reply.ts';
import { readCitation } from './citations.ts';
import { type Frame, openFrames } from './event-frames.ts';
import { isRecord, parseObject } from './json.ts';
import { imageType } from './media.ts';

/**
 * Reads the answer of `ConverseStream`.
 *
 *   waiting ─messageStart─▶ open ─messageStop─▶ stopped ─metadata─▶ over
 *      └────────────── an exception, at any time ──────────────────▶ over      (what follows is dropped)
 *
 * Only tool calls and images have a `contentBlockStart`; other blocks begin with their first delta.
 */
type State = 'waiting' | 'open' | 'stopped' | 'over';
type Emit = (event: ChatEvent) => void;
type Json = Record<string, unknown>;

interface OpenBlock {
  /** Null for an image: it becomes a part when it is whole. */
  readonly part: number | null;
  readonly kind: PartHead['kind'];
  readonly mediaType: string;
  readonly images: Buffer[];
}

export function openReader(): StreamReader {
  const reader = new ConverseReader();
  return {
    push: (chunk, emit) => reader.push(chunk, emit),
    close: (emit) => reader.close(emit),
  };
}

class ConverseReader {
  #state: State = 'waiting';
  #emit: Emit = () => {};
  #parts = 0;
  #imageBytes = 0;
  readonly #blocks = new Map<number, OpenBlock>();
  readonly #frames = openFrames((frame) => this.#read(frame));

  push(chunk: Buffer, emit: Emit): void {
    this.#emit = emit;
    if (this.#state !== 'over') this.#frames.push(chunk);
  }

  close(emit: Emit): void {
    if (this.#state === 'over') return;
    // Only the usage may be missing.
    if (this.#state !== 'stopped' || this.#frames.isInside) {
      throw new RingsideError('upstream_protocol', 'The upstream broke its stream off.');
    }
    this.#state = 'over';
    emit({ type: 'end' });
  }

  #read({ headers, payload }: Frame): void {
    if (this.#state === 'over') return;
    if (headers.get(':message-type') !== 'event') return this.#fail(headers, payload);
    const type = headers.get(':event-type');
    switch (type) {
      case 'messageStart':
        return this.#start();
      case 'contentBlockStart':
        return this.#startBlock(parseObject(payload));
      case 'contentBlockDelta':
        return this.#takeDelta(parseObject(payload));
      case 'contentBlockStop':
        return this.#stopBlock(indexOf(parseObject(payload)));
      case 'messageStop':
        return this.#stop(parseObject(payload));
      case 'metadata':
        return this.#finish(parseObject(payload));
      default:
        return; // a type of later days
    }
  }

  #start(): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'open';
    this.#emit({ type: 'start', id: null, model: null, usage: null });
  }

  #startBlock(event: Json): void {
    this.#start();
    if (this.#state !== 'open') return;
    const start = isRecord(event['start']) ? event['start'] : {};
    const { toolUse, image } = start;
    const index = indexOf(event);
    if (isRecord(toolUse) && typeof toolUse['name'] === 'string') {
      const id = typeof toolUse['toolUseId'] === 'string' ? toolUse['toolUseId'] : null;
      this.#begin(index, { kind: 'tool_call', id, name: toolUse['name'] });
    } else if (isRecord(image)) {
      this.#stopBlock(index);
      this.#blocks.set(index, {
        part: null,
        kind: 'image',
        mediaType: imageType(String(image['format'])),
        images: [],
      });
    }
  }

  #takeDelta(event: Json): void {
    this.#start();
    if (this.#state !== 'open') return;
    const delta = isRecord(event['delta']) ? event['delta'] : {};
    const index = indexOf(event);
    const { text, toolUse, reasoningContent, citation, image } = delta;
    if (typeof text === 'string') return this.#add(index, 'text', textDelta(text));
    if (isRecord(toolUse)) return this.#add(index, 'tool_call', textDelta(toolUse['input']));
    if (isRecord(reasoningContent)) return this.#add(index, 'reasoning', reasoningDelta(reasoningContent));
    if (isRecord(image) && isRecord(image['source'])) return this.#addImage(index, image['source']['bytes']);
    const cited = readCitation(citation);
    if (cited !== null) this.#add(index, 'text', { kind: 'citation', citation: cited });
  }

  #add(index: number, kind: 'text' | 'reasoning' | 'tool_call', delta: PartDelta | null): void {
    if (delta === null) return;
    let block = this.#blocks.get(index);
    if (block?.kind !== kind) {
      if (kind === 'tool_call') {
        throw new RingsideError('upstream_protocol', 'The upstream sent arguments of a tool call that did not begin.');
      }
      block = this.#begin(index, { kind });
    }
    this.#emit({ type: 'delta', candidate: 0, part: block.part!, ...delta });
  }

  #begin(index: number, head: Exclude<PartHead, { kind: 'image' | 'audio' }>): OpenBlock {
    this.#stopBlock(index);
    const block = { part: this.#parts++, kind: head.kind, mediaType: '', images: [] };
    this.#blocks.set(index, block);
    this.#emit({ type: 'begin', candidate: 0, part: block.part, ...head });
    return block;
  }

  #addImage(index: number, base64: unknown): void {
    const block = this.#blocks.get(index);
    if (block?.kind !== 'image' || typeof base64 !== 'string') return;
    const bytes = Buffer.from(base64, 'base64');
    this.#imageBytes += bytes.length;
    if (this.#imageBytes > MAX_EVENT_BYTES) {
      throw new RingsideError('upstream_protocol', `The upstream sent images of more than ${MAX_EVENT_BYTES} bytes.`);
    }
    block.images.push(bytes);
  }

  #stopBlock(index: number): void {
    const block = this.#blocks.get(index);
    if (block === undefined) return;
    this.#blocks.delete(index);
    if (block.part !== null) return this.#emit({ type: 'close', candidate: 0, part: block.part });
    const [part, data] = [this.#parts++, Buffer.concat(block.images).toString('base64')];
    this.#emit({ type: 'begin', candidate: 0, part, kind: 'image', mediaType: block.mediaType, data });
    this.#emit({ type: 'close', candidate: 0, part });
  }

  #stop(event: Json): void {
    this.#start();
    if (this.#state !== 'open') return;
    for (const index of [...this.#blocks.keys()]) this.#stopBlock(index);
    this.#state = 'stopped';
    const { finish, rawFinish, stopSequence } = readFinish(event);
    this.#emit({ type: 'finish', candidate: 0, finish: finish ?? 'other', rawFinish, stopSequence });
  }

  #finish(event: Json): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'over';
    const usage = readUsage(event['usage']);
    if (usage !== null) this.#emit({ type: 'usage', usage });
    this.#emit({ type: 'end' });
  }

  /** An exception that the service models, or an error of the connection that it does not. */
  #fail(headers: Frame['headers'], payload: Buffer): void {
    const name = headers.get(':exception-type');
    this.#state = 'over';
    if (name !== undefined) {
      const body = Buffer.from(JSON.stringify({ ...parseObject(payload), __type: name }));
      const status = Object.hasOwn(STATUSES, name) ? STATUSES[name]! : null;
      return this.#emit({ type: 'error', status, body });
    }
    const body = { __type: headers.get(':error-code') ?? null, message: headers.get(':error-message') ?? null };
    this.#emit({ type: 'error', status: null, body: Buffer.from(JSON.stringify(body)) });
  }
}

/** The statuses that the same exceptions have outside a stream (Bedrock Runtime API reference, ConverseStream, Errors). */
const STATUSES: Readonly<Record<string, number>> = {
  validationException: 400,
  throttlingException: 429,
  modelTimeoutException: 408,
  modelStreamErrorException: 424,
  internalServerException: 500,
  serviceUnavailableException: 503,
};

function indexOf(event: Json): number {
  const index = event['contentBlockIndex'];
  return typeof index === 'number' ? index : 0;
}

function textDelta(text: unknown): PartDelta | null {
  return typeof text === 'string' && text !== '' ? { kind: 'text', text } : null;
}

function reasoningDelta({ text, signature, redactedContent }: Json): PartDelta | null {
  if (typeof text === 'string') return textDelta(text);
  if (typeof signature === 'string') {
    return { kind: 'signature', signature: { origin: 'bedrock', value: signature }, redacted: false };
  }
  if (typeof redactedContent === 'string') {
    return { kind: 'signature', signature: { origin: 'bedrock', value: redactedContent }, redacted: true };
  }
  return null;
}
