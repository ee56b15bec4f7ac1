import { closeSync, fdatasyncSync, fsyncSync, openSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { reasonOf } from '#core/reason.ts';
import type { Syncer, SyncOrder } from './syncer.ts';

/** What the thread answers to an order. */
interface SyncReport {
  readonly failure: string | undefined;
}

/** It holds nothing but the order it works on. */
const MAX_YOUNG_GENERATION_MB = 1;
const ROLE = 'ringside spool sync';

/**
 * Starts a thread that does nothing but sync. Not the pool of Node, where look-ups of host names and digests would wait
 * behind a slow disk, and the disk behind them. File descriptors belong to the process, so that their numbers are enough.
 */
export function startSyncThread(): Syncer {
  let waiting: ((failure: string | undefined) => void) | undefined;
  const worker = new Worker(new URL(import.meta.url), {
    name: 'spool-sync',
    workerData: ROLE,
    resourceLimits: { maxYoungGenerationSizeMb: MAX_YOUNG_GENERATION_MB },
  });
  let ended: string | undefined;
  const answer = (failure: string | undefined) => {
    const done = waiting;
    waiting = undefined;
    worker.unref(); // between orders it keeps no process alive
    done?.(failure);
  };
  worker.on('message', ({ failure }: SyncReport) => answer(failure));
  worker.on('error', (error) => {
    ended = reasonOf(error);
  });
  worker.on('exit', () => {
    ended ??= 'the thread that syncs has ended';
    answer(ended);
  });
  return {
    sync(order, done) {
      waiting = done;
      if (ended !== undefined) return void setImmediate(() => answer(ended));
      worker.ref();
      worker.postMessage(order);
    },
    async close() {
      await worker.terminate();
    },
  };
}

if (!isMainThread && workerData === ROLE) {
  const port = parentPort!;
  port.on('message', (order: SyncOrder) => port.postMessage({ failure: carryOut(order) } satisfies SyncReport));
}

function carryOut(order: SyncOrder): string | undefined {
  for (const { fd, segment } of order.files) {
    try {
      fdatasyncSync(fd);
    } catch (error) {
      return `segment ${segment}: ${reasonOf(error)}`;
    }
  }
  for (const path of order.directories) {
    try {
      syncDirectory(path);
    } catch (error) {
      return `${path}: ${reasonOf(error)}`;
    }
  }
  return undefined;
}

/** Makes the names in a directory durable. @throws file errors */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
