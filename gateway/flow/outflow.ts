import type { UpstreamController, UpstreamHeaders } from '../upstream/handler.ts';
import { answerHeaders } from './answer-head.ts';
import { endAnswer, limitStall } from './end-answer.ts';
import { EventWriter } from './event-writer.ts';
import type { Exchange } from './ports.ts';
import type { SignsOfLife, Watched } from './signs-of-life.ts';

/** What of an upstream's head goes to the caller. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: UpstreamHeaders;
  readonly contentType: string;
}

/** The way of a successful answer to whoever asked: a caller, or nobody. */
export interface AnswerSink {
  /** Inside an event: nothing of ours may be written now. */
  isMidEvent: boolean;
  /** Sends an answer that is whole, as one piece. */
  sendWhole(head: AnswerHead, body: Buffer): void;
  /** Begins an answer whose bytes come one after the other. */
  open(head: AnswerHead): void;
  /** Begins a stream of events: its head leaves before the first of them. */
  openEvents(head: AnswerHead): void;
  write(bytes: Buffer, upstream: UpstreamController): void;
  /** Something of the stream itself was written, and not only signs of life. */
  sawEvents(): void;
  /** Ends what `open` or `openEvents` began. */
  end(last: Buffer | null): void;
  /** Waits no longer, for a caller that does not read or for an upstream that thinks. */
  stop(): void;
}

/** The way of a successful answer to its caller. Holds the upstream up while the caller cannot take more. */
export class Outflow implements AnswerSink, Watched {
  readonly #exchange: Exchange;
  readonly #stalledReaderMs: number;
  readonly #signs: SignsOfLife;
  readonly afterMs: number;
  silentMs = 0;
  isMidEvent = false;
  #stalledTimer: NodeJS.Timeout | null = null;

  constructor(exchange: Exchange, stalledReaderMs: number, signs: SignsOfLife) {
    this.#exchange = exchange;
    this.#stalledReaderMs = stalledReaderMs;
    this.#signs = signs;
    this.afterMs = exchange.group!.group.traffic.keepAliveMs;
  }

  sendWhole(head: AnswerHead, body: Buffer): void {
    const headers = answerHeaders(this.#exchange, head.headers, head.contentType);
    headers.push('content-length', String(body.length));
    this.#exchange.outgoing.writeHead(head.status, headers);
    endAnswer(this.#exchange.outgoing, body, this.#stalledReaderMs);
  }

  open(head: AnswerHead): void {
    const headers = answerHeaders(this.#exchange, head.headers, head.contentType);
    const length = head.headers['content-length'];
    if (length !== undefined) headers.push('content-length', length);
    this.#exchange.outgoing.writeHead(head.status, headers);
  }

  openEvents(head: AnswerHead): void {
    const { outgoing } = this.#exchange;
    const headers = answerHeaders(this.#exchange, head.headers, head.contentType);
    headers.push('cache-control', 'no-cache', 'x-accel-buffering', 'no');
    outgoing.writeHead(head.status, headers);
    outgoing.flushHeaders();
    this.#exchange.events = new EventWriter(outgoing);
    this.#signs.watch(this);
  }

  // hot
  write(bytes: Buffer, upstream: UpstreamController): void {
    const { outgoing, events } = this.#exchange;
    this.silentMs = 0;
    if ((events === null ? outgoing.write(bytes) : events.write(bytes)) || this.#stalledTimer !== null) return;
    upstream.pause();
    this.#stalledTimer = setTimeout(() => outgoing.destroy(), this.#stalledReaderMs);
    outgoing.once('drain', () => {
      this.#clearStall();
      upstream.resume();
    });
  }

  sawEvents(): void {
    this.#exchange.events!.hasEvents = true;
  }

  end(last: Buffer | null): void {
    const { events, outgoing } = this.#exchange;
    if (events === null) return endAnswer(outgoing, last, this.#stalledReaderMs);
    events.end(last);
    limitStall(outgoing, this.#stalledReaderMs);
  }

  /** Tells the caller, and whatever lies between, that the stream lives. */
  sign(): void {
    const { ingress, path, events } = this.#exchange;
    const comment = ingress.keepAlive(path.framing);
    if (comment === null || this.isMidEvent || this.#stalledTimer !== null) return;
    events!.write(Buffer.from(comment));
  }

  stop(): void {
    this.#signs.unwatch(this);
    this.#clearStall();
  }

  #clearStall(): void {
    if (this.#stalledTimer !== null) clearTimeout(this.#stalledTimer);
    this.#stalledTimer = null;
  }
}
