/** Work that runs beside the rounds, `width` pieces at once, never two with one id. */
export interface Lanes<Item extends { readonly id: string }> {
  /** Replaces what waits, but for what is under way. Nothing is begun any more once `signal` is aborted. */
  offer(items: readonly Item[], signal: AbortSignal): void;
  /** Ends when nothing waits and nothing is under way. */
  settle(): Promise<void>;
}

/** @param work never rejects */
export function createLanes<Item extends { readonly id: string }>(
  width: number,
  work: (item: Item, signal: AbortSignal) => Promise<void>,
): Lanes<Item> {
  let waiting: Item[] = [];
  const underWay = new Map<string, Promise<void>>();

  const begin = (signal: AbortSignal) => {
    if (signal.aborted) waiting = [];
    while (underWay.size < width) {
      const item = waiting.shift();
      if (item === undefined) return;
      const done = work(item, signal).finally(() => {
        underWay.delete(item.id);
        begin(signal);
      });
      underWay.set(item.id, done);
    }
  };

  return {
    offer(items, signal) {
      waiting = items.filter(({ id }) => !underWay.has(id));
      begin(signal);
    },
    async settle() {
      while (underWay.size > 0) await Promise.all(underWay.values());
    },
  };
}

/** Does `work` for each item, `width` at once, and ends when all are done. Begins none any more once `signal` is aborted. */
export async function inParallel<Item>(
  items: readonly Item[],
  width: number,
  signal: AbortSignal,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined && !signal.aborted; next = queue.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
