import { parentPort, workerData } from 'node:worker_threads';

/**
 * A thread that wakes the generator when something is due. Timers of an event loop have steps of a millisecond; a wait on
 * an atomic has the kernel's, and sleeps instead of spinning on a core that others need.
 */
export interface TickerData {
  /** `process.hrtime` of the first moment, in milliseconds. */
  readonly startMs: number;
  readonly gapMs: number;
  readonly endMs: number;
}

const { startMs, gapMs, endMs } = workerData as TickerData;
const cell = new Int32Array(new SharedArrayBuffer(4));
for (let tick = 0; ; tick++) {
  const atMs = startMs + tick * gapMs;
  if (atMs > endMs) break;
  const waitMs = atMs - Number(process.hrtime.bigint()) / 1e6;
  // Late: this moment and those behind it are one message.
  if (waitMs > 0) Atomics.wait(cell, 0, 0, waitMs);
  else if (waitMs < -gapMs) continue;
  parentPort!.postMessage(null);
}
