import type { UpstreamController } from './handler.ts';

/** What a call may do to the connection that carries it. */
export interface Steerable {
  fail(reason: Error): void;
  pause(): void;
  resume(): void;
}

/**
 * A call's hold on its connection: the one object made per call, so that a controller that is kept for too long cannot
 * touch the next call.
 */
export class Lease implements UpstreamController {
  #connection: Steerable | null;

  constructor(connection: Steerable) {
    this.#connection = connection;
  }

  abort(reason: Error): void {
    this.#connection?.fail(reason);
  }

  pause(): void {
    this.#connection?.pause();
  }

  resume(): void {
    this.#connection?.resume();
  }

  /** The call has ended. */
  end(): void {
    this.#connection = null;
  }
}
