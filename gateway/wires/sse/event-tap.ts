import { endOfEvent, lastEventEnd, SEAM_BYTES, startOfEvent, tailOf } from '#translation/wires/sse/event-bytes.ts';
import type { ReplyFacts, StreamPiece, StreamTap } from '../../providers/provider.ts';

const NOTHING: StreamPiece = { forward: null, terminal: null };

/** What is to become of an event. */
export type Verdict = 'pass' | 'terminal' | 'error';

/**
 * Taps an event stream for a caller of the same dialect. Whole events are passed on as the bytes they came in; what they mean says the
 * dialect's own class.
 *
 *   flowing ──terminal──▶ over    (held back until the inference is recorded; what follows is dropped)
 *      └──────error─────▶ over    (not passed on: the caller gets it as our error)
 */
export abstract class EventTap implements StreamTap {
  sawToken = false;
  errorBody: Buffer | null = null;
  errorStatus: number | null = null;
  isMidEvent = false;
  readonly #markers: RegExp;
  readonly #maxHeldBytes: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isOver = false;

  /**
   * @param markers global; what makes an event worth reading once tokens flow
   * @param maxHeldBytes an event that is longer is passed on in pieces, unread
   */
  constructor(markers: RegExp, maxHeldBytes: number) {
    this.#markers = markers;
    this.#maxHeldBytes = maxHeldBytes;
  }

  abstract facts(): ReplyFacts;

  /** Looks at one whole event: sets `sawToken`, and `errorBody` where it is an error. */
  protected abstract readEvent(bytes: Buffer): Verdict;

  // hot
  push(chunk: Buffer): StreamPiece {
    if (this.#isOver) return NOTHING;
    const seam = this.#heldBytes === 0 ? null : tailOf(this.#held, SEAM_BYTES);
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    const hasEnd = lastEventEnd(seam === null ? chunk : Buffer.concat([seam, chunk])) > 0;
    if (!hasEnd && this.#heldBytes <= this.#maxHeldBytes) return NOTHING;
    this.isMidEvent = false;
    const bytes = this.#takeHeld();
    const end = lastEventEnd(bytes);
    const rest = bytes.subarray(end);
    const piece = end === 0 ? NOTHING : this.#inspect(end === bytes.length ? bytes : bytes.subarray(0, end));
    if (this.#isOver || rest.length === 0) return piece;
    if (rest.length > this.#maxHeldBytes) {
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

  /** Reads whole events where they may matter, and says which part of the bytes the caller gets. */
  #inspect(bytes: Buffer): StreamPiece {
    // One conversion and searches in a string cost a third of as many searches in the buffer.
    const text = bytes.toString('latin1');
    for (let from = 0; from < bytes.length; ) {
      if (this.sawToken) {
        this.#markers.lastIndex = from;
        const marker = this.#markers.exec(text);
        if (marker === null) break;
        from = startOfEvent(text, from, marker.index);
      }
      const to = endOfEvent(bytes, from);
      const verdict = this.readEvent(bytes.subarray(from, to));
      if (verdict !== 'pass') {
        this.#isOver = true;
        const terminal = verdict === 'terminal' ? bytes.subarray(from, to) : null;
        return { forward: from === 0 ? null : bytes.subarray(0, from), terminal };
      }
      from = to;
    }
    return { forward: bytes, terminal: null };
  }

  #takeHeld(): Buffer {
    const bytes = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    return bytes;
  }
}
