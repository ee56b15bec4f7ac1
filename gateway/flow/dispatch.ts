import { RingsideError } from '#core/errors.ts';
import type { AttemptRecord } from '#inference-log/record.ts';
import { transportFailure } from '../upstream/failures.ts';
import type { UpstreamCall, UpstreamController, UpstreamHandler, UpstreamHeaders } from '../upstream/handler.ts';
import { upstreamRequestId } from './answer-head.ts';
import type { AnswerListener, CallExchange, FlowDeps, UpstreamAttempt } from './ports.ts';

/** Sends the call and reports its answer to `listener`. The attempt is noted on the exchange when it ends. */
export function dispatch(deps: FlowDeps, exchange: CallExchange, call: UpstreamCall, listener: AnswerListener): void {
  const attempt = new Attempt(deps, exchange, listener);
  exchange.dispatchNs = deps.clock.nowNs();
  exchange.attempt = attempt;
  try {
    deps.upstream.dispatch(call, attempt, exchange.dispatchNs / 1e6);
  } catch (reason) {
    attempt.fail(transportFailure(reason, exchange.target!.providerName));
  }
}

/** Long enough for the end of a chunked answer to arrive, so that the connection can be used again. */
const SETTLE_MS = 1_000;

/** One upstream call: measures it, guards our code from the transport and the transport from our code. */
class Attempt implements UpstreamHandler, UpstreamAttempt {
  readonly #deps: FlowDeps;
  readonly #exchange: CallExchange;
  readonly #listener: AnswerListener;
  #controller: UpstreamController | null = null;
  #cancelled = false;
  #over = false;
  ended = false;
  #sentNs: number | null = null;
  #firstByteNs: number | null = null;
  #status: number | null = null;
  #requestId: string | null = null;
  #onClosed: (() => void) | null = null;

  constructor(deps: FlowDeps, exchange: CallExchange, listener: AnswerListener) {
    this.#deps = deps;
    this.#exchange = exchange;
    this.#listener = listener;
  }

  cancel(error: RingsideError | null = null): void {
    if (this.#over) return;
    this.#cancelled = true;
    this.#note(error);
    this.#controller?.abort(new Error('cancelled'));
  }

  /** Notes the attempt, and gives the upstream a moment to finish. */
  settle(): void {
    if (this.#over) return;
    this.#note(null);
    const timer = setTimeout(() => this.#controller?.abort(new Error('settled')), SETTLE_MS);
    this.#onClosed = () => clearTimeout(timer);
  }

  fail(error: RingsideError): void {
    if (this.#over) return;
    // A call that could not be written down. The answer names no cause, so the log has to.
    if (error.code === 'internal') this.#deps.onDefect(error.cause ?? error);
    this.#note(error);
    this.#guard(() => this.#listener.failed(error));
  }

  onRequestStart(controller: UpstreamController): void {
    this.#controller = controller;
    this.#sentNs = this.#deps.clock.nowNs();
    if (this.#cancelled) controller.abort(new Error('cancelled'));
  }

  onResponseStart(controller: UpstreamController, status: number, headers: UpstreamHeaders): void {
    if (this.#over) return;
    this.#firstByteNs = this.#deps.clock.nowNs();
    this.#status = status;
    this.#requestId = upstreamRequestId(headers);
    this.#guard(() => this.#listener.head(status, headers, controller));
  }

  // hot
  onResponseData(_controller: UpstreamController, chunk: Buffer): void {
    if (this.#over) return;
    try {
      this.#listener.data(chunk);
    } catch (defect) {
      this.#defect(defect);
    }
  }

  onResponseEnd(): void {
    this.ended = true;
    this.#onClosed?.();
    if (this.#over) return;
    this.#note(null);
    this.#guard(() => this.#listener.end());
  }

  onResponseError(_controller: UpstreamController, reason: Error): void {
    this.ended = true;
    this.#onClosed?.();
    this.fail(transportFailure(reason, this.#exchange.target!.providerName));
  }

  #note(error: RingsideError | null): void {
    this.#over = true;
    const { startNs, target, dispatchNs } = this.#exchange;
    const since = (ns: number | null) => (ns === null ? null : ns - startNs);
    this.#exchange.attempts.push({
      provider: target!.providerName,
      model: this.#exchange.assignment!.variant.variant.model.name,
      upstreamModel: target!.upstreamModel,
      status: this.#status,
      errorCode: error?.code ?? null,
      startNs: since(dispatchNs)!,
      connectNs: this.#sentNs === null ? null : this.#sentNs - dispatchNs!,
      firstByteNs: since(this.#firstByteNs),
      endNs: since(this.#deps.clock.nowNs())!,
      requestId: this.#requestId,
    } satisfies AttemptRecord);
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (defect) {
      this.#defect(defect);
    }
  }

  /** Our own failure while handling an answer: the exchange ends with an error, the connection to the upstream is dropped. */
  #defect(defect: unknown): void {
    this.#deps.onDefect(defect);
    if (!this.#over) this.cancel();
    try {
      this.#listener.failed(RingsideError.from(defect));
    } catch (again) {
      this.#deps.onDefect(again);
    }
    // Nothing has answered, and nothing will: the caller must not wait for it.
    if (!this.#exchange.ended) this.#exchange.outgoing.destroy();
  }
}
