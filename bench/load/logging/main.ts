import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { parseSettings, requireStandalone, type Settings } from '#cli/settings.ts';
import { createRandomPool } from '#core/ids.ts';
import { snapshotSchema } from '#core/snapshot/schema.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { createAuthenticator } from '#gateway/flow/authenticate.ts';
import { createBodyPool } from '#gateway/flow/body-pool.ts';
import { createRequestHandler } from '#gateway/flow/handle-request.ts';
import type { BodyBudget } from '#gateway/flow/ports.ts';
import { SignsOfLife } from '#gateway/flow/signs-of-life.ts';
import { createPending } from '#gateway/pending.ts';
import { planScans } from '#gateway/scan-plans.ts';
import { createGatewayServer } from '#gateway/server.ts';
import { bindOrganization } from '#gateway/snapshot/bind.ts';
import { readCopy } from '#gateway/snapshot/disk-copy.ts';
import { createKeyTable, type KeyChange, readKeyTable } from '#gateway/snapshot/key-table.ts';
import { createClock } from '#gateway/telemetry/clock.ts';
import { allocateCells } from '#gateway/telemetry/layout.ts';
import { createRecorder } from '#gateway/telemetry/recorder.ts';
import { createUpstreamPools } from '#gateway/upstream/pools.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { NO_MIRRORS } from '#tests/support/no-mirrors.ts';
import { NO_TOKENS } from '#tests/support/no-tokens.ts';
import { createDroppingSpool } from './dropping-spool.ts';

/**
 * A serving thread alone, for P11: the request handler, server and upstream pools of gateway/worker.ts on a fixed
 * configuration (the last good copy of a gateway), with a spool that writes or one that drops everything. There is no
 * shipper, no configuration sync, no metrics server and no measuring of the event loop in this process.
 * `main.ts written|dropped <last-good-config>`, settings from the environment as for `ringside gateway`.
 */
interface Task {
  readonly spool: 'written' | 'dropped';
  readonly copyPath: string;
}

type Secrets = Pick<Settings, 'timeouts'> & ReturnType<typeof requireStandalone>;

interface Copy {
  readonly snapshots: readonly { readonly version: number; readonly document: unknown }[];
  readonly keys: readonly (Omit<KeyChange, 'digest'> & { readonly digest: string })[];
}

if (isMainThread) {
  const [spool, copyPath] = process.argv.slice(2);
  if ((spool !== 'written' && spool !== 'dropped') || copyPath === undefined)
    throw new Error('usage: main.ts written|dropped <last-good-config>');
  new Worker(new URL(import.meta.url), { workerData: { spool, copyPath } satisfies Task, name: 'gateway-0' });
} else await serve(workerData as Task);

async function serve(task: Task): Promise<void> {
  const parsed = parseSettings(process.env);
  const settings = { ...parsed, ...requireStandalone(parsed) };
  const { organizations, keys } = await loadCopy(task.copyPath, settings);
  const clock = createClock();
  const onDefect = (error: unknown) => void process.stderr.write(`defect: ${String(error)}\n`);
  const authenticator = createAuthenticator(() => keys, settings.pepper, clock.unixMs);
  const spool =
    task.spool === 'dropped'
      ? createDroppingSpool()
      : await createSpoolWriter({
          root: join(settings.dataFolder, 'spool'),
          gatewayId: randomUUID(),
          maxSpoolBytes: settings.maxSpoolBytes,
          nowMs: clock.unixMs,
          randomId: randomUUID,
          onAlarm: (code, message) => onDefect(`${code}: ${message}`),
        });
  const handleRequest = createRequestHandler({
    clock,
    random: createRandomPool(),
    authenticator,
    organizations: () => organizations,
    scanPlans: planScans(),
    mirrors: NO_MIRRORS,
    signsOfLife: new SignsOfLife(),
    upstream: createUpstreamPools({
      policy: parseAddressPolicy(settings.privateUpstreams ?? ''),
      nowMs: () => clock.nowNs() / 1e6,
    }),
    tokens: NO_TOKENS,
    spool,
    recorder: createRecorder(allocateCells()),
    pending: createPending(),
    bodyBudget: createBodyBudget(settings.maxHeldBodyBytes),
    bodyPool: createBodyPool(16 * 1024 * 1024),
    maxBodyBytes: settings.maxBodyBytes,
    stalledReaderMs: 60_000,
    onDefect,
  });
  const { maxConnections } = settings;
  createGatewayServer({
    handleFeedback: (_, outgoing) => void outgoing.destroy(),
    ...{ handleRequest, authenticator, maxConnections, onDefect },
    organizations: () => organizations,
    upgrades: { handle: (_incoming, socket) => void socket.destroy() },
    isReady: () => true,
    release: '0',
  }).listen(settings.gateway.port, settings.gateway.host);
}

async function loadCopy(path: string, settings: Secrets) {
  const copy = await readCopy(path);
  if (copy.kind !== 'good') throw new Error(`${path} is no last good configuration: ${copy.kind}`);
  const { snapshots, keys } = copy.value as Copy;
  const bound = snapshots.map(({ version, document }) =>
    bindOrganization(
      { version, document: snapshotSchema.parse(document), series: new Map() },
      settings.keyring,
      settings.timeouts,
    ),
  );
  const table = createKeyTable(keys.map((key) => ({ ...key, digest: Buffer.from(key.digest, 'base64') })));
  table.setCurrent(true);
  return { organizations: new Map(bound.map((one) => [one.id, one])), keys: readKeyTable(table.buffers) };
}

function createBodyBudget(maxBytes: number): BodyBudget {
  let held = 0;
  return {
    take(bytes, share = 1) {
      if (held + bytes > maxBytes * share) return false;
      held += bytes;
      return true;
    },
    give(bytes) {
      held -= bytes;
    },
  };
}
