import type { IncomingHttpHeaders } from 'node:http';
import { RingsideError } from '#core/errors.ts';
import type { StreamTap } from '../providers/provider.ts';
import { ADAPTERS } from '../providers/registry.ts';
import type { UpstreamController } from '../upstream/pools.ts';
import { answerHeaders } from './answer-head.ts';
import { Capture } from './capture.ts';
import type { AnswerListener, Ending, Exchange, FlowDeps } from './ports.ts';

/** What adapt-response hands its results to; wired in handle-request.ts. */
export interface AnswerOutlets {
  complete(ending: Ending, deliver: (recorded: boolean) => void): void;
  fail(error: RingsideError, partial: Partial<Ending>): void;
  /** The record is lost: by the default policy nothing is served unlogged. */
  unrecorded(): void;
}

/** A plain answer up to this size is sent as one piece, after it is whole; a larger one is passed on as it comes. */
const MAX_WHOLE_BYTES = 1_048_576;
const MAX_ERROR_BYTES = 65_536;

/**
 * Turns an upstream answer into the caller's, in the same dialect: bytes unchanged.
 *
 *   waiting ──head──▶ whole ──too large──▶ passing
 *                ├──▶ streaming
 *                └──▶ refused      (status ≥ 300)
 *
 * In every state the end of the answer is held back until the inference is recorded; tokens never are.
 */
export class Answer implements AnswerListener {
  readonly #deps: FlowDeps;
  readonly #exchange: Exchange;
  readonly #outlets: AnswerOutlets;
  #state: 'waiting' | 'whole' | 'passing' | 'streaming' | 'refused' = 'waiting';
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #contentType = 'application/json';
  #controller: UpstreamController | null = null;
  #stalledTimer: NodeJS.Timeout | null = null;
  #tap: StreamTap | null = null;
  #terminal: Buffer | null = null;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #firstByteNs: number | null = null;
  #firstTokenNs: number | null = null;
  readonly #capture: Capture;

  constructor(deps: FlowDeps, exchange: Exchange, outlets: AnswerOutlets) {
    this.#deps = deps;
    this.#exchange = exchange;
    this.#outlets = outlets;
    const spill = exchange.request!.stream ? (piece: Buffer) => deps.spool.part(exchange.id, piece) : null;
    this.#capture = new Capture(exchange.assignment!.group.group.capture, spill);
  }

