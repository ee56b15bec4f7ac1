import { reasonOf } from '#core/reason.ts';

/** What a start has made so far, to be undone when a later step of it fails, or at the stop. */
export interface Undo {
  /** The last added is undone first. */
  add(stop: () => unknown): void;
  /** Undoes everything, one after the other; a step that fails is logged and does not keep the others. */
  run(): Promise<void>;
}

export function createUndo(log: (line: string) => void): Undo {
  const stops: (() => unknown)[] = [];
  return {
    add: (stop) => void stops.push(stop),
    async run() {
      for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) {
        try {
          await stop();
        } catch (error) {
          log(`did not stop cleanly: ${reasonOf(error)}`);
        }
      }
    },
  };
}
