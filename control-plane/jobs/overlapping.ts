import { reasonOf } from '#core/reason.ts';

/** Work of many kinds of speed. */
export interface OverlappingWork<Item> {
  /** How often is looked for more while some is under way. */
  readonly everyMs: number;
  /** What is due and may begin now. @param busy the keys of what is under way */
  readonly take: (busy: readonly string[]) => Promise<readonly Item[]>;
  readonly keyOf: (item: Item) => string;
  readonly work: (item: Item) => Promise<unknown>;
}

/**
 * Does what is due, each with a time of its own: while a slow one is waited for, others that become due are begun. Nothing is begun that is
 * under way.
 * @returns when nothing is under way: what has failed, by key; the first failure lets nothing more begin
 */
export async function runOverlapping<Item>(
  { everyMs, take, keyOf, work }: OverlappingWork<Item>,
  signal: AbortSignal,
): Promise<string[]> {
  const underWay = new Map<string, Promise<void>>();
  const failures: string[] = [];
  try {
    do {
      for (const item of await take([...underWay.keys()])) {
        const key = keyOf(item);
        const ended = work(item)
          .then(() => undefined)
          .catch((error: unknown) => void failures.push(`${key}: ${reasonOf(error)}`))
          .finally(() => underWay.delete(key));
        underWay.set(key, ended);
      }
      await someTime(everyMs, Promise.all(underWay.values()), signal);
    } while (underWay.size > 0 && failures.length === 0 && !signal.aborted);
  } finally {
    await Promise.all(underWay.values());
  }
  return failures;
}

/** Resolves after `ms`, or at once when the work is done or the signal is aborted. */
async function someTime(ms: number, work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let cleanup = () => {};
  const elapsed = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    const wake = () => resolve();
    signal.addEventListener('abort', wake, { once: true });
    cleanup = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
    };
  });
  await Promise.race([work, elapsed]);
  cleanup();
}
