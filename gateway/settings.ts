import type { Keyring } from '#core/envelope.ts';
import type { ClickHouseAddress } from '#inference-log/sinks/clickhouse/address.ts';
import type { DefaultTimeouts } from './providers/provider.ts';

/** Everything a gateway process is told; plain data, so that it can be handed to worker threads. */
export interface GatewaySettings {
  readonly release: string;
  readonly databaseUrl: string;
  /** Where the rows of the log go; undefined: into the database. */
  readonly clickhouse?: ClickHouseAddress | undefined;
  readonly host: string;
  readonly port: number;
  readonly metricsHost: string;
  readonly metricsPort: number;
  readonly workers: number;
  /** Holds the spool and the last good configuration. */
  readonly dataFolder: string;
  readonly keyring: Keyring;
  readonly pepper: Uint8Array;
  /** The list of RINGSIDE_PRIVATE_UPSTREAMS. */
  readonly privateUpstreams: string;
  /** Open client connections of the whole process. */
  readonly maxConnections: number;
  readonly maxBodyBytes: number;
  readonly maxHeldBodyBytes: number;
  readonly maxSpoolBytes: number;
  /** Reports of feedback that one API key may send to this process in a minute, and at once. */
  readonly feedbackPerMinute: number;
  /** An inference that has ended waits at most so long for others before it is shipped. */
  readonly shipAfterMs: number;
  readonly drainMs: number;
  readonly timeouts: DefaultTimeouts;
}
