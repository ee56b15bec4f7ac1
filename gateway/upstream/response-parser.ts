import { ChunkedBody } from './chunked-body.ts';
import { HEAD_END, HeldHead } from './held-head.ts';
import { type HeaderInterest, ResponseHead } from './response-head.ts';

/** All heads of one answer together, those of 1xx answers included. */
const MAX_HEAD_BYTES = 65_536;

/** What the parser reports. The last act of `push` is always one of the two ends, so that the sink may begin anew from inside it. */
export interface ResponseSink {
  head(status: number, headers: ResponseHead['headers']): void;
  data(chunk: Buffer): void;
  /** `excess`: bytes came behind the end, which belong to no call of ours. */
  end(excess: boolean): void;
  fault(): void;
}

/**
 * Reads HTTP/1.x answers to POST requests (RFC 9112), one after another on one connection: bytes in, events out.
 *
 *            ┌─1xx─┐
 *            ▼     │
 *   ──────▶ head ──┼──▶ sized   ──(Content-Length bytes)─┐
 *                  ├──▶ chunked ──(last chunk, trailers)─┼──▶ ended ──begin──▶ head
 *                  ├──▶ closing ──(finish)───────────────┤
 *                  └──(204, 304, Content-Length: 0)──────┘
 *   any of them ──▶ stopped     (fault, or the sink called `stop`: nothing more is reported)
 */
export class ResponseParser {
  readonly #sink: ResponseSink;
  readonly #head: ResponseHead;
  readonly #body = new ChunkedBody();
  #state: 'head' | 'sized' | 'chunked' | 'closing' | 'ended' | 'stopped' = 'head';
  #remaining = 0;
  #headBytes = 0;
  readonly #held = new HeldHead();

  constructor(sink: ResponseSink, interest: HeaderInterest) {
    this.#sink = sink;
    this.#head = new ResponseHead(interest);
  }

  /** Whether the connection may carry another call, as far as the answer says. */
  get keepAlive(): boolean {
    return this.#head.keepAlive;
  }

  get keepAliveHintMs(): number | null {
    return this.#head.keepAliveHintMs;
  }

  /** Makes it ready for the next answer. */
  begin(): void {
    this.#state = 'head';
    this.#headBytes = 0;
  }

  /** Nothing more is reported of this answer. */
  stop(): void {
    this.#state = 'stopped';
  }

  // hot
  push(bytes: Buffer): void {
    let at = 0;
    if (this.#state === 'head') {
      at = this.#held.bytes === 0 ? this.#wholeHeads(bytes, 0) : this.#continueHead(bytes);
      if (at === -1) return;
    }
    switch (this.#state) {
      case 'sized':
        return this.#sized(bytes, at);
      case 'chunked':
        return this.#chunked(bytes, at);
      case 'closing':
        if (at < bytes.length) this.#sink.data(at === 0 ? bytes : bytes.subarray(at));
        return;
      default:
        return;
    }
  }

  /** The server has closed its side: the end of a body that lasts until then. False when an answer is cut short by it. */
  finish(): boolean {
    if (this.#state !== 'closing') return false;
    this.#state = 'ended';
    this.#sink.end(false);
    return true;
  }

  /** Reads heads that begin at `at`. Returns where the body begins; -1 when nothing is left to do with these bytes. */
  #wholeHeads(bytes: Buffer, from: number): number {
    for (let at = from; ; ) {
      const end = bytes.indexOf(HEAD_END, at);
      if (end === -1) return this.#hold(bytes, at);
      this.#headBytes += end + 4 - at;
      if (this.#headBytes > MAX_HEAD_BYTES || !this.#head.parse(bytes.toString('latin1', at, end + 2)))
        return this.#fault();
      at = end + 4;
      if (this.#head.status >= 200) return this.#begun(bytes, at);
      // Switching protocols was not asked for. Every other 1xx says that the answer is still to come.
      if (this.#head.status === 101) return this.#fault();
    }
  }

  /** RFC 9112, section 6.3, for answers to POST. */
  #begun(bytes: Buffer, at: number): number {
    const { status, chunked, contentLength, headers } = this.#head;
    if (status === 204 || status === 304) {
      this.#state = 'sized';
      this.#remaining = 0;
    } else if (chunked) {
      this.#state = 'chunked';
      this.#body.reset();
    } else if (contentLength !== null) {
      this.#state = 'sized';
      this.#remaining = contentLength;
    } else {
      this.#state = 'closing';
      this.#head.keepAlive = false;
    }
    this.#sink.head(status, headers);
    return this.#state === 'sized' || at < bytes.length ? at : -1;
  }

  #sized(bytes: Buffer, at: number): void {
    const end = Math.min(at + this.#remaining, bytes.length);
    this.#remaining -= end - at;
    if (end > at) {
      this.#sink.data(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
      if (this.#state !== 'sized') return;
    }
    if (this.#remaining > 0) return;
    this.#state = 'ended';
    this.#sink.end(end < bytes.length);
  }

  #chunked(bytes: Buffer, from: number): void {
    const body = this.#body;
    for (let at = from; at < bytes.length; ) {
      at = body.next(bytes, at);
      if (body.dataBytes > 0) {
        this.#sink.data(bytes.subarray(at - body.dataBytes, at));
        if (this.#state !== 'chunked') return;
      } else if (body.isFaulty) {
        return void this.#fault();
      } else if (body.isDone) {
        this.#state = 'ended';
        return this.#sink.end(at < bytes.length);
      }
    }
  }

  #fault(): -1 {
    this.#state = 'stopped';
    this.#sink.fault();
    return -1;
  }

  /** Keeps the beginning of a head: rare. */
  #hold(bytes: Buffer, from: number): -1 {
    return this.#held.append(bytes, from, MAX_HEAD_BYTES - this.#headBytes) ? -1 : this.#fault();
  }

  #continueHead(bytes: Buffer): number {
    const before = this.#held.bytes;
    const isPossible = this.#held.append(bytes, 0, MAX_HEAD_BYTES - this.#headBytes);
    const text = this.#held.take();
    if (text === null) return isPossible ? -1 : this.#fault();
    const end = text.length + 2;
    this.#headBytes += end;
    if (!this.#head.parse(text) || this.#head.status === 101) return this.#fault();
    return this.#head.status >= 200 ? this.#begun(bytes, end - before) : this.#wholeHeads(bytes, end - before);
  }
}
