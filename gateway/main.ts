import { randomUUID } from 'node:crypto';
import { closeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { within } from '#inference-log/timing.ts';
import { reportLedgers } from '#store/gateway-ledgers.ts';
import { reportGateway, stopGateway } from '#store/gateways.ts';
import { createPool } from '#store/pool.ts';
import { type BootedWorker, bootWorkers, endWorkers } from './boot.ts';
import { createHeartbeat } from './heartbeat.ts';
import { createLedgerReport } from './ledger-report.ts';
import { adoptListener, bindListener, type Listener, type TcpHandle } from './listener.ts';
import type { GatewaySettings } from './settings.ts';
import { createShipperThread, type ShipperThread } from './shipper-thread.ts';
import { type ConfigSync, startConfigSync } from './snapshot/sync.ts';
import { writeExposition } from './telemetry/exposition.ts';
import { utilisationOf } from './telemetry/layout.ts';
import { ledgersOf } from './telemetry/ledger.ts';
import { startMetricsServer } from './telemetry/metrics-server.ts';
import { createSeriesRegistry, type SeriesRegistry } from './telemetry/series.ts';
import { createUndo, type Undo } from './undo.ts';
import { startWorkerPool, type WorkerPool } from './worker-pool.ts';

/** A running gateway process. */
export interface Gateway {
  readonly host: string;
  readonly port: number;
  readonly metricsPort: number;
  /** Stops accepting, finishes what is under way within the drain limit, ships what the store takes. */
  stop(): Promise<void>;
}

/** Bound sockets that a gateway takes over from the process that started it. */
export interface InheritedSockets {
  readonly gateway: TcpHandle;
  readonly metrics: TcpHandle;
}

/** What the parts of a start share. */
interface Start {
  readonly settings: GatewaySettings;
  readonly log: (line: string) => void;
  readonly undo: Undo;
  readonly inherited: InheritedSockets | undefined;
  readonly gatewayId: string;
  readonly startedAt: Date;
  readonly series: SeriesRegistry;
  /** Null until they listen. */
  workers: WorkerPool | null;
  /** How many were opened: one a worker, and one more for each that was replaced. */
  spools: number;
}

/** How long a stop waits for the database beside the drain limit. */
const GOODBYE_MS = 2_000;
/** How long a stop waits for the store to take the rest of the spool; what is left is shipped by the next start. */
const SHIP_AT_STOP_MS = 5_000;

/**
 * Starts the data plane of one process: binds, loads the configuration, starts workers and shipper. `booted`: threads that
 * are loading already, one for each worker. `inherited`: sockets to serve on instead of binding the addresses. A start that fails
 * leaves nothing behind, those threads included.
 * @throws AddressInUseError for the gateway's address; an error with code EADDRINUSE for the metrics address
 */
export async function startGateway(
  settings: GatewaySettings,
  log: (line: string) => void,
  booted: readonly BootedWorker[] = bootWorkers(settings.workers),
  inherited?: InheritedSockets,
): Promise<Gateway> {
  const undo = createUndo(log);
  undo.add(() => endWorkers(booted));
  const series = createSeriesRegistry();
  const start: Start = {
    ...{ settings, log, undo, inherited, series, gatewayId: randomUUID(), startedAt: new Date() },
    ...{ workers: null, spools: 0 },
  };
  try {
    return await startParts(start, booted);
  } catch (error) {
    await undo.run();
    throw error;
  }
}

async function startParts(start: Start, booted: readonly BootedWorker[]): Promise<Gateway> {
  const { settings, log, undo, gatewayId, inherited } = start;
  const { host, metricsHost } = settings;
  const listener = inherited === undefined ? bindListener(host, settings.port) : adoptListener(inherited.gateway, host);
  undo.add(listener.close);
  // Before anybody is accepted, who would be cut off if this address were taken.
  const exposition = Promise.withResolvers<() => string>();
  const metricsAddress = inherited?.metrics ?? { host: metricsHost, port: settings.metricsPort };
  const metrics = await startMetricsServer(metricsAddress, exposition.promise);
  undo.add(metrics.stop);
  const spoolRoot = join(settings.dataFolder, 'spool');
  await mkdir(spoolRoot, { recursive: true, mode: 0o700 });
  const takeDescriptors = openDescriptors(listener, settings.workers, undo);
  const { config, heartbeat } = await followConfig(start);
  const shipper = createShipperThread({
    ...{ databaseUrl: settings.databaseUrl, spoolRoot, gatewayId, log },
    maxSpoolBytes: settings.maxSpoolBytes / settings.workers,
    shipAfterMs: settings.shipAfterMs,
    clickhouse: settings.clickhouse,
  });
  undo.add(() => shipper.stop(SHIP_AT_STOP_MS));
  const workers = await startWorkerPool({
    ...{ settings, gatewayId, listener, config, booted, log },
    descriptors: await takeDescriptors(),
    onSpool: (spoolId, hold) => {
      start.spools++;
      shipper.addSpool(spoolId, hold);
    },
    onServing: () => {
      if (start.workers !== null && start.workers.servedVersion() >= config.current().version) heartbeat.soon();
    },
  });
  undo.add(() => workers.stop(settings.drainMs));
  start.workers = workers;
  // After the workers, so that it does not load while they do.
  shipper.start(workers.cells.map(utilisationOf));
  heartbeat.start();
  // What arrived while the workers started.
  const { version, snapshots, keys } = config.current();
  workers.broadcast({ type: 'keys', keys });
  workers.broadcast({ type: 'snapshots', version, snapshots });
  exposition.resolve(() => expose(start, workers, config, shipper));
  return {
    ...{ host, port: listener.port, metricsPort: metrics.port },
    async stop() {
      listener.close(); // first, so that no connection waits for workers which drain
      // A scrape is the successor's, which listens on the same socket.
      if (inherited !== undefined) await metrics.stop();
      await undo.run();
    },
  };
}

/** Descriptors for the workers, opened beside the rest of the start. Until they are taken they are the start's to close. */
function openDescriptors(listener: Listener, count: number, undo: Undo): () => Promise<number[]> {
  const opening = listener.duplicate(count);
  const opened = opening.catch((): number[] => []); // who takes them hears of a failure
  let taken = false;
  undo.add(async () => {
    if (!taken) for (const descriptor of await opened) closeSync(descriptor);
  });
  return () => {
    taken = true;
    return opening;
  };
}

/** What speaks with the database from the main thread: the configuration comes in, what is served goes out. */
async function followConfig(start: Start) {
  const { settings, log, undo, gatewayId, series } = start;
  const { databaseUrl, release } = settings;
  // A database that is frozen must not keep the process: the row in `gateways` goes stale by itself.
  const goodbye = createUndo(log);
  undo.add(() => within(GOODBYE_MS, goodbye.run()));
  const db = createPool({
    ...{ databaseUrl, role: 'gateway', maxConnections: 2, applicationName: 'ringside gateway', queryTimeoutMs: 5_000 },
    onConnectionError: () => undefined, // the sync reports outages
  });
  goodbye.add(() => db.destroy());
  const ledgerReport = createLedgerReport(
    () => ledgersOf(start.workers?.cells ?? [], series.groupIds),
    (moved) => reportLedgers(db, gatewayId, start.spools, moved),
  );
  const heartbeat = createHeartbeat(async () => {
    const snapshotVersion = Math.min(start.workers!.servedVersion(), config.servedVersion);
    await reportGateway(db, {
      ...{ id: gatewayId, host: hostname(), pid: process.pid, release, startedAt: start.startedAt },
      ...{ workers: settings.workers, snapshotVersion, keyVersion: config.keyVersion },
    });
    await ledgerReport.tell();
  });
  const config: ConfigSync = await startConfigSync({
    ...{ db, databaseUrl, series, log, keyring: settings.keyring, timeouts: settings.timeouts },
    folder: join(settings.dataFolder, 'gateway'),
    monotonicMs: () => performance.now(),
    onSnapshots: (version, snapshots) => start.workers?.broadcast({ type: 'snapshots', version, snapshots }),
    onKeyTable: (keys) => start.workers?.broadcast({ type: 'keys', keys }),
    onKeys: () => heartbeat.soon(),
  });
  goodbye.add(() => config.stop());
  goodbye.add(async () => {
    await heartbeat.stop();
    if (start.workers === null) return;
    await ledgerReport.tell().catch(() => undefined); // the last figures: the workers have ended
    await stopGateway(db, gatewayId);
  });
  return { config, heartbeat };
}

function expose(start: Start, workers: WorkerPool, config: ConfigSync, shipper: ShipperThread): string {
  return writeExposition({
    workers: workers.cells,
    series: start.series.labels,
    snapshotVersion: Math.min(workers.servedVersion(), config.servedVersion),
    keyVersion: config.keyVersion,
    configSyncAgeS: config.ageS(),
    snapshotsRefused: config.refused,
    workerRestarts: workers.restarts,
    groupIds: start.series.groupIds,
    ledger: shipper.totals(),
    backlogBytes: shipper.backlogBytes(),
    feedbackLost: shipper.feedbackLost(),
    residentBytes: process.memoryUsage.rss(),
    uptimeS: process.uptime(),
    release: start.settings.release,
  });
}
