/**
 * Puts the events of a stream together to the answer that the same request without streaming would have got: for a log that must not
 * keep a text in pieces, because what is looked for in it may lie across two of them.
 */
export interface Reassembler {
  /** Bytes of the stream as the caller gets them, cut anywhere. */
  push(chunk: Buffer): void;
  /** All that came. */
  message(): ReassembledMessage;
}

export interface ReassembledMessage {
  /** JSON. Events that are no JSON objects are only counted, in `unreadable_events`. */
  readonly text: string;
  /** Whether it holds what all events said. */
  readonly isWhole: boolean;
}

export interface ReassemblerOptions {
  /** Characters of text and structure that are held; what comes behind them is dropped. */
  readonly maxHeld: number;
  /** Characters that a text loses at its end when a part of it was dropped. */
  readonly lookAhead: number;
}
