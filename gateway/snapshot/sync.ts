import { join } from 'node:path';
import type { Keyring } from '#core/envelope.ts';
import { snapshotSchema } from '#core/snapshot/schema.ts';
import { keysSince } from '#store/keys.ts';
import { listen } from '#store/notifications.ts';
import type { Db } from '#store/pool.ts';
import { newestVersions, type PublishedSnapshot, snapshotsSince } from '#store/snapshots.ts';
import type { DefaultTimeouts } from '../providers/provider.ts';
import { NONE, seriesKey } from '../telemetry/layout.ts';
import type { SeriesRegistry } from '../telemetry/series.ts';
import { bindOrganization, type SnapshotDelivery } from './bind.ts';
import { readCopy, writeCopy } from './disk-copy.ts';
import { createKeyTable, type KeyChange, type KeyTableBuffers, type KeyTableWriter } from './key-table.ts';

/**
 * Keeps a gateway's configuration current, on the main thread: nudged by LISTEN, checked by polling, taken from the last
 * good copy on disk while the database is away.
 *
 *   empty ──copy on disk──▶ stale ──database──▶ current ──silent for STALE_AFTER_MS──▶ stale
 */
export interface ConfigSync {
  /** Everything a new worker needs. */
  current(): {
    readonly version: number;
    readonly snapshots: readonly SnapshotDelivery[];
    readonly keys: KeyTableBuffers;
  };
  /** Newest version whose predecessors are all served or superseded: what may be reported as served. */
  readonly servedVersion: number;
  readonly keyVersion: number;
  readonly refused: number;
  /** Seconds since the database last confirmed the configuration. */
  ageS(): number;
  groupLabels(groupId: string): { readonly organization: string; readonly group: string } | undefined;
  stop(): Promise<void>;
}

export interface ConfigSyncDeps {
  readonly db: Db;
  readonly databaseUrl: string;
  readonly folder: string;
  readonly keyring: Keyring;
  readonly timeouts: DefaultTimeouts;
  readonly series: SeriesRegistry;
  readonly monotonicMs: () => number;
  readonly onSnapshots: (version: number, snapshots: readonly SnapshotDelivery[]) => void;
  /** The key table was replaced by a bigger one. */
  readonly onKeyTable: (keys: KeyTableBuffers) => void;
  /** Keys changed in place. */
  readonly onKeys: () => void;
  readonly log: (line: string) => void;
}

const POLL_MS = 2_000;
const LISTEN_RETRY_MS = 1_000;
/** After this long without the database an unknown key may only be one that has not arrived. */
const STALE_AFTER_MS = 10_000;

interface StoredConfig {
  readonly snapshots: readonly PublishedSnapshot[];
  readonly keys: readonly (Omit<KeyChange, 'digest'> & { readonly digest: string })[];
}