  head(status: number, headers: IncomingHttpHeaders, controller: UpstreamController): void {
    this.#controller = controller;
    this.#status = status;
    this.#headers = headers;
    this.#firstByteNs = this.#deps.clock.nowNs() - this.#exchange.startNs;
    const type = headers['content-type'];
    if (type !== undefined) this.#contentType = type;
    if (status >= 300) this.#state = 'refused';
    else if (this.#contentType.startsWith('text/event-stream')) this.#openStream();
    else this.#state = 'whole';
  }

  // hot
  data(chunk: Buffer): void {
    switch (this.#state) {
      case 'streaming':
        return this.#stream(chunk);
      case 'whole':
        this.#hold(chunk);
        if (this.#heldBytes > MAX_WHOLE_BYTES) this.#startPassing();
        return;
      case 'passing':
        return this.#pass(chunk);
      case 'refused':
        if (this.#heldBytes < MAX_ERROR_BYTES) this.#hold(chunk);
        return;
      case 'waiting':
        throw new Error('upstream data came before its head');
      default:
        return this.#state satisfies never;
    }
  }

  end(): void {
    switch (this.#state) {
      case 'streaming':
        return this.#endStream();
      case 'whole':
        return this.#endWhole();
      case 'passing':
        return this.#endPassing();
      case 'refused':
        return this.#refuse();
      case 'waiting':
        return this.failed(new RingsideError('upstream_protocol', 'The upstream ended without an answer.'));
      default:
        return this.#state satisfies never;
    }
  }

  failed(error: RingsideError): void {
    this.#stopStalledTimer();
    if (this.#state === 'refused') return this.#refuse();
    // The terminal event is there: only the upstream's goodbye went wrong.
    if (this.#terminal !== null) return this.#endStream();
    const facts = this.#tap?.facts() ?? null;
    const sent = this.#exchange.outgoing.headersSent;
    this.#outlets.fail(error, {
      facts,
      firstByteNs: this.#firstByteNs,
      firstTokenNs: this.#firstTokenNs,
      ...(sent ? { capture: this.#capture, responseType: this.#contentType } : {}),
    });
  }

  /** What is known when the caller leaves. */
  leave(): Partial<Ending> {
    this.#stopStalledTimer();
    return {
      facts: this.#tap?.facts() ?? null,
      firstByteNs: this.#firstByteNs,
      firstTokenNs: this.#firstTokenNs,
      responseType: this.#state === 'waiting' ? null : this.#contentType,
      capture: this.#capture,
    };
  }

  #openStream(): void {
    this.#state = 'streaming';
    const { target, request, outgoing } = this.#exchange as Exchange & { target: object; request: object };
    this.#tap = ADAPTERS[target!.kind as keyof typeof ADAPTERS].openStream(request!.hideUsage);
    const headers = answerHeaders(this.#exchange, this.#headers, this.#contentType);
    headers.push('cache-control', 'no-cache', 'x-accel-buffering', 'no');
    outgoing.writeHead(this.#status, headers);
    outgoing.flushHeaders();
  }

  #stream(chunk: Buffer): void {
    const tap = this.#tap!;
    const { forward, terminal } = tap.push(chunk);
    if (this.#firstTokenNs === null && tap.sawToken) {
      this.#firstTokenNs = this.#deps.clock.nowNs() - this.#exchange.startNs;
    }
    if (forward !== null) this.#write(forward);
    if (terminal !== null) this.#terminal = terminal;
  }

  #endStream(): void {
    const tap = this.#tap!;
    const rest = tap.flush();
    if (tap.failed && this.#terminal === null) {
      // The upstream reported a failure inside the stream and stopped; the caller has its event already.
      if (rest !== null) this.#write(rest);
      return this.failed(new RingsideError('upstream_error', 'The upstream reported an error in its stream.'));
    }
    const last = this.#terminal ?? rest;
    if (last !== null) this.#capture.add(last);
    this.#complete(this.#terminal === null ? 'end_of_stream' : 'terminal_event', tap.facts(), last);
  }

  #hold(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
  }

  #endWhole(): void {
    const { outgoing, target } = this.#exchange;
    const body = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
    this.#capture.add(body);
    const facts = this.#isReadable() ? ADAPTERS[target!.kind as keyof typeof ADAPTERS].readReply(body) : null;
    this.#outlets.complete(this.#ending('body', facts), (recorded) => {
      if (!recorded) return this.#outlets.unrecorded();
      const headers = answerHeaders(this.#exchange, this.#headers, this.#contentType);
      headers.push('content-length', String(body.length));
      outgoing.writeHead(this.#status, headers).end(body);
    });
  }

  #startPassing(): void {
    this.#state = 'passing';
    const headers = answerHeaders(this.#exchange, this.#headers, this.#contentType);
    const length = this.#headers['content-length'];
    if (length !== undefined) headers.push('content-length', length);
    this.#exchange.outgoing.writeHead(this.#status, headers);
    const last = this.#held.pop()!;
    for (const piece of this.#held) this.#write(piece);
    this.#held = [last];
  }

  /** Passes on the chunk before and keeps this one back: it may be the last. */
  #pass(chunk: Buffer): void {
    this.#write(this.#held[0]!);
    this.#held[0] = chunk;
  }

  #endPassing(): void {
    const last = this.#held[0]!;
    this.#capture.add(last);
    this.#complete('body', null, last);
  }

  #complete(endReason: Ending['endReason'], facts: Ending['facts'], last: Buffer | null): void {
    this.#stopStalledTimer();
    const { outgoing } = this.#exchange;
    this.#outlets.complete(this.#ending(endReason, facts), (recorded) => {
      if (!recorded) return this.#outlets.unrecorded();
      if (last === null) outgoing.end();
      else outgoing.end(last);
    });
  }

  #refuse(): void {
    const { target } = this.#exchange;
    const retryAfter = this.#headers['retry-after'];
    const error =
      this.#status < 400
        ? new RingsideError(
            'upstream_error',
            `The provider "${target!.providerName}" answered with a redirect, which is not followed.`,
          )
        : ADAPTERS[target!.kind as keyof typeof ADAPTERS].readError(
            this.#status,
            Buffer.concat(this.#held),
            retryAfter,
            target!,
          );
    this.#outlets.fail(error, { firstByteNs: this.#firstByteNs });
  }

  #ending(endReason: Ending['endReason'], facts: Ending['facts']): Ending {
    return {
      status: this.#status,
      outcome: 'completed',
      endReason,
      error: null,
      facts,
      firstByteNs: this.#firstByteNs,
      firstTokenNs: this.#firstTokenNs,
      responseType: this.#contentType,
      capture: this.#capture,
    };
  }

  #isReadable(): boolean {
    return this.#headers['content-encoding'] === undefined && this.#contentType.includes('json');
  }

  /** Writes on and holds the upstream up while the caller cannot take more. */
  #write(bytes: Buffer): void {
    const { outgoing } = this.#exchange;
    this.#capture.add(bytes);
    if (outgoing.write(bytes) || this.#stalledTimer !== null) return;
    this.#controller!.pause();
    this.#stalledTimer = setTimeout(() => outgoing.destroy(), this.#deps.stalledReaderMs);
    outgoing.once('drain', () => {
      this.#stopStalledTimer();
      this.#controller!.resume();
    });
  }

  #stopStalledTimer(): void {
    if (this.#stalledTimer !== null) clearTimeout(this.#stalledTimer);
    this.#stalledTimer = null;
  }
}
