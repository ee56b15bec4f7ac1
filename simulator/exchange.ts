import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { JournalEntry } from './journal.ts';

/**
 * One request and its answer. Its state is the journal entry's `outcome`:
 *
 *     open ──last byte handed over──▶ completed
 *      ├────client closes first─────▶ aborted
 *      └────cut()───────────────────▶ cut
 *
 * Every wait ends early, with false, when the state is no longer open; so no timer outlives the client.
 */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly entry: JournalEntry;
  readonly #held: Set<Exchange>;
  #wake: (() => void) | undefined;

  /** `held`: where an exchange stands while it holds, so that the server can end it when it closes. */
  constructor(request: IncomingMessage, response: ServerResponse, entry: JournalEntry, held: Set<Exchange>) {
    this.#held = held;
    this.request = request;
    this.response = response;
    this.entry = entry;
    response.on('close', () => this.#end(response.writableFinished ? 'completed' : 'aborted'));
    // A write that races with the client's leaving fails here; 'close' has told all there is to tell.
    response.on('error', () => {});
  }

  get open(): boolean {
    return this.entry.outcome === 'open';
  }

  /** Writes status and headers. */
  head(status: number, headers: OutgoingHttpHeaders): void {
    this.entry.status = status;
    this.response.writeHead(status, headers);
  }

  /** hot: a whole answer in one write. */
  send(status: number, headers: OutgoingHttpHeaders, body: string | Buffer): void {
    if (!this.open) return;
    headers['content-length'] = Buffer.byteLength(body);
    this.head(status, headers);
    this.response.end(body);
  }

  /** Destroys the connection: the client sees a reset. */
  cut(): void {
    if (!this.open) return;
    this.#end('cut');
    this.request.socket.resetAndDestroy();
  }

  /** Resolves after `ms` milliseconds, or at once for 0 and less. */
  wait(ms: number): Promise<boolean> {
    if (ms <= 0) return Promise.resolve(this.open);
    return this.#until((done) => {
      const timer = setTimeout(done, ms);
      return () => clearTimeout(timer);
    });
  }

  /** Resolves once the client has read enough to take more. */
  drain(): Promise<boolean> {
    return this.#until((done) => {
      this.response.once('drain', done);
      return () => void this.response.off('drain', done);
    });
  }

  /** Writes and resolves once the bytes are with the operating system. */
  flush(bytes: Buffer): Promise<boolean> {
    return this.#until((done) => {
      this.response.write(bytes, done);
      return () => {};
    });
  }

  /** Does nothing until the client leaves or the simulator closes. */
  async hold(): Promise<void> {
    await this.#until(() => {
      this.#held.add(this);
      return () => void this.#held.delete(this);
    });
  }

  #end(outcome: 'completed' | 'aborted' | 'cut'): void {
    if (!this.open) return;
    this.entry.outcome = outcome;
    this.#wake?.();
  }

  #until(subscribe: (done: () => void) => () => void): Promise<boolean> {
    if (!this.open) return Promise.resolve(false);
    return new Promise((resolve) => {
      const done = () => {
        if (this.#wake !== done) return;
        this.#wake = undefined;
        unsubscribe();
        resolve(this.open);
      };
      this.#wake = done;
      const unsubscribe = subscribe(done);
    });
  }
}
