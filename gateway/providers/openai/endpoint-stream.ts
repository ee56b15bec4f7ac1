import { RingsideError } from '#core/errors.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';
import { isObject } from '#translation/wires/openai/json.ts';
import { dataOf, endOfEvent, lastEventEnd, SEAM_BYTES, tailOf } from '#translation/wires/sse/event-bytes.ts';
import type { ReplyFacts, StreamPiece, StreamTap } from '../provider.ts';
import { readEndpointUsage } from './endpoint-reply.ts';

/** `transcript.text.done`, `speech.audio.done`, `image_generation.completed`, `image_edit.completed` (API reference, read 2026-11). */
const CLOSING = /\.(?:done|completed)$/;
/** Images and sound come inside of the events; what such an event says about the answer stands in the events that close it. */
const INTERESTING = /\[DONE\]|\.done"|\.completed"|"error"/;
const NO_BYTES = Buffer.alloc(0);
const NOTHING: StreamPiece = { forward: null, terminal: null };

/** Taps a stream of images, sound or a transcript. Whole events are passed on as the bytes they came in. */
export function openEndpointStream(): StreamTap {
  return new EndpointStream();
}

/**
 * An event that closes a part of the answer is kept back until the next one comes, because nothing says which is the last: a transcript
 * ends without `[DONE]`.
 *
 *   flowing ──[DONE], an error, an event that is too long──▶ over          (what follows is dropped)
 */
class EndpointStream implements StreamTap {
  sawToken = false;
  errorBody: Buffer | null = null;
  failure: RingsideError | null = null;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** The closing event that came last. */
  #closing: Buffer | null = null;
  #usage: ReplyFacts['usage'] = null;
  #finishReason: string | null = null;
  #isOver = false;

  push(chunk: Buffer): StreamPiece {
    if (this.#isOver) return NOTHING;
    const seam = this.#heldBytes === 0 ? chunk : Buffer.concat([tailOf(this.#held, SEAM_BYTES), chunk]);
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > MAX_EVENT_BYTES) return this.#giveUp();
    if (lastEventEnd(seam) === 0) return NOTHING;
    const bytes = this.#takeHeld();
    const end = lastEventEnd(bytes);
    if (end < bytes.length) {
      this.#held = [bytes.subarray(end)];
      this.#heldBytes = bytes.length - end;
    }
    return this.#inspect(bytes.subarray(0, end));
  }

  flush(): Buffer | null {
    if (this.#isOver) return null;
    const { forward, terminal } = this.#inspect(this.#takeHeld());
    const last = [forward, terminal, this.#isOver ? null : this.#closing].filter((piece) => piece !== null);
    return last.length === 0 ? null : Buffer.concat(last);
  }

  facts(): ReplyFacts {
    return { usage: this.#usage, finishReason: this.#finishReason };
  }

  /** Whole events, as a rule; behind the last of a stream also what has no end. */
  #inspect(bytes: Buffer): StreamPiece {
    const passed: Buffer[] = [];
    for (let from = 0; from < bytes.length; ) {
      const to = endOfEvent(bytes, from);
      const event = bytes.subarray(from, to);
      from = to;
      const kind = this.#read(event);
      if (kind === 'error') {
        this.#isOver = true;
        break;
      }
      if (kind === 'terminal') {
        this.#isOver = true;
        return { forward: join(passed), terminal: Buffer.concat([this.#closing ?? NO_BYTES, event]) };
      }
      if (this.#closing !== null) passed.push(this.#closing);
      this.#closing = kind === 'closing' ? event : null;
      if (kind !== 'closing') passed.push(event);
    }
    return { forward: join(passed), terminal: null };
  }

  #read(event: Buffer): 'pass' | 'closing' | 'terminal' | 'error' {
    if (this.sawToken && !INTERESTING.test(event.toString('latin1'))) return 'pass';
    const data = dataOf(event);
    if (data === '') return 'pass';
    this.sawToken = true;
    if (data.trimStart().startsWith('[DONE]')) return 'terminal';
    const value = parse(data);
    if (value === null) return 'pass';
    const { type, error } = value;
    if (type === 'error' || (error !== undefined && error !== null)) {
      this.errorBody = Buffer.from(data);
      return 'error';
    }
    if (typeof type !== 'string' || !CLOSING.test(type)) return 'pass';
    this.#usage = readEndpointUsage(value['usage']) ?? this.#usage;
    this.#finishReason = type;
    return 'closing';
  }

  #giveUp(): StreamPiece {
    this.#isOver = true;
    this.#held = [];
    this.failure = new RingsideError(
      'upstream_protocol',
      `The upstream sent an event of more than ${MAX_EVENT_BYTES} bytes.`,
    );
    return NOTHING;
  }

  #takeHeld(): Buffer {
    const bytes = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    return bytes;
  }
}

function parse(data: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(data);
    return isObject(value) ? value : null;
  } catch {
    return null; // not ours to judge: the event is passed on as it is
  }
}

function join(pieces: readonly Buffer[]): Buffer | null {
  return pieces.length <= 1 ? (pieces[0] ?? null) : Buffer.concat(pieces);
}
