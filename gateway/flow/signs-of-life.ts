/** A stream that must not look dead. `silentMs` is set to 0 by whoever writes to it: no clock is read for that. */
export interface Watched {
  readonly afterMs: number;
  silentMs: number;
  /** Called when it was silent for `afterMs`, and then as often again. */
  sign(): void;
}

const TICK_MS = 1_000;

/**
 * Gives streams a sign of life when nothing was written to them for long, so that nothing between caller and gateway takes them for
 * dead while a model thinks. One timer for all streams of a worker, and none while there are no streams; late by a tick at most.
 */
export class SignsOfLife {
  readonly #watched = new Set<Watched>();
  readonly #tickMs: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(tickMs = TICK_MS) {
    this.#tickMs = tickMs;
  }

  watch(stream: Watched): void {
    if (stream.afterMs === 0) return;
    this.#watched.add(stream);
    this.#timer ??= setInterval(() => this.#tick(), this.#tickMs).unref();
  }

  unwatch(stream: Watched): void {
    this.#watched.delete(stream);
    if (this.#watched.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #tick(): void {
    for (const stream of this.#watched) {
      stream.silentMs += this.#tickMs;
      if (stream.silentMs < stream.afterMs) continue;
      stream.silentMs = 0;
      stream.sign();
    }
  }
}
