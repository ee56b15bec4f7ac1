import { RingsideError } from '#core/errors.ts';
import type { Answering } from '../answering.ts';
import type { StreamTap } from '../providers/provider.ts';
import type { UpstreamController, UpstreamHeaders } from '../upstream/handler.ts';
import type { BodyCapture } from './capture.ts';
import { captureFor, openCapture } from './open-capture.ts';
import type { AnswerHead, AnswerSink } from './outflow.ts';
import type { AnswerListener, CallExchange, Ending, FlowDeps } from './ports.ts';
import { faultOfStream, readWhole, refusalOf } from './upstream-fault.ts';

/** What adapt-response hands its results to; wired in handle-request.ts. */
export interface AnswerOutlets {
  complete(ending: Ending, deliver: (recorded: boolean) => void): void;
  fail(error: RingsideError, partial: Partial<Ending>): void;
  /** The record is lost: by the default policy nothing is served unlogged. */
  unrecorded(): void;
}

const MAX_ERROR_BYTES = 65_536;
const ENCODED = 'The upstream compressed its answer though it was asked not to.';
const OTHER_KIND = 'The upstream streamed its answer, or did not, against what it was asked for.';
const TOO_LARGE = 'The answer of the upstream is too large to be translated.';

/**
 * Turns an upstream answer into the caller's: in the same dialect bytes unchanged, else read and written anew (answering.ts).
 *
 *   waiting ──head──▶ whole ──too large──▶ passing
 *                ├──▶ streaming
 *                └──▶ refused      (status ≥ 300)
 *   any of them ──▶ done             (what the upstream still sends is dropped)
 *
 * `done` is entered after what can throw: a defect before it is answered by `failed`, one behind it would be by nothing.
 * In every state the end of the answer is held back until the inference is recorded; tokens never are.
 */
export class Answer implements AnswerListener {
  readonly #deps: FlowDeps;
  readonly #exchange: CallExchange;
  readonly #outlets: AnswerOutlets;
  readonly #outflow: AnswerSink;
  #state: 'waiting' | 'whole' | 'passing' | 'streaming' | 'refused' | 'done' = 'waiting';
  #answer: AnswerHead = { status: 0, headers: {}, contentType: 'application/json' };
  #controller: UpstreamController | null = null;
  #tap: StreamTap | null = null;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #firstByteNs: number | null = null;
  #firstTokenNs: number | null = null;
  #capture: BodyCapture;

  constructor(deps: FlowDeps, exchange: CallExchange, outflow: AnswerSink, outlets: AnswerOutlets) {
    this.#deps = deps;
    this.#exchange = exchange;
    this.#outlets = outlets;
    this.#outflow = outflow;
    const { terms } = exchange.assignment!.variant;
    const spill = exchange.request!.stream ? (piece: Buffer) => deps.spool.part(exchange.id, piece, terms) : null;
    this.#capture = openCapture(exchange, spill);
  }

