import type { SpoolHold } from '#inference-log/spool-hold.ts';
import type { BootedWorker } from './boot.ts';
import { allocateFeedbackMeter } from './feedback/meter.ts';
import type { Listener } from './listener.ts';
import type { GatewaySettings } from './settings.ts';
import type { ConfigSync } from './snapshot/sync.ts';
import type { ToWorker } from './worker-messages.ts';
import { WorkerSlot } from './worker-slot.ts';

/** The serving threads, each in its slot. */
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
  readonly listener: Pick<Listener, 'duplicate'>;
  /** A descriptor for each worker of the first start. */
  readonly descriptors: readonly number[];
  /** Threads that are loading already, by slot. */
  readonly booted: readonly BootedWorker[];
  readonly config: Pick<ConfigSync, 'current'>;
  readonly onSpool: (spoolId: string, hold: SpoolHold) => void;
  readonly onServing: () => void;
  readonly log: (line: string) => void;
}

/** Starts the workers; resolves when all of them listen. Rejects when the first start of one fails; then none is left. */
export async function startWorkerPool(deps: WorkerPoolDeps): Promise<WorkerPool> {
  const slots = createSlots(deps);
  try {
    await Promise.all(slots.map((slot, index) => slot.launch(deps.descriptors[index]!, deps.booted[index])));
  } catch (error) {
    await Promise.all(slots.map((slot) => slot.end()));
    throw error;
  }
  return {
    cells: slots.map((slot) => slot.cells),
    get restarts() {
      return slots.reduce((sum, slot) => sum + slot.restarts, 0);
    },
    servedVersion: () => {
      const served = slots.map((slot) => slot.servedVersion).filter((version) => version !== null);
      return Math.min(deps.config.current().version, ...served);
    },
    broadcast(message) {
      for (const slot of slots) slot.send(message);
    },
    async stop(drainMs) {
      await Promise.all(slots.map((slot) => slot.stop(drainMs)));
    },
  };
}

function createSlots(deps: WorkerPoolDeps): WorkerSlot[] {
  const { settings, gatewayId, onSpool, onServing, log } = deps;
  const bodyBudget = new SharedArrayBuffer(8 * settings.workers);
  const feedbackMeter = allocateFeedbackMeter();
  return Array.from({ length: settings.workers }, (_, index) => {
    return new WorkerSlot({
      index,
      startOf: ({ index: slot, cells, listenFd }) => {
        return {
          ...{ settings, gatewayId, slot, listenFd, cells, bodyBudget, feedbackMeter },
          ...deps.config.current(),
        };
      },
      duplicate: async () => (await deps.listener.duplicate(1))[0]!,
      onEnded: () => {
        new Float64Array(bodyBudget)[index] = 0;
      },
      ...{ onSpool, onServing, log },
    });
  });
}
