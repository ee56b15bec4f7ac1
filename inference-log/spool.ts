import type { FeedbackRow } from './feedback-record.ts';
import type { BeginRecord, EndRecord, InferenceRow } from './record.ts';
import type { SpoolTerms } from './spool-terms.ts';

/**
 * The gateway's side of the log. One spool per worker thread, one writer per spool.
 *
 *   open ──close()──▶ closed
 *     └──a write fails or the bound is reached──▶ refusing ──a later probe succeeds──▶ open
 */
export interface SpoolWriter {
  readonly spoolId: string;
  /** False while the spool cannot take more. */
  readonly accepting: boolean;
  /** Whether an inference may begin on these terms; asked before anything is dispatched. False: it is refused, not served. */
  accepts(terms: SpoolTerms): boolean;
  /**
   * Appends a `begin` frame. `request` is what was captured (null: capture is off); the bytes must not change until the end
   * is released. While the spool cannot take more, the terms decide: nothing is written, or no bodies.
   */
  begin(id: string, record: BeginRecord, request: readonly Uint8Array[] | null, terms?: SpoolTerms): void;
  /** Spills a piece of a long answer, so that open streams do not sit in memory. Pieces are joined in order, before the end frame's own. */
  part(id: string, response: Uint8Array, terms?: SpoolTerms): void;
  /**
   * Appends an `end` frame. `release(true)` is called once, when the answer may end, which depends on the durability:
   *
   *     memory    before this returns
   *     process   in this turn of the event loop, when the operating system has taken this frame and all before it
   *     disk      when a sync has confirmed them
   *
   * `release(false)`: the record is lost and the answer must not end well. Where the terms allow an answer without a
   * record, that is `release(true)`, too. `terms` are those of the begin frame.
   */
  end(
    id: string,
    record: EndRecord,
    response: readonly Uint8Array[] | null,
    release: (mayEnd: boolean) => void,
    terms?: SpoolTerms,
  ): void;
  /** Writes what is pending now, before the caller sees anything of an answer. Begin and part frames otherwise wait a moment. */
  handOver(): void;
  /** Writes what is pending, lets answers go that wait for a sync, and closes the segment; resolves when the folder is let go. The shipper does the rest. */
  close(): Promise<void>;
}

/** Where the rows go. Implementations share the contract suite in tests/contract/sink.ts. */
export interface Sink {
  /** The stored position of a spool; undefined when the store has not seen it. */
  readCursor(spoolId: string): Promise<SpoolCursor | undefined>;
  /**
   * Stores rows, ledger counts and the new cursor in one transaction, provided that the stored cursor is still `expected`
   * (undefined: none yet). Repeating a call is harmless.
   * @throws StaleCursorError when another shipper moved the cursor
   * @throws RefusedBatchError when the store is well and a record of the batch is not
   */
  write(batch: SinkBatch): Promise<void>;
  /** What the store holds of a gateway: totals, whoever shipped them. */
  readLedger(gatewayId: string): Promise<readonly LedgerTotals[]>;
  close(): Promise<void>;
}

export interface SinkBatch {
  readonly spoolId: string;
  readonly gatewayId: string;
  readonly expected: SpoolCursor | undefined;
  readonly cursor: SpoolCursor;
  readonly rows: readonly InferenceRow[];
  /** Records of this batch that cannot be stored, by group, with the reason; they lie in the dead-letter file. */
  readonly dropped: readonly { readonly groupId: string; readonly reason: string }[];
  /** What was reported of inferences; an id that its organization has already changes nothing. In no ledger. */
  readonly feedback?: readonly FeedbackRow[];
  /** Set on the last batch of an orphan spool. */
  readonly finished: boolean;
}

/** A place in a spool. */
export interface SpoolPosition {
  readonly segment: number;
  readonly offset: number;
}

/**
 * `scan`: frames before it belong to inferences that are stored already, so reading starts here.
 * `shipped`: end frames before it are stored; between the two only the begin and part frames are still needed.
 */
export interface SpoolCursor {
  readonly scan: SpoolPosition;
  readonly shipped: SpoolPosition;
}

/**
 * What the store took: `stored` counts the inferences that ended, `interrupted` those that never did, also when retention has
 * removed their rows since: `archived` and `expired` of those stored are in the tables no more. `dropped`: the dead letters.
 */
export interface LedgerTotals {
  readonly groupId: string;
  readonly stored: number;
  readonly archived: number;
  readonly expired: number;
  readonly interrupted: number;
  readonly dropped: number;
}

/** The group of dead letters that do not tell theirs. */
export const UNKNOWN_GROUP = '00000000-0000-0000-0000-000000000000';

export class StaleCursorError extends Error {
  override name = 'StaleCursorError';
}

/** Some record of a batch cannot be stored, now or later; the shipper halves the batch until it has found it. */
export class RefusedBatchError extends Error {
  override name = 'RefusedBatchError';
}
