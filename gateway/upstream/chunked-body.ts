/** A line that gives a chunk's size, extensions included; and all trailers of one answer. */
const MAX_SIZE_LINE_BYTES = 4_096;
const MAX_TRAILER_BYTES = 16_384;
/** 13 hexadecimal digits stay below 2^53. */
const MAX_SIZE_DIGITS = 13;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const SEMICOLON = 0x3b;
const DELETE = 0x7f;

type ChunkState =
  | 'size'
  | 'extension'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'trailer-start'
  | 'trailer'
  | 'trailer-lf'
  | 'last-lf'
  | 'done'
  | 'fault';

/**
 * Takes the chunked coding off a body (RFC 9112, section 7.1). Extensions and trailers are skipped.
 *
 *     ┌───────────────────────────────────────────────────────────┐
 *     ▼                                                           │
 *   size ─┬───────────────▶ size-lf ──▶ data ──▶ data-cr ──▶ data-lf
 *         └─▶ extension ──────┘ │
 *                               └─(size 0)─▶ trailer-start ──▶ last-lf ──▶ done
 *                                               │     ▲
 *                                            trailer ─▶ trailer-lf
 *   any of them ──▶ fault
 */
export class ChunkedBody {
  /** How much data the last `next` found. */
  dataBytes = 0;
  #state: ChunkState = 'size';
  #remaining = 0;
  #digits = 0;
  #lineBytes = 0;

  get isDone(): boolean {
    return this.#state === 'done';
  }

  get isFaulty(): boolean {
    return this.#state === 'fault';
  }

  /** Makes it ready for another body. */
  reset(): void {
    this.#state = 'size';
    this.#remaining = 0;
    this.#digits = 0;
    this.#lineBytes = 0;
  }

  /**
   * Goes on from `from` to the next piece of data, and over it. Returns where that piece ends; its bytes are the `dataBytes`
   * before that place. When the bytes, the body or its validity ended first, `dataBytes` is 0.
   */
  // hot
  next(bytes: Buffer, from: number): number {
    this.dataBytes = 0;
    for (let at = from; at < bytes.length; ) {
      if (this.#state === 'data') {
        this.dataBytes = Math.min(this.#remaining, bytes.length - at);
        this.#remaining -= this.dataBytes;
        if (this.#remaining === 0) this.#state = 'data-cr';
        return at + this.dataBytes;
      }
      this.#state = this.#step(bytes[at++]!);
      if (this.#state === 'done' || this.#state === 'fault') return at;
    }
    return bytes.length;
  }

  /** One byte of the framing between two pieces of data. */
  #step(byte: number): ChunkState {
    switch (this.#state) {
      case 'size':
        return this.#size(byte);
      case 'extension':
        if (byte === CR) return 'size-lf';
        return isText(byte) && ++this.#lineBytes <= MAX_SIZE_LINE_BYTES ? 'extension' : 'fault';
      case 'size-lf':
        if (byte !== LF) return 'fault';
        this.#digits = 0;
        this.#lineBytes = 0;
        return this.#remaining === 0 ? 'trailer-start' : 'data';
      case 'data-cr':
        return byte === CR ? 'data-lf' : 'fault';
      case 'data-lf':
        return byte === LF ? 'size' : 'fault';
      default:
        return this.#trailer(byte);
    }
  }

  #size(byte: number): ChunkState {
    const digit = hexDigit(byte);
    if (digit !== -1) {
      this.#remaining = this.#remaining * 16 + digit;
      return ++this.#digits <= MAX_SIZE_DIGITS ? 'size' : 'fault';
    }
    if (this.#digits === 0) return 'fault';
    if (byte === CR) return 'size-lf';
    return byte === SEMICOLON || byte === SPACE || byte === TAB ? 'extension' : 'fault';
  }

  #trailer(byte: number): ChunkState {
    if (++this.#lineBytes > MAX_TRAILER_BYTES) return 'fault';
    switch (this.#state) {
      case 'trailer-start':
        if (byte === CR) return 'last-lf';
        return isText(byte) && byte !== SPACE && byte !== TAB ? 'trailer' : 'fault';
      case 'trailer':
        if (byte === CR) return 'trailer-lf';
        return isText(byte) ? 'trailer' : 'fault';
      case 'trailer-lf':
        return byte === LF ? 'trailer-start' : 'fault';
      default:
        return byte === LF ? 'done' : 'fault';
    }
  }
}

const isText = (byte: number) => (byte >= SPACE && byte !== DELETE) || byte === TAB;

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
