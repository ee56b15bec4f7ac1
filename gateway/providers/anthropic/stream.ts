import type { JsonObject } from '#translation/chat/request.ts';
import { dataOf } from '#translation/wires/sse/event-bytes.ts';
import { EventTap, type Verdict } from '../../wires/sse/event-tap.ts';
import type { StreamTap } from '../provider.ts';
import { mergeUsage, readChatUsage } from './chat-usage.ts';
import { statusOf } from './error-types.ts';

/** What makes an event worth reading when tokens flow: usage, the end, an error. Inside a string their quotes would be escaped. */
const MARKERS = /"message_(?:start|delta|stop)"|"error"/g;
/** An event that is longer is passed on in pieces, unread. */
const MAX_HELD_BYTES = 1_048_576;
/** Blocks that begin without content. */
const EMPTY_AT_FIRST: ReadonlySet<unknown> = new Set(['text', 'thinking']);

/** Taps a stream of Anthropic's events for a caller of the same dialect; `message_stop` ends it. */
export function openStream(): StreamTap {
  return new MessageTap();
}

class MessageTap extends EventTap {
  #usage: JsonObject | null = null;
  #finishReason: string | null = null;

  constructor() {
    super(MARKERS, MAX_HELD_BYTES);
  }

  facts() {
    return { usage: readChatUsage(this.#usage), finishReason: this.#finishReason };
  }

  protected readEvent(bytes: Buffer): Verdict {
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
