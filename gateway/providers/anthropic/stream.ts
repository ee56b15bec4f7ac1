import type { JsonObject } from '#translation/chat/request.ts';
import {
  dataOf,
  endOfEvent,
  lastEventEnd,
  SEAM_BYTES,
  startOfEvent,
  tailOf,
} from '#translation/wires/sse/event-bytes.ts';
import type { StreamPiece, StreamTap } from '../provider.ts';
import { mergeUsage, readChatUsage } from './chat-usage.ts';
import { statusOf } from './error-types.ts';

/** What makes an event worth reading when tokens flow: usage, the end, an error. Inside a string their quotes would be escaped. */
const MARKERS = /"message_(?:start|delta|stop)"|"error"/g;
/** An event that is longer is passed on in pieces, unread. */
const MAX_HELD_BYTES = 1_048_576;
const NOTHING: StreamPiece = { forward: null, terminal: null };
/** Blocks that begin without content. */
const EMPTY_AT_FIRST: ReadonlySet<unknown> = new Set(['text', 'thinking']);

/**
 * Taps a stream of Anthropic's events for a caller of the same dialect. Whole events are passed on as the bytes they came in.
 *
 *   flowing ──message_stop──▶ over    (held back until the inference is recorded; what follows is dropped)
 *      └──────error─────────▶ over    (not passed on)
 */
export function openStream(): StreamTap {
  return new MessageTap();
}

class MessageTap implements StreamTap {
  sawToken = false;
  errorBody: Buffer | null = null;
  errorStatus: number | null = null;
  isMidEvent = false;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #usage: JsonObject | null = null;
  #finishReason: string | null = null;
  #isOver = false;

  // hot
  push(chunk: Buffer): StreamPiece {
    if (this.#isOver) return NOTHING;
    const seam = this.#heldBytes === 0 ? null : tailOf(this.#held, SEAM_BYTES);
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    const hasEnd = lastEventEnd(seam === null ? chunk : Buffer.concat([seam, chunk])) > 0;
    if (!hasEnd && this.#heldBytes <= MAX_HELD_BYTES) return NOTHING;
    this.isMidEvent = false;
    const bytes = this.#takeHeld();
    const end = lastEventEnd(bytes);
    const rest = bytes.subarray(end);
    const piece = end === 0 ? NOTHING : this.#inspect(end === bytes.length ? bytes : bytes.subarray(0, end));
    if (this.#isOver || rest.length === 0) return piece;
    if (rest.length > MAX_HELD_BYTES) {
      this.isMidEvent = true;
      return { forward: piece.forward === null ? rest : Buffer.concat([piece.forward, rest]), terminal: null };
    }
    this.#held = [rest];
    this.#heldBytes = rest.length;
    return piece;
  }

  flush(): Buffer | null {
    if (this.#heldBytes === 0) return null;
    const { forward, terminal } = this.#inspect(this.#takeHeld());
    return forward === null || terminal === null ? (forward ?? terminal) : Buffer.concat([forward, terminal]);
  }

  facts() {
    return { usage: readChatUsage(this.#usage), finishReason: this.#finishReason };
  }

  /** Reads whole events where they may matter, and says which part of the bytes the caller gets. */
  #inspect(bytes: Buffer): StreamPiece {
    // One conversion and searches in a string cost a third of as many searches in the buffer.
    const text = bytes.toString('latin1');
    for (let from = 0; from < bytes.length; ) {
      if (this.sawToken) {
        MARKERS.lastIndex = from;
        const marker = MARKERS.exec(text);
        if (marker === null) break;
        from = startOfEvent(text, from, marker.index);
      }
      const to = endOfEvent(bytes, from);
      const verdict = this.#readEvent(bytes.subarray(from, to));
      if (verdict !== 'pass') {
        this.#isOver = true;
        const terminal = verdict === 'terminal' ? bytes.subarray(from, to) : null;
        return { forward: from === 0 ? null : bytes.subarray(0, from), terminal };
      }
      from = to;
    }
    return { forward: bytes, terminal: null };
  }

  #readEvent(bytes: Buffer): 'pass' | 'terminal' | 'error' {
    const data = dataOf(bytes);
    const event = data === '' ? null : parse(data);
    switch (event?.['type']) {
      case 'message_start':
        this.#usage = mergeUsage(this.#usage, objectOf(event, 'message')?.['usage']);
        return 'pass';
      case 'content_block_start':
        this.sawToken ||= !EMPTY_AT_FIRST.has(objectOf(event, 'content_block')?.['type']);
        return 'pass';
      case 'content_block_delta':
        this.sawToken = true;
        return 'pass';
      case 'message_delta': {
        const reason = objectOf(event, 'delta')?.['stop_reason'];
        if (typeof reason === 'string') this.#finishReason = reason;
        this.#usage = mergeUsage(this.#usage, event['usage']);
        return 'pass';
      }
      case 'message_stop':
        return 'terminal';
      case 'error':
        this.errorBody = Buffer.from(data);
        this.errorStatus = statusOf(event);
        return 'error';
      default:
        return 'pass';
    }
  }

  #takeHeld(): Buffer {
    const bytes = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    return bytes;
  }
}

function objectOf(event: JsonObject, name: string): JsonObject | null {
  const value = event[name];
  return typeof value === 'object' && value !== null ? (value as JsonObject) : null;
}

function parse(data: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null ? (value as JsonObject) : null;
  } catch {
    return null; // not ours to judge: the event is passed on as it is
  }
}
