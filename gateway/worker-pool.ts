import { closeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { type BootedWorker, bootWorker } from './boot.ts';
import { AddressInUseError, type Listener } from './listener.ts';
import type { GatewaySettings } from './settings.ts';
import type { ConfigSync } from './snapshot/sync.ts';
import { allocateCells, GAUGE } from './telemetry/layout.ts';
import type { FromWorker, ToWorker, WorkerStart } from './worker-messages.ts';

/**
 * The serving threads. A slot outlives its worker: counters stay, what was in flight is zeroed.
 *
 *   slot:  starting ──listening──▶ serving ──died──▶ waiting ──back-off──▶ starting
 *                                     └──stop──▶ draining ──▶ stopped
 */
interface Slot {
  readonly index: number;
  readonly cells: Float64Array;
  worker: Worker | null;
  servedVersion: number;
  stopped: boolean;
  failures: number;
  retry: NodeJS.Timeout | null;
}

export interface WorkerPool {
  readonly cells: readonly Float64Array[];
  readonly restarts: number;
  /** The version that every worker serves. */
  servedVersion(): number;
  broadcast(message: ToWorker): void;
  /** Drains all workers; resolves when the last one has let go of its spool. */
  stop(drainMs: number): Promise<void>;
}

export interface WorkerPoolDeps {
  readonly settings: GatewaySettings;
  readonly gatewayId: string;
  readonly listener: Listener;
  /** A descriptor for each worker of the first start. */
  readonly descriptors: readonly number[];
  /** Threads that are loading already, by slot. */
  readonly booted: readonly BootedWorker[];
  readonly config: ConfigSync;
  readonly onSpool: (spoolId: string) => void;
  readonly onServing: () => void;
  readonly log: (line: string) => void;
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;
/** A worker that lived this long had a good start: the back-off begins anew. */
const STABLE_MS = 10_000;
/** A thread that is still there so long after the drain limit is ended. */
const STOP_GRACE_MS = 3_000;

/** Starts the workers; resolves when all of them listen. Rejects when the first start of one fails. */
export async function startWorkerPool(deps: WorkerPoolDeps): Promise<WorkerPool> {
  const count = deps.settings.workers;
  const bodyBudget = new SharedArrayBuffer(8 * count);
  let restarts = 0;
  let stopping = false;
  /** Once all have listened; before that a worker that ends is a failed start. */
  let up = false;
  const slots: Slot[] = Array.from({ length: count }, (_, index) => ({
    index,
    cells: allocateCells(),
    worker: null,
    servedVersion: 0,
    stopped: false,
    failures: 0,
    retry: null,
  }));

  const launch = (slot: Slot, listenFd: number, booted = bootWorker(slot.index)): Promise<void> => {
    const { worker } = booted;
    const failure = booted.failure();
    if (failure !== null) {
      closeSync(listenFd);
      return Promise.reject(failure);
    }
    const { version, snapshots, keys } = deps.config.current();
    const start: WorkerStart = {
      settings: deps.settings,
      gatewayId: deps.gatewayId,
      slot: slot.index,
      listenFd,
      cells: slot.cells,
      bodyBudget,
      keys,
      snapshots,
      version,
    };
    slot.worker = worker;
    worker.postMessage({ type: 'start', start } satisfies ToWorker);
    const startedAt = performance.now();
    // Until the thread listens, the descriptor is ours to close.
    let adopted = false;
    return new Promise((listening, failed) => {
      worker.on('message', (message: FromWorker) => {
        switch (message.type) {
          case 'spool':
            return deps.onSpool(message.spoolId);
          case 'adopting':
            adopted = true;
            return;
          case 'listening':
            return listening();
          case 'address-in-use':
            failed(new AddressInUseError('another process listens on the gateway address'));
            void worker.terminate();
            return;
          case 'serving':
            slot.servedVersion = message.version;
            return deps.onServing();
          case 'log':
            return deps.log(`worker ${slot.index}: ${message.line}`);
          case 'stopped':
            slot.stopped = true;
            return;
          default:
            message satisfies never;
        }
      });
      worker.on('error', (error) =>
        deps.log(`worker ${slot.index} failed: ${error instanceof Error ? error.stack : String(error)}`),
      );
      worker.on('exit', (code) => {
        if (!adopted) closeSync(listenFd);
        if (performance.now() - startedAt > STABLE_MS) slot.failures = 0;
        if (slot.worker === worker) died(slot);
        failed(new Error(`worker ${slot.index} ended with code ${code}`));
      });
    });
  };

  const died = (slot: Slot) => {
    slot.worker = null;
    slot.cells[GAUGE.IN_FLIGHT] = 0;
    new Float64Array(bodyBudget)[slot.index] = 0;
    if (stopping || slot.stopped || !up) return;
    restarts++;
    retryLater(slot, 'died');
  };

  const retryLater = (slot: Slot, why: string) => {
    if (stopping || slot.worker !== null || slot.retry !== null) return;
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** slot.failures++, LONGEST_RETRY_MS);
    deps.log(`worker ${slot.index} ${why}; a new one starts in ${delayMs} ms`);
    slot.retry = setTimeout(() => {
      slot.retry = null;
      void deps.listener
        .duplicate(1)
        .then(([fd]) => (stopping ? closeSync(fd!) : launch(slot, fd!)))
        // A worker that ended has set its own retry; what remains is a descriptor that could not be had.
        .catch((error: unknown) => retryLater(slot, `did not start (${reasonOf(error)})`));
    }, delayMs);
  };

  await Promise.all(slots.map((slot) => launch(slot, deps.descriptors[slot.index]!, deps.booted[slot.index])));
  up = true;

  return {
    cells: slots.map((slot) => slot.cells),
    get restarts() {
      return restarts;
    },
    servedVersion: () => {
      // A worker that is being replaced serves nothing old: its successor starts with what is current.
      const serving = slots.filter((slot) => slot.worker !== null);
      return Math.min(deps.config.current().version, ...serving.map((slot) => slot.servedVersion));
    },
    broadcast(message) {
      for (const { worker } of slots) worker?.postMessage(message);
    },
    async stop(drainMs) {
      stopping = true;
      await Promise.all(
        slots.map(({ worker, retry }) => {
          if (retry !== null) clearTimeout(retry);
          if (worker === null) return undefined;
          const exited = new Promise<void>((done) => worker.once('exit', () => done()));
          worker.postMessage({ type: 'stop', drainMs } satisfies ToWorker);
          const limit = setTimeout(() => void worker.terminate(), drainMs + STOP_GRACE_MS);
          return exited.then(() => clearTimeout(limit));
        }),
      );
    },
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
