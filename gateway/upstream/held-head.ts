/** The empty line behind a head, with the end of the line before it. */
export const HEAD_END = Buffer.from('\r\n\r\n');
const START = Buffer.from('HTTP/1.');
const LF = 0x0a;
const CR = 0x0d;

/** The beginning of a head whose end has not come: rare, since nearly every head arrives in one piece. */
export class HeldHead {
  /** How many there are. */
  bytes = 0;
  #buffer: Buffer | null = null;
  #searchFrom = 0;

  /**
   * Keeps `bytes` from `from` on, `maxBytes` in all. False when more came than that, or when this can no longer become
   * a head; `take` may find a whole one all the same. The buffer doubles, so that single bytes cost no more than their number.
   */
  append(bytes: Buffer, from: number, maxBytes: number): boolean {
    const before = this.bytes;
    const size = Math.min(before + bytes.length - from, maxBytes);
    if (this.#buffer === null || this.#buffer.length < size) {
      const grown = Buffer.allocUnsafeSlow(Math.min(maxBytes, Math.max(1_024, size * 2)));
      this.#buffer?.copy(grown, 0, 0, before);
      this.#buffer = grown;
    }
    bytes.copy(this.#buffer, before, from, from + size - before);
    this.bytes = size;
    this.#searchFrom = Math.max(0, before - 3);
    return size === before + bytes.length - from && !isHopeless(this.#buffer, before, size);
  }

  /** The lines of a whole head, and lets go of all bytes; null when there is none yet. */
  take(): string | null {
    const end = this.#buffer?.subarray(0, this.bytes).indexOf(HEAD_END, this.#searchFrom) ?? -1;
    if (end === -1) return null;
    const text = this.#buffer!.toString('latin1', 0, end + 2);
    this.#buffer = null;
    this.bytes = 0;
    return text;
  }
}

/** Whether the beginning of a head can no longer become a valid one: said at once instead of at the deadline. */
function isHopeless(held: Buffer, from: number, to: number): boolean {
  const known = Math.min(START.length, to);
  if (from < START.length && held.compare(START, 0, known, 0, known) !== 0) return true;
  for (let i = held.indexOf(LF, from); i !== -1 && i < to; i = held.indexOf(LF, i + 1)) {
    if (held[i - 1] !== CR) return true;
  }
  return false;
}
