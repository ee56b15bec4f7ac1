import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { RingsideError } from '#core/errors.ts';
import { createInferenceId, NO_GROUP_HASH } from '#core/ids.ts';
import { ADAPTERS } from '../providers/registry.ts';
import type { CallerSocket } from '../realtime/caller-socket.ts';
import { type CloseFrame, sessionEnding } from '../realtime/ending.ts';
import { createEventInspector, type EventInspector } from '../realtime/inspect.ts';
import { Relay, type SessionEnd } from '../realtime/relay.ts';
import { transportFailure } from '../upstream/failures.ts';
import type { SessionCall, SessionOpener } from '../upstream/session-socket.ts';
import { ringsideHeaders, upstreamRequestId } from './answer-head.ts';
import type { BodyCapture } from './capture.ts';
import { failureEnding, sendFailure } from './fail.ts';
import { openSessionCapture } from './open-capture.ts';
import type { Ending, Exchange, FlowDeps } from './ports.ts';
import { record } from './record.ts';

/** Deadlines of open sessions, in milliseconds: between two pings, without a message, and of a whole session. */
export interface SessionTiming {
  readonly pingMs: number;
  readonly idleMs: number;
  readonly maxMs: number;
}

interface SessionDeps extends FlowDeps {
  readonly openSession: SessionOpener;
  readonly timing: SessionTiming;
}

const SWITCHING_PROTOCOLS = 101;
const UNRECORDED: CloseFrame = { code: 1011, reason: 'The inference log could not take this session.' };

/** What is open between a caller and its upstream. */
interface Opened {
  readonly caller: WebSocket;
  readonly upstream: WebSocket;
  readonly relay: Relay;
  readonly capture: BodyCapture;
  readonly inspector: EventInspector;
}

/**
 * One session as one inference, from the handshake to its row.
 *
 *   new ──connect──▶ connecting ──both handshakes──▶ open ──end of the relay──▶ ended
 *    └───────refuse──────┴──refused, failed, caller left, stop──────────────────▶ ended
 *
 * Until it is open, errors are answers over HTTP; then they are close frames. The caller's close frame waits for the record, as the
 * end of an answer does; not so where the caller closes, whose frame the library answers by itself.
 */
export class Session {
  readonly #deps: SessionDeps;
  readonly #exchange: Exchange;
  readonly #callerSocket: CallerSocket;
  readonly #socket: Socket;
  #giveUp: (() => void) | null = null;
  #opened: Opened | null = null;
  #status: number | null = null;
  #firstByteNs: number | null = null;
  #requestId: string | null = null;
  #isReleased = false;

