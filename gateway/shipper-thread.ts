import { Worker } from 'node:worker_threads';
import { traceOf } from '#core/reason.ts';
import type { ServingLoad } from '#inference-log/pace.ts';
import type { ClickHouseAddress } from '#inference-log/sinks/clickhouse/address.ts';
import type { LedgerTotals } from '#inference-log/spool.ts';
import type { SpoolHold } from '#inference-log/spool-hold.ts';
import type { FromShipper, ShipperStart, ToShipper } from '#inference-log/thread-messages.ts';

/**
 * The shipper's thread, kept running: it is replaced when it dies, and picks up from the cursors in the store.
 *
 *   new ──start──▶ running ──died──▶ waiting ──RETRY_MS──▶ running
 *   running ──stop──▶ stopping ──ended──▶ stopped
 *   waiting ──stop──▶ stopping, with a last thread that ships what is left
 */
export interface ShipperThread {
  /** Starts the thread; it gets the spools that were added before, and gives way to the serving threads while they are busy. */
  start(servingLoad: ServingLoad): void;
  addSpool(spoolId: string, hold: SpoolHold): void;
  /** What the store holds of this process, by group. */
  totals(): readonly LedgerTotals[];
  backlogBytes(): number;
  /** Reports of feedback that went to the dead letters, in this process. */
  feedbackLost(): number;
  /** Ships what the store takes within the deadline. */
  stop(deadlineMs: number): Promise<void>;
}

export interface ShipperThreadOptions {
  readonly databaseUrl: string;
  /** Where the rows go; without it they go into the database, too. */
  readonly clickhouse?: ClickHouseAddress | undefined;
  readonly spoolRoot: string;
  readonly gatewayId: string;
  /** The bound of each spool. */
  readonly maxSpoolBytes: number;
  /** How long a record waits for others; the shipper's own default if left out. */
  readonly shipAfterMs?: number;
  readonly log: (line: string) => void;
}

const RETRY_MS = 1_000;
/** A thread that is still there so long after its deadline is ended. */
const STOP_GRACE_MS = 2_000;

export function createShipperThread(options: ShipperThreadOptions): ShipperThread {
  const spools: { readonly spoolId: string; readonly hold: SpoolHold }[] = [];
  const totals = new Map<string, LedgerTotals>();
  let servingLoad: ServingLoad = [];
  let backlogBytes = 0;
  let feedbackLost = 0;
  let stopping = false;
  let worker: Worker | null = null;
  let retry: NodeJS.Timeout | null = null;

  const launch = () => {
    const workerData: ShipperStart = {
      databaseUrl: options.databaseUrl,
      root: options.spoolRoot,
      gatewayId: options.gatewayId,
      servingLoad,
      maxSpoolBytes: options.maxSpoolBytes,
      ...(options.shipAfterMs === undefined ? {} : { maxBatchAgeMs: options.shipAfterMs }),
      ...(options.clickhouse === undefined ? {} : { clickhouse: options.clickhouse }),
    };
    const next = new Worker(new URL('../inference-log/thread.ts', import.meta.url), { workerData, name: 'shipper' });
    worker = next;
    retry = null;
    for (const spool of spools) next.postMessage({ type: 'add-spool', ...spool } satisfies ToShipper);
    next.on('message', (message: FromShipper) => {
      switch (message.type) {
        case 'ledger':
          for (const row of message.totals) totals.set(row.groupId, row);
          return;
        case 'backlog':
          backlogBytes = message.bytes;
          return;
        case 'feedback-lost':
          feedbackLost += message.count;
          return;
        case 'alarm':
          return options.log(`inference log: ${message.code}: ${message.message}`);
        case 'ready':
        case 'stopped':
          return;
        default:
          message satisfies never;
      }
    });
    next.on('error', (error) => options.log(`the shipper failed: ${traceOf(error)}`));
    next.on('exit', () => {
      worker = null;
      if (stopping) return;
      options.log(`the shipper ended; a new one starts in ${RETRY_MS} ms`);
      retry = setTimeout(launch, RETRY_MS);
    });
  };
  return {
    start(load) {
      servingLoad = load;
      launch();
    },
    addSpool(spoolId, hold) {
      spools.push({ spoolId, hold });
      worker?.postMessage({ type: 'add-spool', spoolId, hold } satisfies ToShipper);
    },
    totals: () => [...totals.values()],
    backlogBytes: () => backlogBytes,
    feedbackLost: () => feedbackLost,
    async stop(deadlineMs) {
      stopping = true;
      if (retry !== null) {
        clearTimeout(retry);
        launch();
      }
      const running: Worker | null = worker;
      if (running === null) return;
      const exited = new Promise<void>((done) => running.once('exit', () => done()));
      running.postMessage({ type: 'stop', drain: true, deadlineMs } satisfies ToShipper);
      const limit = setTimeout(() => void running.terminate(), deadlineMs + STOP_GRACE_MS);
      await exited;
      clearTimeout(limit);
    },
  };
}
