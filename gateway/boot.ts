import { Worker } from 'node:worker_threads';

/** A serving thread that loads its modules and waits for its `start` message. */
export function bootWorker(index: number): Worker {
  return new Worker(new URL('./worker.ts', import.meta.url), { name: `gateway-${index}` });
}

/** Boots the threads of a gateway before anything else of it is loaded: main thread and workers load side by side. */
export function bootWorkers(count: number): Worker[] {
  return Array.from({ length: count }, (_, index) => bootWorker(index));
}
