const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
/** Ends of lines that belong to a chunk or to the end of the body. */
const LINE_END_BYTES = 2;

/**
 * Takes the framing off a chunked body (RFC 9112, section 7.1), piece by piece, without copying. Trailers are refused.
 *
 *   size ──LF──▶ data ──all bytes──▶ gap ──CR LF──▶ size …      size 0: ──▶ last ──CR LF──▶ size, of the next body
 */
export class ChunkedDecoder {
  #state: 'size' | 'data' | 'gap' | 'last' = 'size';
  #size = 0;
  #inExtension = false;
  /** Bytes of the state that are still to come. */
  #left = 0;

  /** Hands over the payload in `bytes`; true when the body has ended with their last byte. */
  push(bytes: Buffer, payload: (piece: Buffer) => void): boolean {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case 'size':
          this.#readSize(bytes[at]!);
          at++;
          break;
        case 'data': {
          const end = Math.min(bytes.length, at + this.#left);
          payload(bytes.subarray(at, end));
          this.#left -= end - at;
          at = end;
          if (this.#left === 0) this.#enter('gap', LINE_END_BYTES);
          break;
        }
        case 'gap':
        case 'last':
          if (this.#readLineEnd(bytes[at]!)) {
            if (at + 1 < bytes.length) throw new Error('bytes behind the end of a chunked body');
            return true;
          }
          at++;
          break;
        default:
          this.#state satisfies never;
      }
    }
    return false;
  }

  #readSize(byte: number): void {
    if (byte === LF) {
      const size = this.#size;
      this.#size = 0;
      this.#inExtension = false;
      if (size === 0) this.#enter('last', LINE_END_BYTES);
      else this.#enter('data', size);
      return;
    }
    if (byte === CR || this.#inExtension) return;
    if (byte === SEMICOLON) {
      this.#inExtension = true;
      return;
    }
    const digit = Number.parseInt(String.fromCharCode(byte), 16);
    if (Number.isNaN(digit)) throw new Error(`not the size of a chunk: byte ${byte}`);
    this.#size = this.#size * 16 + digit;
  }

  /** True at the end of the whole body. */
  #readLineEnd(byte: number): boolean {
    if (byte !== CR && byte !== LF) throw new Error(`not the end of a chunk: byte ${byte}`);
    this.#left--;
    if (this.#left > 0) return false;
    const isWhole = this.#state === 'last';
    this.#enter('size', 0);
    return isWhole;
  }

  #enter(state: 'size' | 'data' | 'gap' | 'last', left: number): void {
    this.#state = state;
    this.#left = left;
  }
}
