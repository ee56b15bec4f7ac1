// First: it gives zod schemas their `openapi` method, those of core included, and only those made after it.
import '@hono/zod-openapi';

import type { AddressInfo } from 'node:net';
import { createAdaptorServer, type ServerType } from '@hono/node-server';
import type { Keyring } from '#core/envelope.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import type { AddressPolicy } from '#core/upstream-address.ts';
import type { ArchiveSettings } from '#inference-log/archive/storage.ts';
import type { ClickHouseAddress } from '#inference-log/sinks/clickhouse/address.ts';
import { createCapturedInClickHouse } from '#inference-log/sinks/clickhouse/captured-in-clickhouse.ts';
import { createClickHouseLogRows } from '#inference-log/sinks/clickhouse/rows/log-rows.ts';
import { createClickHouseRolloutPast } from '#inference-log/sinks/clickhouse/rows/rollout-past.ts';
import { labelDelays } from '#store/feedback.ts';
import { createPool } from '#store/pool.ts';
import { POSTGRES_LOG_ROWS, POSTGRES_ROLLOUT_PAST } from '#store/postgres-log-rows.ts';
import { createAuthenticator } from './access/authenticate.ts';
import { type Clock, systemClock } from './clock.ts';
import { type Entropy, systemEntropy } from './entropy.ts';
import { createGroups } from './groups/groups.ts';
import { type JobTimes, startLeader } from './jobs/leader.ts';
import { createKeys } from './keys/keys.ts';
import { createChanges } from './publish/change.ts';
import { createAnswerMemory } from './publish/idempotency.ts';
import { createServedWaiter } from './publish/served.ts';
import { createModels } from './registry/models.ts';
import { createProviders } from './registry/providers.ts';
import { createFreezeWindows } from './rollout/freeze-windows.ts';
import { createRolloutOrders } from './rollout/order-calls.ts';
import { createRollouts } from './rollout/rollouts.ts';
import { createApp } from './server.ts';

export interface ControlPlaneSettings {
  readonly databaseUrl: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly keyring: Keyring;
  /** Of the digests of admin tokens and API keys. */
  readonly pepper: Uint8Array;
  /** Which private addresses providers may point to. */
  readonly privateUpstreams: AddressPolicy;
  /** How long a change waits for the live gateways to serve it; 1000 if left out. */
  readonly servedWaitMs?: number | undefined;
  readonly maxConnections?: number | undefined;
  /** Where the gateway answers, for groups that judge mirrored calls; http://127.0.0.1:8080 if left out. */
  readonly gatewayUrl?: string | undefined;
  /** Where partitions go before retention drops them; undefined: those of groups that want it stay. */
  readonly archive?: ArchiveSettings | undefined;
  /** Where the log's rows are, if not in PostgreSQL. */
  readonly clickhouse?: ClickHouseAddress | undefined;
  /** How many days after its end an experiment keeps what it knows by unit, at least; 30 if left out. */
  readonly experimentUnitDays?: number | undefined;
  /** How often background jobs are done, where it differs from the defaults of jobs/leader.ts. */
  readonly jobTimes?: Partial<JobTimes> | undefined;
  readonly log: (line: string) => void;
  readonly entropy?: Entropy | undefined;
  readonly clock?: Clock | undefined;
}

export interface ControlPlane {
  readonly host: string;
  readonly port: number;
  /** Stops listening, lets requests under way end for a moment, and lets go of the database. */
  stop(): Promise<void>;
}

const DEFAULT_GATEWAY_URL = 'http://127.0.0.1:8080';
const DEFAULT_SERVED_WAIT_MS = 1_000;
const DEFAULT_EXPERIMENT_UNIT_DAYS = 30;
const DEFAULT_CONNECTIONS = 10;
/** A query without an answer by then is an outage: the caller gets its 503. */
const QUERY_TIMEOUT_MS = 10_000;
/** For one question of a start to ClickHouse; the longer ones are the leader's to ask. */
const START_READ_MS = 5_000;
/** How long a stop waits for the database. */
const GOODBYE_MS = 2_000;
const STOP_GRACE_MS = 2_000;
const SERVER_LIMITS = {
  requestTimeout: 30_000,
  headersTimeout: 10_000,
  maxHeaderSize: 16_384,
  keepAliveTimeout: 65_000,
};

