import { reasonOf } from '#core/reason.ts';
import { migrate, pendingMigrations } from '#store/migrate.ts';
import { createLog, print } from './output.ts';
import { runService } from './service.ts';
import { requireStandalone, type Settings, SettingsError } from './settings.ts';
import { namingAddress } from './start-failure.ts';
import { UsageError } from './usage-error.ts';

/** `ringside gateway`: serves from its last good configuration even when the database is away. */
export async function gateway(settings: Settings, release: string, argument?: string): Promise<void> {
  const { databaseUrl, keyring, pepper } = requireStandalone(settings);
  const sockets = await inheritedSockets(argument);
  await runService('gateway', async (log) => {
    const { bootWorkers } = await import('#gateway/boot.ts');
    const booted = bootWorkers(settings.workers);
    const { startGateway } = await import('#gateway/main.ts');
    const start = () =>
      namingAddress(settings.metrics, () =>
        startGateway(
          {
            release,
            databaseUrl,
            clickhouse: settings.clickhouse,
            host: settings.gateway.host,
            port: settings.gateway.port,
            metricsHost: settings.metrics.host,
            metricsPort: settings.metrics.port,
            workers: settings.workers,
            dataFolder: settings.dataFolder,
            keyring,
            pepper,
            privateUpstreams: settings.privateUpstreams ?? '',
            maxConnections: settings.maxConnections,
            maxBodyBytes: settings.maxBodyBytes,
            maxHeldBodyBytes: settings.maxHeldBodyBytes,
            maxSpoolBytes: settings.maxSpoolBytes,
            feedbackPerMinute: settings.feedbackPerMinute,
            shipAfterMs: settings.shipAfterMs,
            drainMs: settings.drainMs,
            timeouts: settings.timeouts,
          },
          log,
          booted,
          sockets,
        ),
      );
    const started = await namingAddress(settings.gateway, start, ({ name }) => name === 'AddressInUseError');
    const { host, port, metricsPort } = started;
    return { ready: `serving on http://${host}:${port}, metrics on port ${metricsPort}`, stop: () => started.stop() };
  });
}

/** Undefined unless a keeper hands them over. */
async function inheritedSockets(argument: string | undefined) {
  if (argument === undefined) return undefined;
  const { INHERIT, receiveSockets } = await import('./keeper.ts');
  if (argument === INHERIT && process.send !== undefined) return receiveSockets();
  throw new UsageError(`gateway takes no argument "${argument}"; settings come from the environment`);
}

/** `ringside control-plane`. */
export async function controlPlane(settings: Settings): Promise<void> {
  const { databaseUrl, keyring, pepper } = requireStandalone(settings);
  await runService('control-plane', async (log) => {
    await requireSchema(databaseUrl);
    const { startControlPlane } = await import('#control-plane/main.ts');
    const { parseAddressPolicy } = await import('#core/upstream-address.ts');
    const started = await namingAddress(settings.control, () =>
      startControlPlane({
        databaseUrl,
        host: settings.control.host,
        port: settings.control.port,
        keyring,
        pepper,
        privateUpstreams: parseAddressPolicy(settings.privateUpstreams ?? ''),
        servedWaitMs: settings.servedWaitMs,
        experimentUnitDays: settings.experimentUnitDays,
        archive: settings.archive,
        clickhouse: settings.clickhouse,
        gatewayUrl: settings.gatewayUrl,
        log,
      }),
    );
    return { ready: `control API on http://${started.host}:${started.port}`, stop: () => started.stop() };
  });
}

/** @throws SettingsError when the schema is not up to date */
export async function requireSchema(databaseUrl: string): Promise<void> {
  const pending = await pendingMigrations(databaseUrl);
  if (pending.length > 0) {
    throw new SettingsError(`the database lacks ${pending.join(', ')}; run: ringside migrate`);
  }
}

/** `ringside migrate`. */
export async function migrateDatabase(settings: Settings): Promise<void> {
  if (settings.databaseUrl === undefined) throw new SettingsError('DATABASE_URL is not set');
  const applied = [...(await migrate(settings.databaseUrl)), ...(await migrateLogStore(settings))];
  print(applied.length === 0 ? 'the schema is up to date' : `applied ${applied.join(', ')}`);
}

/** The tables of the log in ClickHouse, where it is used. */
export async function migrateLogStore(settings: Settings): Promise<string[]> {
  const { clickhouse, clickhouseRetentionDays } = settings;
  if (clickhouse === undefined) return [];
  const { migrateClickHouse } = await import('#inference-log/sinks/clickhouse/migrate.ts');
  try {
    const applied = await migrateClickHouse({ address: clickhouse, retentionDays: clickhouseRetentionDays });
    return applied.map((name) => `clickhouse/${name}`);
  } catch (error) {
    throw new SettingsError(`${reasonOf(error)}; check RINGSIDE_CLICKHOUSE_URL`);
  }
}

/** `ringside admin-token`: how an installation gets its first token, and how it gets back in when all are lost. */
export async function adminToken(settings: Settings, organizationName = 'default'): Promise<void> {
  const { databaseUrl, pepper } = requireStandalone(settings);
  await requireSchema(databaseUrl);
  const { createOwner } = await import('#control-plane/access/bootstrap.ts');
  const { createPool } = await import('#store/pool.ts');
  const db = createPool({
    databaseUrl,
    role: 'application',
    maxConnections: 1,
    applicationName: 'ringside admin-token',
  });
  try {
    const owner = await createOwner(db, { organizationName, tokenName: 'command-line', pepper });
    print(owner.adminToken);
  } finally {
    await db.destroy();
  }
}

/** `ringside simulate`. */
export async function simulate(settings: Settings): Promise<void> {
  await runService('simulator', async () => {
    const { runSimulator } = await import('#simulator/main.ts');
    const { host, port } = settings.simulator;
    const stop = await namingAddress(settings.simulator, () =>
      runSimulator({
        host,
        port,
        seed: settings.simulatorSeed,
        behaviours: settings.simulatorModels as NonNullable<Parameters<typeof runSimulator>[0]['behaviours']>,
        log: createLog('simulator'),
      }),
    );
    return { ready: `simulating providers on http://${host}:${port}/v1`, stop };
  });
}
