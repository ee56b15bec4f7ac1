import type { AnswerHead, AnswerSink } from './outflow.ts';
import type { Recipient } from './ports.ts';

/** Where the answer to a mirrored call goes: it is read to its end as fast as it comes, captured, and given to nobody. */
export class UnreadAnswer implements Recipient, AnswerSink {
  headersSent = false;
  statusCode = 200;
  destroyed = false;
  isMidEvent = false;
  readonly #onDestroyed: () => void;

  constructor(onDestroyed: () => void) {
    this.#onDestroyed = onDestroyed;
  }

  open(head: AnswerHead): void {
    this.headersSent = true;
    this.statusCode = head.status;
  }

  openEvents(head: AnswerHead): void {
    this.open(head);
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#onDestroyed();
  }

  sendWhole(): void {}
  write(): void {}
  sawEvents(): void {}
  end(): void {}
  stop(): void {}
}