/**
 * Starts the control plane. The database may be out at this moment: requests then get a 503.
 * Rejects, with the system's error, when the port cannot be had.
 */
export async function startControlPlane(settings: ControlPlaneSettings): Promise<ControlPlane> {
  const { databaseUrl, keyring, pepper, privateUpstreams, log } = settings;
  const entropy = settings.entropy ?? systemEntropy;
  const clock = settings.clock ?? systemClock;
  const db = createPool({
    databaseUrl,
    role: 'application',
    maxConnections: settings.maxConnections ?? DEFAULT_CONNECTIONS,
    applicationName: 'ringside control-plane',
    queryTimeoutMs: QUERY_TIMEOUT_MS,
    onConnectionError: (error) => log(`a database connection broke: ${error.message}`),
  });
  const waitMs = settings.servedWaitMs ?? DEFAULT_SERVED_WAIT_MS;
  const waiter = createServedWaiter({ db, databaseUrl, waitMs, log });
  const { clickhouse } = settings;
  const rowsElsewhere = clickhouse && createClickHouseLogRows(clickhouse);
  const inferencesElsewhere = clickhouse && createCapturedInClickHouse(clickhouse);
  const pastElsewhere =
    clickhouse &&
    createClickHouseRolloutPast({ address: clickhouse, limitMs: START_READ_MS, nowMs: () => clock.nowMs() });
  const [logRows, past] = [rowsElsewhere ?? POSTGRES_LOG_ROWS, pastElsewhere ?? POSTGRES_ROLLOUT_PAST];
  // A database that is frozen must not keep the process.
  const goodbye = () => new Promise<void>((done) => setTimeout(done, GOODBYE_MS));
  const release = () => {
    for (const elsewhere of [rowsElsewhere, inferencesElsewhere, pastElsewhere]) elsewhere?.close();
    return Promise.race([waiter.stop().then(() => db.destroy()), goodbye()]);
  };
  const app = createApp({
    db,
    authenticator: createAuthenticator({ db, pepper }),
    changes: createChanges({ db, memory: createAnswerMemory({ keyring, entropy }), waiter }),
    providers: createProviders({ keyring, entropy, clock, privateUpstreams }),
    models: createModels({ entropy, clock }),
    groups: createGroups({ entropy, clock, policy: privateUpstreams }),
    keys: createKeys({ pepper, entropy, clock }),
    ...{ experiments: { lookAt, labelDelays, clock, logRows }, logRows, inferencesElsewhere },
    rollouts: createRollouts({ keyring, entropy, clock, policy: privateUpstreams, past }),
    rolloutOrders: createRolloutOrders({ clock, policy: privateUpstreams, past }),
    freezeWindows: createFreezeWindows({ entropy, clock }),
    evaluatorAccess: { keyring, pepper, entropy },
    entropy,
    clock,
    log,
  });
  const server = createAdaptorServer({ fetch: app.fetch, serverOptions: SERVER_LIMITS });
  try {
    const { address, port } = await listenOn(server, settings.host, settings.port);
    const stopJobs = startLeader({
      ...{ databaseUrl, keyring, pepper, privateUpstreams, entropy, clock, log },
      gatewayUrl: settings.gatewayUrl ?? DEFAULT_GATEWAY_URL,
      experimentUnitDays: settings.experimentUnitDays ?? DEFAULT_EXPERIMENT_UNIT_DAYS,
      ...{ archive: settings.archive, clickhouse, times: settings.jobTimes ?? {} },
    });
    const stop = async () => {
      await closeServer(server);
      await Promise.all([release(), Promise.race([stopJobs(), goodbye()])]);
    };
    return { host: address, port, stop };
  } catch (error) {
    await release();
    throw error;
  }
}

function listenOn(server: ServerType, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

function closeServer(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    const closing = 'closeAllConnections' in server ? server : undefined;
    const deadline = setTimeout(() => closing?.closeAllConnections(), STOP_GRACE_MS);
    server.close(() => {
      clearTimeout(deadline);
      resolve();
    });
    closing?.closeIdleConnections();
  });
}
