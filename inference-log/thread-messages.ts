import type { AlarmCode } from './alarms.ts';
import type { ServingLoad } from './pace.ts';
import type { ClickHouseAddress } from './sinks/clickhouse/address.ts';
import type { LedgerTotals } from './spool.ts';
import type { SpoolHold } from './spool-hold.ts';

/** What the shipper's thread is started with (its `workerData`). */
export interface ShipperStart {
  readonly databaseUrl: string;
  /** Where the rows go; without it they go into the database, too. */
  readonly clickhouse?: ClickHouseAddress;
  /** The folder of all spools of this machine. */
  readonly root: string;
  /** Whose ledger is reported. */
  readonly gatewayId: string;
  /** How busy the serving threads are. */
  readonly servingLoad: ServingLoad;
  /** The bound of each of their spools. */
  readonly maxSpoolBytes: number;
  readonly batchRows?: number;
  readonly batchBytes?: number;
  readonly maxBatchAgeMs?: number;
}

export type ToShipper =
  | { readonly type: 'add-spool'; readonly spoolId: string; readonly hold?: SpoolHold }
  /** The thread answers `stopped` and ends, at most a little after the deadline. */
  | { readonly type: 'stop'; readonly drain: boolean; readonly deadlineMs: number };

export type FromShipper =
  | { readonly type: 'ready' }
  /**
   * Totals of this gateway id since its first record, as the store holds them, whoever shipped them: each message
   * replaces what was known of its groups. At most once a second, and once more before `stopped`.
   */
  | { readonly type: 'ledger'; readonly totals: readonly LedgerTotals[] }
  /** What of all known spools is not stored yet. At most once a second. */
  | { readonly type: 'backlog'; readonly bytes: number; readonly spools: number }
  /** Reports of feedback went to the dead letters: so many more. */
  | { readonly type: 'feedback-lost'; readonly count: number }
  | { readonly type: 'alarm'; readonly code: AlarmCode; readonly message: string }
  | { readonly type: 'stopped'; readonly drained: boolean };
