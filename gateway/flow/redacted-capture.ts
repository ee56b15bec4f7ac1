import { CUT, REDACTED, type SideFacts, WHOLE } from '#core/capture-facts.ts';
import { LOOK_AHEAD_BYTES, type Redactor, UNREADABLE } from '#core/redaction/redactor.ts';
import type { Ingress } from '#translation/dialects/ingress.ts';
import type { Reassembler } from '#translation/dialects/reassembler.ts';
import type { BodyCapture } from './capture.ts';

/**
 * What is kept where redaction is on. Nothing leaves for the spool before the side is whole, since what is looked for may lie
 * across two chunks; and there is no digest: with the SHA-256 of what was redacted, guesses at it could be tested.
 */
abstract class WithheldCapture implements BodyCapture {
  bytes = 0;
  readonly isHashed = false;
  abstract readonly keptType: string | null;
  #kept: readonly Buffer[] | null = null;
  #facts = WHOLE;

  add(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.hold(chunk);
  }

  get pending(): readonly Buffer[] {
    if (this.#kept !== null) return this.#kept;
    if (this.bytes === 0) this.#kept = [];
    else {
      const { bytes, facts } = this.redacted();
      this.#kept = [bytes];
      this.#facts = facts;
    }
    return this.#kept;
  }

  get facts(): SideFacts {
    void this.pending;
    return this.#facts;
  }

  digest(): null {
    return null;
  }

  protected abstract hold(chunk: Buffer): void;
  /** Called once, when the side is whole. */
  protected abstract redacted(): { readonly bytes: Buffer; readonly facts: SideFacts };
}

/** A body that is sent as one. */
export class RedactedBody extends WithheldCapture {
  readonly keptType = null;
  readonly #redactor: Redactor;
  readonly #maxBytes: number;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(redactor: Redactor, maxBytes: number) {
    super();
    this.#redactor = redactor;
    this.#maxBytes = maxBytes;
  }

  protected hold(chunk: Buffer): void {
    const room = this.#maxBytes + LOOK_AHEAD_BYTES - this.#heldBytes;
    if (room <= 0) return;
    const piece = chunk.length <= room ? chunk : chunk.subarray(0, room);
    this.#held.push(piece);
    this.#heldBytes += piece.length;
  }

  protected redacted() {
    const body = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held, this.#heldBytes);
    this.#held = [];
    return this.#redactor.body(body, this.#maxBytes);
  }
}

/** An event stream, kept as the message that its events make. */
export class RedactedStream extends WithheldCapture {
  readonly keptType = 'application/json';
  readonly #redactor: Redactor;
  readonly #maxBytes: number;
  readonly #reassembler: Reassembler;

  constructor(redactor: Redactor, maxBytes: number, openReassembler: NonNullable<Ingress['openReassembler']>) {
    super();
    this.#redactor = redactor;
    this.#maxBytes = maxBytes;
    this.#reassembler = openReassembler({ maxHeld: maxBytes + LOOK_AHEAD_BYTES, lookAhead: LOOK_AHEAD_BYTES });
  }

  protected hold(chunk: Buffer): void {
    this.#reassembler.push(chunk);
  }

  protected redacted() {
    const { text, isWhole } = this.#reassembler.message();
    const { bytes, facts } = this.#redactor.body(Buffer.from(text), this.#maxBytes);
    // The message is not what was sent, whatever was found in it.
    return { bytes, facts: facts | REDACTED | (isWhole ? WHOLE : CUT.reassembly) };
  }
}

/** A compressed body, or one in another character set than UTF-8: nobody looks into it, so nothing of it is kept. */
export class UnreadableBody extends WithheldCapture {
  readonly keptType = null;

  protected hold(): void {}

  protected redacted() {
    return UNREADABLE;
  }
}
