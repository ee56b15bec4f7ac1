import { connect, type Socket } from 'node:net';
import { ChunkedDecoder } from './chunked-decoder.ts';
import { monotonicNs, type Pace, readEvent } from './event.ts';
import type { Tally } from './tally.ts';

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** The request with its head, as it goes on the wire. */
  readonly request: Buffer;
  readonly pace: Pace;
  readonly tally: Tally;
  /** Called once, when the connection is of no more use. */
  readonly onGone: () => void;
}

const HEAD_END = '\r\n\r\n';
const EVENT_END = '\n\n';
const MAX_REASON_CHARS = 300;

/**
 * One connection with one stream at a time, and the next one as soon as the last has ended.
 *
 *   connecting ──▶ head ──200──▶ body ──whole──▶ head, of the next stream
 *   any of them ──refusal, error, end──▶ gone
 */
export class StreamConnection {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #decoder = new ChunkedDecoder();
  readonly #take = (piece: Buffer) => this.#takePayload(piece);
  #state: 'connecting' | 'head' | 'body' | 'gone' = 'connecting';
  #head = '';
  /** An event whose end has not come yet. */
  #rest = '';
  #requestedNs = 0;
  #nowNs = 0;
  #sequence = 0;
  #lastTransitNs: number | null = null;
  #sawDone = false;
  #bodyBytes = 0;
  /** Length of a burst; null until the first one, whose events are read one by one, has been found whole. */
  #burstBytes: number | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#socket = connect({ host: options.host, port: options.port, noDelay: true });
    this.#socket.on('connect', () => this.#begin());
    this.#socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.#socket.on('error', (error) => this.#fail(error.message));
    this.#socket.on('close', () => this.#fail(`closed in ${this.#state}: ${this.#head.slice(0, MAX_REASON_CHARS)}`));
  }

  get isOpen(): boolean {
    return this.#state === 'body';
  }

  /** Leaves, in the middle of a stream or not; nothing is counted after it. */
  leave(): void {
    this.#state = 'gone';
    this.#socket.destroy();
  }

  #begin(): void {
    this.#state = 'head';
    this.#head = '';
    this.#rest = '';
    this.#sequence = 0;
    this.#lastTransitNs = null;
    this.#sawDone = false;
    this.#bodyBytes = 0;
    this.#options.tally.opened++;
    this.#requestedNs = monotonicNs();
    this.#socket.write(this.#options.request);
  }

  // hot
  #read(bytes: Buffer): void {
    this.#nowNs = monotonicNs();
    try {
      if (this.#state === 'body') this.#readBody(bytes);
      else if (this.#state === 'head') this.#readHead(bytes);
    } catch (error) {
      this.#fail((error as Error).message);
    }
  }

  #readHead(bytes: Buffer): void {
    const before = this.#head.length;
    this.#head += bytes.toString('latin1');
    const end = this.#head.indexOf(HEAD_END);
    if (end === -1) return;
    if (!this.#head.startsWith('HTTP/1.1 200 ') || !/\r\ntransfer-encoding: chunked\r\n/i.test(this.#head)) {
      // What has come of the body says why.
      return this.#fail(this.#head.slice(0, MAX_REASON_CHARS));
    }
    this.#state = 'body';
    const body = bytes.subarray(end + HEAD_END.length - before);
    this.#head = '';
    if (body.length > 0) this.#readBody(body);
  }

  #readBody(bytes: Buffer): void {
    if (this.#decoder.push(bytes, this.#take)) this.#endOfBody();
  }

  #endOfBody(): void {
    const { tally, pace } = this.#options;
    if (this.#state !== 'body') return;
    if (this.#burstBytes === null) {
      tally.lost += pace.tokens - this.#sequence;
      if (!this.#sawDone) return this.#fail('a stream ended without [DONE]');
      if (pace.kind === 'burst') this.#burstBytes = this.#bodyBytes;
    } else if (this.#bodyBytes !== this.#burstBytes) {
      return this.#fail(`a burst of ${this.#bodyBytes} bytes instead of ${this.#burstBytes}`);
    }
    tally.ended++;
    this.#begin();
  }

  // hot
  #takePayload(piece: Buffer): void {
    this.#bodyBytes += piece.length;
    // Of further bursts only the length is looked at: reading 200 events would cost more than sending them.
    if (this.#burstBytes !== null) return;
    const text = this.#rest + piece.toString('latin1');
    let from = 0;
    for (let end = text.indexOf(EVENT_END); end !== -1; end = text.indexOf(EVENT_END, from)) {
      this.#takeEvent(text, from, end);
      from = end + EVENT_END.length;
    }
    this.#rest = from === text.length ? '' : text.slice(from);
  }

  #takeEvent(text: string, from: number, to: number): void {
    const { tally } = this.#options;
    const event = readEvent(text, from, to);
    if (event.kind === 'done') this.#sawDone = true;
    else if (event.kind === 'error') this.#fail(text.slice(from, to).slice(0, MAX_REASON_CHARS));
    if (event.kind !== 'token') return;
    const { sequence, sentNs, arrivedNs } = event;
    if (sequence <= this.#sequence) {
      tally.duplicated++;
      return;
    }
    tally.lost += sequence - this.#sequence - 1;
    this.#sequence = sequence;
    if (this.#options.pace.kind === 'burst') return;
    const transitNs = this.#nowNs - sentNs;
    tally.token(transitNs, this.#lastTransitNs);
    if (sequence === 1) tally.firstToken(this.#requestedNs, arrivedNs - this.#requestedNs + transitNs);
    this.#lastTransitNs = transitNs;
  }

  #fail(reason: string): void {
    if (this.#state === 'gone') return;
    this.leave();
    this.#options.tally.fail(reason);
    this.#options.onGone();
  }
}
