import { join } from 'node:path';
import { z } from 'zod';
import type { Keyring } from '#core/envelope.ts';
import { reasonOf } from '#core/reason.ts';
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

const storedConfigSchema = z.object({
  snapshots: z.array(z.object({ version: z.number(), organizationId: z.string(), document: z.unknown() })),
  keys: z.array(
    z.object({
      id: z.string(),
      organizationId: z.string(),
      groupIds: z.array(z.string()).readonly().nullable(),
      defaultUnit: z.string().nullable(),
      expiresAt: z.number().nullable(),
      digest: z.string(),
      deleted: z.boolean(),
    }),
  ),
});

/** Loads what there is (database first, else the copy on disk), then follows. Resolves when the first attempt is over. */
export async function startConfigSync(deps: ConfigSyncDeps): Promise<ConfigSync> {
  const copyPath = join(deps.folder, 'last-good-config');
  const deliveries = new Map<string, SnapshotDelivery>();
  const published = new Map<string, PublishedSnapshot>();
  const refusedVersions = new Map<string, number>();
  const keys = new Map<string, KeyChange>();
  let table: KeyTableWriter = createKeyTable([]);
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
      const register = (group: string, variant: string, groupId?: string) => {
        const labels = { organization: name, group, variant };
        series.set(seriesKey(labels), deps.series.numberOf(labels, groupId));
      };
      const delivery = { version: snapshot.version, document, series };
      const { faults } = bindOrganization(delivery, deps.keyring, deps.timeouts);
      for (const fault of faults) deps.log(`snapshot ${snapshot.version}: ${fault}`);
      register(NONE, NONE);
      for (const group of document.groups) {
        register(group.name, NONE, group.id);
        for (const variant of group.variants) register(group.name, modelNames.get(variant.modelId)!, group.id);
      }
      deliveries.set(snapshot.organizationId, delivery);
      published.set(snapshot.organizationId, snapshot);
      refusedVersions.delete(snapshot.organizationId);
      return true;
    } catch (error) {
      refused++;
      refusedVersions.set(snapshot.organizationId, snapshot.version);
      deps.log(`snapshot ${snapshot.version} refused, the one before stays: ${reasonOf(error)}`);
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
    return admitted.length > 0;
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
      table = createKeyTable([...keys.values()], table.buffers.status);
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
    } satisfies z.input<typeof storedConfigSchema>);

  let copyPending = false;
  const saveCopySoon = async () => {
    try {
      await saveCopy();
      copyPending = false;
    } catch (error) {
      if (!copyPending) deps.log(`the last good configuration cannot be written to ${copyPath}: ${reasonOf(error)}`);
      copyPending = true; // the next poll tries again
    }
  };

  const fetchChanges = async () => {
    const latest = await newestVersions(deps.db);
    const replaced = latest.snapshot < version || latest.keys < keyVersion;
    if (replaced) {
      deps.log('the database is older than this configuration (restored or replaced); loading it from the start');
      version = 0;
      keyVersion = 0;
      refusedVersions.clear();
    }
    let changed = false;
    if (latest.snapshot > version) changed = applySnapshots(await snapshotsSince(deps.db, version));
    // From 0 the load is whole: what it does not list is gone, whoever told us of it.
    const whole = keyVersion === 0 && keys.size > 0;
    if (latest.keys > keyVersion || whole) {
      const changes = (await keysSince(deps.db, keyVersion)).map((change) => ({
        ...change,
        expiresAt: change.expiresAt?.getTime() ?? null,
      }));
      if (whole) forgetKeysNotIn(changes);
      applyKeys(changes);
      keyVersion = Math.max(keyVersion, ...changes.map((change) => change.keyVersion));
      deps.onKeys();
      changed = true;
    }
    confirmedAt = deps.monotonicMs();
    table.setCurrent(true);
    if (outage) deps.log('the database is back');
    outage = false;
    if (changed || copyPending) await saveCopySoon();
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
        // From here on an unknown key may only be one that has not arrived.
        table.setCurrent(false);
      })
      .finally(() => {
        running = null;
        if (!again) return;
        again = false;
        void sync();
      });
    return running;
  };

  /** Takes what the last run left, so that a refusal or an outage at the start has something to stay with. */
  async function loadCopy(): Promise<void> {
    const copy = await readCopy(copyPath);
    if (copy.kind === 'none') return;
    const stored = copy.kind === 'good' ? storedConfigSchema.safeParse(copy.value) : undefined;
    if (stored === undefined || !stored.success) {
      const reason = copy.kind === 'torn' ? copy.reason : `${copyPath} is of another release`;
      return deps.log(`the last good configuration is not usable: ${reason}`);
    }
    // Also what does not open today (other keys, for a while) stays the last good copy until something replaces it.
    for (const snapshot of stored.data.snapshots) published.set(snapshot.organizationId, snapshot);
    applySnapshots(stored.data.snapshots);
    applyKeys(stored.data.keys.map((key) => ({ ...key, digest: Buffer.from(key.digest, 'base64') })));
    refusedVersions.clear();
    copiedVersion = version;
    // The copy may be of another database: what this one has is read whole.
    version = 0;
  }

  let copiedVersion = 0;
  await loadCopy();
  await sync();
  if (outage && copiedVersion > 0) {
    version = copiedVersion;
    deps.log(`serving configuration ${version} from ${copyPath}`);
  }
  const timer = setInterval(() => {
    // Whatever has become of a sync that is under way: a frozen database does not answer and does not fail.
    if (deps.monotonicMs() - confirmedAt > STALE_AFTER_MS) table.setCurrent(false);
    void sync();
  }, POLL_MS);
  const unlisten = listen({
    databaseUrl: deps.databaseUrl,
    role: 'gateway',
    channels: ['config', 'keys'],
    onNudge: () => void sync(),
    onConnected: () => void sync(),
    retryMs: LISTEN_RETRY_MS,
  });

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
    async stop() {
      clearInterval(timer);
      await unlisten();
      await running;
    },
  };
}
