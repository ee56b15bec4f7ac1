import { reasonOf } from '#core/reason.ts';

/** Collects what a start must undo, and says when to give up starting. */
export interface Undo {
  /** The last added is undone first. */
  add(stop: () => Promise<unknown>): void;
  /** Throws once a stop was asked for: call it between steps. */
  checkpoint(): void;
}

/**
 * Starts, and keeps the process until a signal asks it to stop.
 *
 *   starting ──▶ started ──signal──▶ stopping ──▶ exit 0
 *      ├──a step fails──▶ undone ──▶ the failure is thrown
 *      └──signal──▶ the step under way ends ──▶ stopping
 *
 * A second signal ends the process at once.
 */
export async function runUntilSignal(log: (line: string) => void, start: (undo: Undo) => Promise<void>): Promise<void> {
  const stops: (() => Promise<unknown>)[] = [];
  let asked = false;
  let failedWith: unknown;
  let undoing: Promise<void> | undefined;
  const undoInOrder = async () => {
    for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) await stop();
  };
  const undoAll = () => {
    undoing ??= undoInOrder();
    return undoing;
  };
  const stop = async () => {
    try {
      await starting.catch(() => undefined); // it gave up because it was asked to, or its failure no longer matters
      await undoAll();
      // A failed start that was being undone has its line and its exit code from who called us.
      if (failedWith === undefined) process.exit(0);
    } catch (error) {
      log(`did not stop cleanly: ${reasonOf(error)}`);
      process.exit(1);
    }
  };
  const onSignal = () => {
    if (asked) {
      log('stopping at once');
      process.exit(1);
    }
    asked = true;
    log('stopping (once more to stop at once)');
    void stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);

  const starting = start({
    add: (undo) => void stops.push(undo),
    checkpoint() {
      if (asked) throw new Error('asked to stop');
    },
  });
  try {
    await starting;
  } catch (error) {
    if (asked) return;
    failedWith = error;
    await undoAll();
    throw error;
  }
}
