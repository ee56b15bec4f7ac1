import type { Socket } from 'node:net';
import type { Connector, SocketEvents } from './connector.ts';
import { UpstreamFailure } from './failures.ts';
import type { UpstreamCall, UpstreamHandler } from './handler.ts';
import { Lease, type Steerable } from './lease.ts';
import { encodeRequest } from './request-head.ts';
import type { HeaderInterest, ResponseHead } from './response-head.ts';
import { ResponseParser, type ResponseSink } from './response-parser.ts';

/** What a connection tells its pool. */
export interface ConnectionOwner {
  /** It has a call to send: `send` is due at the end of this turn of the event loop. */
  queued(connection: Connection): void;
  /** The answer has ended and the connection can carry another call. */
  released(connection: Connection, keepAliveHintMs: number | null): void;
  /** It is gone. Comes once. */
  closed(connection: Connection): void;
}

/**
 * One connection to an upstream; it carries one call at a time.
 *
 *   connecting ──connected──▶ queued ──send──▶ busy ──answer ended──▶ idle ──start──▶ queued
 *       │                        │              │                      │
 *       └────────────────────────┴──────────────┴──────────────────────┴──▶ closed   (error, end, timeout, abort, bytes unasked for)
 *
 * Deadlines are counted in ticks of the pools' sweep. A limit is armed by the first tick after it began, so that
 * a call reads no clock and a late event loop stretches a deadline instead of cutting an answer short.
 */
export class Connection implements ResponseSink, SocketEvents, Steerable {
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #parser: ResponseParser;
  #state: 'connecting' | 'queued' | 'busy' | 'idle' | 'closed' = 'connecting';
  #call: UpstreamCall | null = null;
  #handler: UpstreamHandler | null = null;
  #lease: Lease | null = null;
  #isAnswering = false;
  #isPaused = false;
  /** 0: to be armed by the next tick. */
  #ticksLeft = 0;
  /** When an idle connection may no longer be used; the pool's clock and business. */
  idleUntilMs = 0;

  constructor(connector: Connector, owner: ConnectionOwner, interest: HeaderInterest) {
    this.#owner = owner;
    this.#parser = new ResponseParser(this, interest);
    this.#socket = connector.open(this);
  }

  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /** Gives it a call: sent at the end of this turn of the event loop, or of the one in which it is connected. */
  // hot
  start(call: UpstreamCall, handler: UpstreamHandler): void {
    this.#call = call;
    this.#handler = handler;
    this.#lease = new Lease(this);
    if (this.#state !== 'connecting') this.#queue();
  }

  connected(): void {
    if (this.#state === 'connecting') this.#queue();
  }

  #queue(): void {
    this.#state = 'queued';
    this.#owner.queued(this);
  }

  /** Sends the call that is queued, if it has not failed meanwhile. */
  // hot
  send(): void {
    if (this.#state !== 'queued') return;
    this.#state = 'busy';
    const call = this.#call!;
    this.#isAnswering = false;
    this.#ticksLeft = 0;
    this.#parser.begin();
    this.#handler!.onRequestStart(this.#lease!);
    // The handler may have aborted.
    if (this.#call !== call || this.#state !== 'busy') return;
    let request: ReturnType<typeof encodeRequest>;
    try {
      request = encodeRequest(call);
    } catch (defect) {
      return this.fail(defect as Error);
    }
    const { bytes, whole } = request;
    if (whole) return void this.#socket.write(bytes);
    this.#socket.cork();
    this.#socket.write(bytes);
    for (const piece of call.body) this.#socket.write(piece);
    this.#socket.uncork();
  }

  // hot
  received(bytes: Buffer): void {
    // Bytes that answer nothing must never meet the next call.
    if (this.#state !== 'busy') return this.fail(closedEarly());
    // A 1xx or a part of a head is not the answer: the first-byte limit goes on.
    if (this.#isAnswering) this.#ticksLeft = 0;
    try {
      this.#parser.push(bytes);
    } catch (defect) {
      this.destroy();
      throw defect;
    }
  }

  failed(error: Error | null): void {
    if (this.#state !== 'closed') this.fail(error ?? closedEarly());
  }

  ended(): void {
    if (this.#state === 'busy' && this.#parser.finish()) return;
    this.fail(closedEarly());
  }

  head(status: number, headers: ResponseHead['headers']): void {
    this.#isAnswering = true;
    this.#ticksLeft = 0;
    this.#handler!.onResponseStart(this.#lease!, status, headers);
  }

  // hot
  data(chunk: Buffer): void {
    this.#handler!.onResponseData(this.#lease!, chunk);
  }

  end(excess: boolean): void {
    const handler = this.#handler!;
    const lease = this.#detach();
    // An answer that came before the request was out: the rest of the request is dropped with the connection, at once, since
    // the handler may use its memory again.
    const isReusable = this.#parser.keepAlive && !excess && this.#socket.writableLength === 0;
    if (isReusable) {
      this.#state = 'idle';
      if (this.#isPaused) this.resume();
      this.#owner.released(this, this.#parser.keepAliveHintMs);
    } else {
      this.destroy();
    }
    handler.onResponseEnd(lease);
  }

  fault(): void {
    this.fail(new UpstreamFailure('RINGSIDE_PROTOCOL', 'the answer is not valid HTTP'));
  }

  /** Ends the connection and the call on it, if there is one. */
  fail(error: Error): void {
    if (this.#state === 'closed') return;
    const handler = this.#handler;
    this.destroy();
    if (handler !== null) handler.onResponseError(this.#detach(), error);
  }

  destroy(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#parser.stop();
    this.#socket.destroy();
    this.#owner.closed(this);
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#ticksLeft = 0;
    this.#socket.resume();
  }

  /** One tick of the sweep. While we hold the upstream up ourselves no time passes for it. */
  tick(tickMs: number): void {
    if (this.#state !== 'busy' || this.#isPaused) return;
    const { firstByteTimeoutMs, idleTimeoutMs } = this.#call!;
    if (this.#ticksLeft === 0) {
      this.#ticksLeft = Math.ceil((this.#isAnswering ? idleTimeoutMs : firstByteTimeoutMs) / tickMs);
    } else if (--this.#ticksLeft === 0) {
      const code = this.#isAnswering ? 'RINGSIDE_IDLE_TIMEOUT' : 'RINGSIDE_FIRST_BYTE_TIMEOUT';
      this.fail(new UpstreamFailure(code, 'the answer, or its next part, did not come in time'));
    }
  }

  #detach(): Lease {
    const lease = this.#lease!;
    lease.end();
    this.#lease = null;
    this.#handler = null;
    this.#call = null;
    return lease;
  }
}

function closedEarly(): UpstreamFailure {
  return new UpstreamFailure('RINGSIDE_CLOSED', 'the connection was closed before the answer was complete');
}
