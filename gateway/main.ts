import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { reportGateway, stopGateway } from '#store/gateways.ts';
import { createPool } from '#store/pool.ts';
import { type BootedWorker, bootWorkers } from './boot.ts';
import { bindListener } from './listener.ts';
import type { GatewaySettings } from './settings.ts';
import { createShipperThread } from './shipper-thread.ts';
import { startConfigSync } from './snapshot/sync.ts';
import { writeExposition } from './telemetry/exposition.ts';
import { startMetricsServer } from './telemetry/metrics-server.ts';
import { createSeriesRegistry } from './telemetry/series.ts';
import { startWorkerPool, type WorkerPool } from './worker-pool.ts';

/** A running gateway process. */
export interface Gateway {
  readonly host: string;
  readonly port: number;
  readonly metricsPort: number;
  /** Stops accepting, finishes what is under way within the drain limit, ships what the store takes. */
  stop(): Promise<void>;
}

const HEARTBEAT_MS = 2_000;
/** How long a stop waits for the database beside that. */
const GOODBYE_MS = 2_000;
/** How long a stop waits for the store to take the rest of the spool; what is left is shipped by the next start. */
const SHIP_AT_STOP_MS = 5_000;

/**
 * Starts the data plane of one process: binds, loads the configuration, starts workers and shipper. `booted`: threads that
 * are loading already, one for each worker.
 * @throws AddressInUseError for the gateway's address; an error with code EADDRINUSE for the metrics address
 */
export async function startGateway(
  settings: GatewaySettings,
  log: (line: string) => void,
  booted: readonly BootedWorker[] = bootWorkers(settings.workers),
): Promise<Gateway> {
  const gatewayId = randomUUID();
  const startedAt = new Date();
  const listener = bindListener(settings.host, settings.port);
  // Meanwhile the configuration is loaded.
  const duplicating = listener.duplicate(settings.workers);
  duplicating.catch(() => undefined); // awaited below
  const spoolRoot = join(settings.dataFolder, 'spool');
  await mkdir(spoolRoot, { recursive: true, mode: 0o700 });
  const { databaseUrl } = settings;
  const pool = {
    databaseUrl,
    role: 'gateway',
    maxConnections: 2,
    applicationName: 'ringside gateway',
    queryTimeoutMs: 5_000,
  } as const;
  const db = createPool({ ...pool, onConnectionError: () => undefined }); // the sync reports outages
  const series = createSeriesRegistry();
  let workers: WorkerPool | null = null;

  const report = async () => {
    const snapshotVersion = Math.min(workers!.servedVersion(), config.servedVersion);
    await reportGateway(db, {
      id: gatewayId,
      host: hostname(),
      pid: process.pid,
      release: settings.release,
      workers: settings.workers,
      snapshotVersion,
      keyVersion: config.keyVersion,
      startedAt,
    });
  };
  let reporting = false;
  let reportAgain = false;
  const reportSoon = (): void => {
    if (workers === null) return;
    if (reporting) {
      reportAgain = true;
      return;
    }
    reporting = true;
    void report()
      .catch(() => undefined) // an outage, which the sync reports; the next heartbeat tries again
      .finally(() => {
        reporting = false;
        if (!reportAgain) return;
        reportAgain = false;
        reportSoon();
      });
  };

  const config = await startConfigSync({
    db,
    databaseUrl,
    folder: join(settings.dataFolder, 'gateway'),
    keyring: settings.keyring,
    timeouts: settings.timeouts,
    series,
    monotonicMs: () => performance.now(),
    onSnapshots: (version, snapshots) => workers?.broadcast({ type: 'snapshots', version, snapshots }),
    onKeyTable: (keys) => workers?.broadcast({ type: 'keys', keys }),
    onKeys: reportSoon,
    log,
  });
  const shipper = createShipperThread({ databaseUrl, spoolRoot, gatewayId, log });
  workers = await startWorkerPool({
    ...{ settings, gatewayId, listener, config, booted },
    descriptors: await duplicating,
    onSpool: shipper.addSpool,
    onServing: () => {
      if (workers !== null && workers.servedVersion() >= config.current().version) reportSoon();
    },
    log,
  });
  // After the workers, so that it does not load while they do.
  shipper.start();
  // What arrived while the workers started.
  const { version, snapshots, keys } = config.current();
  workers.broadcast({ type: 'keys', keys });
  workers.broadcast({ type: 'snapshots', version, snapshots });
  const heartbeat = setInterval(reportSoon, HEARTBEAT_MS);
  const serving = workers;
  const metrics = await startMetricsServer(settings.metricsHost, settings.metricsPort, () =>
    writeExposition({
      workers: serving.cells,
      series: series.labels,
      snapshotVersion: Math.min(serving.servedVersion(), config.servedVersion),
      keyVersion: config.keyVersion,
      configSyncAgeS: config.ageS(),
      snapshotsRefused: config.refused,
      workerRestarts: serving.restarts,
      groupIds: series.groupIds,
      ledger: shipper.totals(),
      backlogBytes: shipper.backlogBytes(),
      residentBytes: process.memoryUsage.rss(),
      uptimeS: process.uptime(),
      release: settings.release,
    }),
  );

  return {
    host: settings.host,
    port: listener.port,
    metricsPort: metrics.port,
    async stop() {
      clearInterval(heartbeat);
      listener.close();
      await serving.stop(settings.drainMs);
      await shipper.stop(SHIP_AT_STOP_MS);
      // A database that is frozen must not keep the process: the row in `gateways` goes stale by itself.
      const goodbye = async () => {
        await config.stop();
        await stopGateway(db, gatewayId);
        await db.destroy();
      };
      await Promise.race([
        goodbye().catch((error: unknown) => log(`did not say goodbye to the database: ${String(error)}`)),
        new Promise((done) => setTimeout(done, GOODBYE_MS)),
      ]);
      await metrics.stop();
    },
  };
}