  head(status: number, headers: UpstreamHeaders, controller: UpstreamController): void {
    this.#controller = controller;
    this.#firstByteNs = this.#deps.clock.nowNs() - this.#exchange.startNs;
    // It is a list where an upstream sends the header twice.
    const contentType = [headers['content-type']].flat()[0] ?? this.#answer.contentType;
    this.#answer = { status, headers, contentType };
    const isStream = this.#answering.isStream(contentType);
    this.#capture = captureFor(this.#capture, this.#exchange, contentType, isStream, this.#isEncoded());
    if (status >= 300) this.#state = 'refused';
    else if (this.#isEncoded() && !this.#answering.mayPass) this.#break(ENCODED);
    else if (!this.#answering.takes(isStream)) this.#break(OTHER_KIND);
    else if (!isStream) this.#state = 'whole';
    else if (this.#isEncoded()) this.#startPassing();
    else this.#openStream();
  }

  // hot
  data(chunk: Buffer): void {
    switch (this.#state) {
      case 'streaming':
        return this.#stream(chunk);
      case 'whole':
        this.#hold(chunk);
        if (this.#heldBytes <= this.#answering.maxWholeBytes) return;
        return this.#answering.mayPass ? this.#startPassing() : this.#break(TOO_LARGE);
      case 'passing':
        return this.#pass(chunk);
      case 'refused':
        this.#hold(chunk);
        if (this.#heldBytes < MAX_ERROR_BYTES) return;
        this.#exchange.attempt?.cancel();
        return this.#refuse();
      case 'done':
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
      case 'done':
        return;
      case 'waiting':
        return this.failed(new RingsideError('upstream_protocol', 'The upstream ended without an answer.'));
      default:
        return this.#state satisfies never;
    }
  }

  failed(error: RingsideError): void {
    this.#outflow.stop();
    if (this.#state === 'done') return;
    // A defect of ours may lie in the adapter or its tap: they are not asked again.
    const isDefect = error.code === 'internal';
    if (this.#state === 'refused' && !isDefect) return this.#refuse();
    const facts = isDefect ? null : (this.#tap?.facts() ?? null);
    this.#state = 'done';
    const sent = this.#exchange.outgoing.headersSent;
    this.#outlets.fail(error, {
      facts,
      firstByteNs: this.#firstByteNs,
      firstTokenNs: this.#firstTokenNs,
      ...(sent ? { capture: this.#capture, responseType: this.#answer.contentType } : {}),
    });
  }

  /** What is known when the caller leaves. */
  leave(): Partial<Ending> {
    this.#outflow.stop();
    return {
      facts: this.#tap?.facts() ?? null,
      firstByteNs: this.#firstByteNs,
      firstTokenNs: this.#firstTokenNs,
      responseType: this.#state === 'waiting' ? null : this.#answer.contentType,
      capture: this.#capture,
    };
  }

  #openStream(): void {
    this.#state = 'streaming';
    this.#deps.spool.handOver();
    this.#tap = this.#answering.openStream();
    this.#answer = { ...this.#answer, contentType: this.#answering.streamType ?? this.#answer.contentType };
    this.#outflow.openEvents(this.#answer);
  }

  #stream(chunk: Buffer): void {
    const tap = this.#tap!;
    const { forward, terminal } = tap.push(chunk);
    if (this.#firstTokenNs === null && tap.sawToken) {
      this.#firstTokenNs = this.#deps.clock.nowNs() - this.#exchange.startNs;
    }
    if (forward !== null) {
      this.#write(forward);
      if (tap.hasEvents !== false) this.#outflow.sawEvents();
    }
    this.#outflow.isMidEvent = tap.isMidEvent === true;
    if (this.#hasFailed(tap)) return;
    if (terminal !== null) {
      // An upstream may keep the connection open behind its last event; the caller is not made to wait for that.
      this.#exchange.attempt?.settle();
      this.#completeStream(terminal, 'terminal_event');
    }
  }

  #hasFailed(tap: StreamTap): boolean {
    const error = faultOfStream(this.#exchange, tap);
    if (error !== null) this.#fail(error);
    return error !== null;
  }

  #break(message: string): void {
    this.#fail(new RingsideError('upstream_protocol', message));
  }

  #fail(error: RingsideError): void {
    this.#exchange.attempt?.cancel(error);
    this.failed(error);
  }

  #endStream(): void {
    const tap = this.#tap!;
    const rest = tap.flush();
    if (this.#hasFailed(tap)) return;
    this.#completeStream(rest, 'end_of_stream');
  }

  #completeStream(last: Buffer | null, endReason: Ending['endReason']): void {
    if (last !== null) this.#capture.add(last);
    this.#complete(endReason, this.#tap!.facts(), last);
  }

  #hold(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
  }

  #endWhole(): void {
    const held = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
    const isReadable = !this.#isEncoded() && this.#answer.contentType.includes('json');
    const whole = readWhole(this.#answering, held, isReadable);
    if (whole instanceof RingsideError) return this.failed(whole);
    const { body, facts } = whole;
    this.#answer = { ...this.#answer, contentType: this.#answering.wholeType ?? this.#answer.contentType };
    this.#capture.add(body);
    this.#state = 'done';
    this.#outlets.complete(this.#ending('body', facts), (recorded) => {
      if (recorded) this.#outflow.sendWhole(this.#answer, body);
      else this.#outlets.unrecorded();
    });
  }

  #startPassing(): void {
    this.#state = 'passing';
    this.#deps.spool.handOver();
    this.#outflow.open(this.#answer);
    const held = this.#held;
    this.#held = [];
    for (const piece of held) this.#pass(piece);
  }

  /** Passes on the chunk before and keeps this one back: it may be the last. */
  #pass(chunk: Buffer): void {
    const [before] = this.#held;
    this.#held[0] = chunk;
    if (before !== undefined) this.#write(before);
  }

  #endPassing(): void {
    const last = this.#held[0] ?? null;
    if (last !== null) this.#capture.add(last);
    this.#complete('body', null, last);
  }

  #complete(endReason: Ending['endReason'], facts: Ending['facts'], last: Buffer | null): void {
    this.#state = 'done';
    this.#outflow.stop();
    this.#outlets.complete(this.#ending(endReason, facts), (recorded) => {
      if (recorded) this.#outflow.end(last);
      else this.#outlets.unrecorded();
    });
  }

  #refuse(): void {
    const error = refusalOf(this.#deps, this.#exchange, this.#answer, Buffer.concat(this.#held));
    this.#state = 'done';
    this.#outlets.fail(error, { firstByteNs: this.#firstByteNs });
  }

  get #answering(): Answering {
    return this.#exchange.answering!;
  }

  #isEncoded(): boolean {
    return this.#answer.headers['content-encoding'] !== undefined;
  }

  #ending(endReason: Ending['endReason'], facts: Ending['facts']): Ending {
    return {
      status: this.#answer.status,
      outcome: 'completed',
      endReason,
      error: null,
      facts,
      firstByteNs: this.#firstByteNs,
      firstTokenNs: this.#firstTokenNs,
      responseType: this.#answer.contentType,
      capture: this.#capture,
    };
  }

  #write(bytes: Buffer): void {
    this.#capture.add(bytes);
    this.#outflow.write(bytes, this.#controller!);
  }
}
