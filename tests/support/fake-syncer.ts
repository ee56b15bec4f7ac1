import type { Syncer, SyncOrder } from '#inference-log/syncer.ts';

/** A syncer under a test's control: nothing is done before `finish`. */
export interface FakeSyncer extends Syncer {
  /** Every order so far. */
  readonly orders: readonly SyncOrder[];
  /** Whether an order is under way. */
  readonly isBusy: boolean;
  /** How often one was started. */
  readonly opened: number;
  /** For the option of the writer. */
  readonly open: () => Syncer;
  /** Ends the order under way. */
  finish(failure?: string): void;
  /** From here on each order ends by itself, well. */
  finishAll(): void;
}

/** @param onSync what an order does when it ends well */
export function createFakeSyncer(onSync: (order: SyncOrder) => void = () => {}): FakeSyncer {
  const orders: SyncOrder[] = [];
  let done: ((failure: string | undefined) => void) | undefined;
  let opened = 0;
  let isAutomatic = false;
  const syncer: FakeSyncer = {
    orders,
    get isBusy() {
      return done !== undefined;
    },
    get opened() {
      return opened;
    },
    open() {
      opened++;
      return syncer;
    },
    sync(order, onDone) {
      if (done !== undefined) throw new Error('one order at a time');
      orders.push(order);
      done = onDone;
      if (isAutomatic) setImmediate(() => syncer.finish());
    },
    finish(failure) {
      const ending = done;
      if (ending === undefined) return;
      done = undefined;
      if (failure === undefined) onSync(orders.at(-1)!);
      ending(failure);
    },
    finishAll() {
      isAutomatic = true;
      syncer.finish();
    },
    async close() {},
  };
  return syncer;
}