/** Loads what there is (database first, else the copy on disk), then follows. Resolves when the first attempt is over. */
export async function startConfigSync(deps: ConfigSyncDeps): Promise<ConfigSync> {
  const copyPath = join(deps.folder, 'last-good-config');
  const deliveries = new Map<string, SnapshotDelivery>();
  const published = new Map<string, PublishedSnapshot>();
  const refusedVersions = new Map<string, number>();
  const keys = new Map<string, KeyChange>();
  const labelsOfGroup = new Map<string, { organization: string; group: string }>();
  let table: KeyTableWriter = createKeyTable(0);
  let version = 0;
  let keyVersion = 0;
  let refused = 0;
  let confirmedAt = Number.NEGATIVE_INFINITY;
  let outage = false;

  /** Checks one document as a worker would; false keeps the one before. */
  const admitSnapshot = (snapshot: PublishedSnapshot): boolean => {
    try {
      const document = snapshotSchema.parse(snapshot.document);
      const series = new Map<string, number>();
      const name = document.organizationName;
      const modelNames = new Map(document.models.map((model) => [model.id, model.name]));
      const register = (group: string, variant: string) => {
        const labels = { organization: name, group, variant };
        series.set(seriesKey(labels), deps.series.numberOf(labels));
      };
      const delivery = { version: snapshot.version, document, series };
      bindOrganization(delivery, deps.keyring, deps.timeouts);
      register(NONE, NONE);
      for (const group of document.groups) {
        labelsOfGroup.set(group.id, { organization: name, group: group.name });
        register(group.name, NONE);
        for (const variant of group.variants) register(group.name, modelNames.get(variant.modelId)!);
      }
      deliveries.set(snapshot.organizationId, delivery);
      published.set(snapshot.organizationId, snapshot);
      refusedVersions.delete(snapshot.organizationId);
      return true;
    } catch (error) {
      refused++;
      refusedVersions.set(snapshot.organizationId, snapshot.version);
      const reason = error instanceof Error ? error.message : String(error);
      deps.log(`snapshot ${snapshot.version} refused, the one before stays: ${reason}`);
      return false;
    }
  };

  const applySnapshots = (found: readonly PublishedSnapshot[]) => {
    const admitted = found.filter(admitSnapshot);
    version = Math.max(version, ...found.map((snapshot) => snapshot.version));
    if (found.length > 0) {
      deps.onSnapshots(
        version,
        admitted.map((snapshot) => deliveries.get(snapshot.organizationId)!),
      );
    }
    return found.length > 0;
  };

  const applyKeys = (changes: readonly KeyChange[]) => {
    let full = false;
    for (const change of changes) {
      const id = Buffer.from(change.digest).toString('hex');
      if (change.deleted) keys.delete(id);
      else keys.set(id, change);
      full = !table.apply(change) || full;
    }
    if (full) {
      const bigger = createKeyTable(keys.size, table.buffers.status);
      for (const key of keys.values()) bigger.apply(key);
      table = bigger;
      deps.onKeyTable(table.buffers);
    }
  };

  /** Of a database that was replaced: a key that is in both goes on working without a gap. */
  const forgetKeysNotIn = (changes: readonly KeyChange[]) => {
    const present = new Set(changes.map((change) => Buffer.from(change.digest).toString('hex')));
    applyKeys([...keys].filter(([id]) => !present.has(id)).map(([, key]) => ({ ...key, deleted: true })));
  };

  const saveCopy = () =>
    writeCopy(copyPath, {
      snapshots: [...published.values()],
      keys: [...keys.values()].map((key) => ({ ...key, digest: Buffer.from(key.digest).toString('base64') })),
    } satisfies StoredConfig);

  const fetchChanges = async () => {
    const latest = await newestVersions(deps.db);
    const replaced = latest.snapshot < version || latest.keys < keyVersion;
    if (replaced) {
      deps.log('the database is older than this configuration (restored or replaced); loading it from the start');
      version = 0;
      keyVersion = 0;
    }
    let changed = false;
    if (latest.snapshot > version) changed = applySnapshots(await snapshotsSince(deps.db, version));
    if (latest.keys > keyVersion || replaced) {
      const changes = (await keysSince(deps.db, keyVersion)).map((change) => ({
        ...change,
        expiresAt: change.expiresAt?.getTime() ?? null,
      }));
      if (replaced) forgetKeysNotIn(changes);
      applyKeys(changes);
      keyVersion = Math.max(keyVersion, ...changes.map((change) => change.keyVersion));
      deps.onKeys();
      changed = true;
    }
    confirmedAt = deps.monotonicMs();
    table.setCurrent(true);
    if (outage) deps.log('the database is back');
    outage = false;
    if (changed) await saveCopy();
  };

  let running: Promise<void> | null = null;
  let again = false;
  const sync = (): Promise<void> => {
    if (running !== null) {
      again = true;
      return running;
    }
    running = fetchChanges()
      .catch((error: unknown) => {
        if (!outage) deps.log(`the configuration cannot be read, serving the last good one: ${reasonOf(error)}`);
        outage = true;
        if (deps.monotonicMs() - confirmedAt > STALE_AFTER_MS) table.setCurrent(false);
      })
      .finally(() => {
        running = null;
        if (!again) return;
        again = false;
        void sync();
      });
    return running;
  };

  await sync();
  if (outage) await loadCopy();
  const timer = setInterval(() => void sync(), POLL_MS);
  const unlisten = listen({
    databaseUrl: deps.databaseUrl,
    role: 'gateway',
    channels: ['config', 'keys'],
    onNudge: () => void sync(),
    onConnected: () => void sync(),
    retryMs: LISTEN_RETRY_MS,
  });

  async function loadCopy(): Promise<void> {
    const copy = await readCopy(copyPath);
    if (copy.kind === 'torn') deps.log(`the last good configuration is not usable: ${copy.reason}`);
    if (copy.kind !== 'good') return;
    const stored = copy.value as StoredConfig;
    applySnapshots(stored.snapshots);
    applyKeys(stored.keys.map((key) => ({ ...key, digest: Buffer.from(key.digest, 'base64') })));
    // Versions stay at 0: what the database has is read whole when it is back.
    deps.log(`serving configuration ${version} from ${copyPath}`);
    version = 0;
  }

  return {
    current: () => ({ version, snapshots: [...deliveries.values()], keys: table.buffers }),
    get servedVersion() {
      return Math.min(version, ...[...refusedVersions.values()].map((refusedVersion) => refusedVersion - 1));
    },
    get keyVersion() {
      return keyVersion;
    },
    get refused() {
      return refused;
    },
    ageS: () => (deps.monotonicMs() - confirmedAt) / 1000,
    groupLabels: (groupId) => labelsOfGroup.get(groupId),
    async stop() {
      clearInterval(timer);
      await unlisten();
      await running;
    },
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
