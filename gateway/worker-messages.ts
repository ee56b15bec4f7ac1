import type { SpoolHold } from '#inference-log/spool-hold.ts';
import type { GatewaySettings } from './settings.ts';
import type { SnapshotDelivery } from './snapshot/bind.ts';
import type { KeyTableBuffers } from './snapshot/key-table.ts';

/** What a worker thread starts with. */
export interface WorkerStart {
  readonly settings: GatewaySettings;
  readonly gatewayId: string;
  readonly slot: number;
  readonly listenFd: number;
  readonly cells: Float64Array;
  /** One Float64 per worker slot: bytes of request bodies it holds. */
  readonly bodyBudget: SharedArrayBuffer;
  /** How much API keys have reported, of all workers (feedback/meter.ts). */
  readonly feedbackMeter: SharedArrayBuffer;
  readonly keys: KeyTableBuffers;
  readonly snapshots: readonly SnapshotDelivery[];
  /** Newest version among the snapshots. */
  readonly version: number;
}

export type ToWorker =
  /** The first message; what comes before it is done is kept. */
  | { readonly type: 'start'; readonly start: WorkerStart }
  | { readonly type: 'snapshots'; readonly version: number; readonly snapshots: readonly SnapshotDelivery[] }
  | { readonly type: 'keys'; readonly keys: KeyTableBuffers }
  | { readonly type: 'stop'; readonly drainMs: number };

export type FromWorker =
  | { readonly type: 'spool'; readonly spoolId: string; readonly hold: SpoolHold }
  /** From here on the descriptor is the worker's. */
  | { readonly type: 'adopting' }
  | { readonly type: 'listening' }
  | { readonly type: 'address-in-use' }
  /** All snapshots up to this version are served. */
  | { readonly type: 'serving'; readonly version: number }
  | { readonly type: 'log'; readonly line: string };
