/** Files and folders to be made durable, in this order: descriptors by fdatasync, then directories by fsync. */
export interface SyncOrder {
  readonly files: readonly SyncFile[];
  readonly directories: readonly string[];
}

/** A segment under the descriptor that its writer keeps open until the order is done; `segment` tells one use of a number from the next. */
export interface SyncFile {
  readonly fd: number;
  readonly segment: number;
}

/** Where syncs are done, off the serving thread: one takes from a fraction of a millisecond to many. */
export interface Syncer {
  /**
   * Carries out one order; `done` is called once, in a later turn, with the reason when any part of it failed. One order
   * at a time: the next one may be given when `done` has been called.
   */
  sync(order: SyncOrder, done: (failure: string | undefined) => void): void;
  close(): Promise<void>;
}