  constructor(deps: SessionDeps, exchange: Exchange, callerSocket: CallerSocket, socket: Socket) {
    this.#deps = deps;
    this.#exchange = exchange;
    this.#callerSocket = callerSocket;
    this.#socket = socket;
    deps.recorder.inFlight(1);
    socket.once('close', () => this.#callerLeft());
  }

  /** Makes the handshake with the upstream, and then that with the caller. */
  connect(call: SessionCall): void {
    this.#exchange.dispatchNs = this.#deps.clock.nowNs();
    const provider = this.#exchange.target!.providerName;
    try {
      this.#giveUp = this.#deps.openSession(call, {
        opened: (upstream, headers) => this.#guard(() => this.#open(upstream, headers)),
        refused: (status, headers, body) => this.#guard(() => this.#upstreamRefused(status, headers, body)),
        failed: (error) => this.#guard(() => this.#upstreamFailed(transportFailure(error, provider))),
      });
    } catch (reason) {
      this.#upstreamFailed(transportFailure(reason, provider));
    }
  }

  /** Answers the handshake with an error. */
  refuse(reason: unknown): void {
    const error = RingsideError.from(reason);
    if (error.code === 'internal') this.#deps.onDefect(error.cause ?? error);
    const exchange = this.#exchange;
    if (exchange.id === '') exchange.id = createInferenceId(exchange.startUnixMs, NO_GROUP_HASH, this.#deps.random);
    this.#finish(failureEnding(exchange, error, {}), () => sendFailure(exchange, error, this.#deps.stalledReaderMs));
  }

  /** Ends it, whatever it does: the gateway stops. */
  stop(): void {
    if (this.#opened !== null) return this.#opened.relay.stop();
    this.#giveUp?.();
    if (this.#exchange.ended) return;
    if (this.#exchange.dispatchNs !== null) this.#note(null);
    this.refuse(new RingsideError('overloaded', 'The gateway is stopping; connect again.', { retryAfterSeconds: 1 }));
  }

  #open(upstream: WebSocket, headers: IncomingHttpHeaders): void {
    this.#status = SWITCHING_PROTOCOLS;
    this.#answered(headers);
    if (this.#socket.destroyed) return upstream.terminate();
    const exchange = this.#exchange;
    const lines = ringsideHeaders(exchange);
    if (this.#requestId !== null) lines.push('x-ringside-upstream-request-id', this.#requestId);
    const caller = this.#callerSocket.open(lines, upstream.protocol);
    // It has left: its `close` comes.
    if (caller === null) return upstream.terminate();
    const inspector = createEventInspector(exchange.target!.secrets);
    const capture = openSessionCapture(exchange);
    const relay = new Relay(caller, upstream, {
      ...this.#deps.timing,
      inspect: (data, isBinary) => {
        capture.add(data);
        return inspector.inspect(data, isBinary);
      },
      onEnd: (end) => this.#guard(() => this.#end(end)),
    });
    this.#opened = { caller, upstream, relay, capture, inspector };
  }

  #upstreamRefused(status: number, headers: IncomingHttpHeaders, body: Buffer): void {
    this.#status = status;
    this.#answered(headers);
    const target = this.#exchange.target!;
    const error =
      status >= 400
        ? ADAPTERS[target.kind].readError(status, body, headers['retry-after'], target)
        : new RingsideError('upstream_protocol', `The provider "${target.providerName}" did not open a session.`);
    this.#upstreamFailed(error);
  }

  #upstreamFailed(error: RingsideError): void {
    this.#note(error);
    this.refuse(error);
  }

  #end(end: SessionEnd): void {
    const { caller, upstream, relay, capture, inspector } = this.#opened!;
    const target = this.#exchange.target!;
    const { outcome, endReason, error, toCaller, toUpstream } = sessionEnding(end, target.providerName, target.secrets);
    close(upstream, toUpstream);
    this.#note(error?.code.startsWith('upstream') ? error : null);
    const ending: Ending = {
      status: SWITCHING_PROTOCOLS,
      outcome,
      endReason,
      error: error?.code ?? null,
      facts: { usage: inspector.usage, finishReason: null },
      firstByteNs: this.#firstByteNs,
      firstTokenNs: null,
      responseType: null,
      capture,
      session: { requestBytes: relay.callerBytes },
    };
    this.#finish(ending, (recorded) => close(caller, recorded ? toCaller : UNRECORDED));
  }

  #callerLeft(): void {
    // Of an open session the relay hears it, too, and a moment later.
    if (this.#opened === null && !this.#exchange.ended) {
      this.#giveUp?.();
      if (this.#exchange.dispatchNs !== null) this.#note(null);
      const error = new RingsideError('client_closed', 'The caller closed the connection.');
      this.#finish(failureEnding(this.#exchange, error, {}), () => undefined);
    } else if (this.#exchange.ended) this.#release();
  }

  #finish(ending: Ending, deliver: (recorded: boolean) => void): void {
    record(this.#deps, this.#exchange, ending, (recorded) => {
      this.#release();
      deliver(recorded);
    });
    // A record that could not even be made: nothing will come any more.
    if (this.#exchange.outgoing.destroyed) this.#socket.destroy();
  }

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#deps.recorder.inFlight(-1);
  }

  #answered(headers: IncomingHttpHeaders): void {
    this.#firstByteNs = this.#deps.clock.nowNs() - this.#exchange.startNs;
    this.#requestId = upstreamRequestId(headers);
  }

  #note(error: RingsideError | null): void {
    const { startNs, target, dispatchNs, attempts, assignment } = this.#exchange;
    attempts.push({
      provider: target!.providerName,
      model: assignment!.variant.variant.model.name,
      upstreamModel: target!.upstreamModel,
      status: this.#status,
      errorCode: error?.code ?? null,
      startNs: dispatchNs! - startNs,
      connectNs: null,
      firstByteNs: this.#firstByteNs,
      endNs: this.#deps.clock.nowNs() - startNs,
      requestId: this.#requestId,
    });
  }

  /** Our own failure ends the session on both sides. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (defect) {
      this.#deps.onDefect(defect);
      this.#giveUp?.();
      this.#opened?.upstream.terminate();
      // What has begun must end in the log: the closing of the socket sees to it.
      this.#opened = null;
      this.#socket.destroy();
    }
  }
}

function close(socket: WebSocket, { code, reason }: CloseFrame): void {
  if (socket.readyState !== WebSocket.OPEN) return;
  if (code === null) socket.close();
  else socket.close(code, reason);
}
