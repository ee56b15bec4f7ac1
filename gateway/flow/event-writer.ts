import type { ServerResponse } from 'node:http';

/**
 * Writes an event stream whose head is sent. Node writes a chunk of a chunked answer as four buffers (length, line end, bytes,
 * line end) in a `writev`; here each piece and its frame are one buffer (RFC 9112, section 7.1).
 */
export class EventWriter {
  readonly #outgoing: ServerResponse;
  readonly #isChunked: boolean;
  /** Something of the stream itself was written, and not only signs of life. */
  hasEvents = false;

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing;
    // HTTP/1.0 callers get no chunks. Without the flag Node passes on what it is given as it is.
    this.#isChunked = outgoing.chunkedEncoding === true;
    if (this.#isChunked) outgoing.chunkedEncoding = false;
  }

  /** False when the caller's connection cannot take more at the moment. `sent` is called when the bytes have left the process. */
  // hot
  write(bytes: Buffer, sent?: () => void): boolean {
    return this.#outgoing.write(this.#isChunked ? frame(bytes, NOTHING) : bytes, sent);
  }

  /** Ends the answer well. */
  end(last: Buffer | null): void {
    if (!this.#isChunked) this.#outgoing.end(last ?? NOTHING);
    else this.#outgoing.end(last === null || last.length === 0 ? LAST_CHUNK : frame(last, LAST_CHUNK));
  }
}

const NOTHING = Buffer.alloc(0);
const LAST_CHUNK = Buffer.from('0\r\n\r\n');
const CRLF_BYTES = 2;

function frame(bytes: Buffer, behind: Buffer): Buffer {
  if (bytes.length === 0) return behind;
  const size = `${bytes.length.toString(16)}\r\n`;
  const end = size.length + bytes.length;
  const framed = Buffer.allocUnsafe(end + CRLF_BYTES + behind.length);
  framed.write(size, 0, 'latin1');
  framed.set(bytes, size.length);
  framed[end] = 0x0d;
  framed[end + 1] = 0x0a;
  framed.set(behind, end + CRLF_BYTES);
  return framed;
}
