import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';

/** A serving thread that loads its modules and waits for its `start` message. */
export interface BootedWorker {
  readonly worker: Worker;
  /** Why it has ended; null while it lives. */
  failure(): Error | null;
}

/**
 * Short pauses instead of few: with Node's own 48 MB a collection stops 1 000 open streams for 5 to 10 ms, with 12 MB for 1 to
 * 3 ms, at the same rate of small chats (docs/decisions/0011).
 */
const MAX_YOUNG_GENERATION_MB = 12;
/**
 * The old generation may grow to four times what lives in it before it is collected. By itself V8 starts at 1.3 times 20 MB: streams
 * that begin and end brought a collection every two seconds, whose last step waits for helper threads on cores that
 * others use too. It holds for all threads of the process (docs/decisions/0012).
 */
const HEAP_GROWING = '--heap-growing-percent=300';

export function bootWorker(index: number): BootedWorker {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    name: `gateway-${index}`,
    resourceLimits: { maxYoungGenerationSizeMb: MAX_YOUNG_GENERATION_MB },
  });
  let failure: Error | null = null;
  worker.on('error', (error) => {
    failure = error instanceof Error ? error : new Error(String(error));
  });
  worker.on('exit', (code) => {
    failure ??= new Error(`worker ${index} ended with code ${code}`);
  });
  return { worker, failure: () => failure };
}

/** Boots the threads of a gateway before anything else of it is loaded: main thread and workers load side by side. */
export function bootWorkers(count: number): BootedWorker[] {
  setFlagsFromString(HEAP_GROWING);
  return Array.from({ length: count }, (_, index) => bootWorker(index));
}

/** Ends what is left of them. */
export async function endWorkers(booted: readonly BootedWorker[]): Promise<void> {
  await Promise.all(booted.map(({ worker }) => worker.terminate()));
}
