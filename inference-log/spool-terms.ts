import type { SpoolPolicy } from '#core/snapshot/log-policy.ts';

/** What holds for the records of one group and variant. One object for all of them, made with the configuration. */
export interface SpoolTerms extends SpoolPolicy {
  /** Where they are counted: the number of their series. */
  readonly account: number;
}

export const DEFAULT_TERMS: SpoolTerms = { durability: 'process', whenSpoolFull: 'shed', account: 0 };

/** Why a spool writer loses a record. The place in the list is the column in the metrics. */
export const LOSS_REASONS = [
  /** The spool and its reserve are full. */
  'spool_full',
  /** The disk did not take it. */
  'write_failed',
  /** It was written, and the disk did not confirm it. */
  'sync_failed',
  'frame_too_large',
  /** Served without a record, by the policy `serve-unlogged`. */
  'unlogged',
  /** It came after the spool was closed. */
  'closed',
] as const;
export type LossReason = (typeof LOSS_REASONS)[number];

/** Why an inference that was accepted has no row: a closed list. `dead_letter` is counted by the store. */
export const DROP_REASONS = [...LOSS_REASONS, 'dead_letter'] as const;

/**
 * The gateway's side of the ledger: accepted = recorded + in flight + interrupted, where recorded includes what is dropped.
 * Called by the writer, in the turn in which it becomes true.
 */
export interface SpoolAccounts {
  /** A begin frame was written, or lost: from here on the inference counts. */
  accepted(account: number): void;
  /** An end frame was handed to the operating system. */
  recorded(account: number): void;
  /** The same was lost after all; `dropped` follows. */
  unrecorded(account: number): void;
  dropped(account: number, reason: LossReason): void;
  /** By the policy `metadata-only`: recorded, but for its bodies. */
  withoutPayload(account: number): void;
}

const uncounted = () => undefined;

export const NO_ACCOUNTS: SpoolAccounts = {
  ...{ accepted: uncounted, recorded: uncounted, unrecorded: uncounted, dropped: uncounted },
  withoutPayload: uncounted,
};
