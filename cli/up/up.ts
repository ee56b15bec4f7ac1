import { mkdir, rm } from 'node:fs/promises';
import net from 'node:net';
import { join, relative } from 'node:path';
import { claimOwnership } from '#inference-log/ownership.ts';
import { ensureDatabase, startEmbeddedPostgres } from '#store/embedded-postgres.ts';
import { migrate } from '#store/migrate.ts';
import { migrateLogStore } from '../commands.ts';
import { createLog, print } from '../output.ts';
import { type Listen, requireStandalone, type Settings, SettingsError } from '../settings.ts';
import { AddressTakenError } from '../start-failure.ts';
import { supervise } from '../supervisor.ts';
import { archiveFolder, postgresFolder } from './embedded.ts';
import { type Credentials, ensureFirstStart } from './first-start.ts';
import { loadLocalSecrets, readIfThere, writePrivate } from './secrets.ts';
import { runUntilSignal, type Undo } from './until-signal.ts';

const LOOPBACK = '127.0.0.0/8,::1';
/** The processes of a run that was killed end within seconds; their ports may be taken until then. */
const PORT_PATIENCE_MS = 10_000;
/** Services, in the order in which they stop: nothing new comes in before what is under way has been shipped. */
const SERVICES = ['gateway', 'control-plane', 'simulate'] as const;

/** `ringside up`: everything in one process tree, made for the first ten minutes and for development. */
export function up(settings: Settings, release: string): Promise<void> {
  const log = createLog('ringside');
  return runUntilSignal(log, (undo) => start(settings, release, undo, log));
}

async function start(settings: Settings, release: string, undo: Undo, log: (line: string) => void): Promise<void> {
  const progress = (line: string) => {
    undo.checkpoint();
    print(`  ${line}`);
  };
  print(`ringside ${release}`);
  await mkdir(settings.dataFolder, { recursive: true });
  const ownership = await claimOwnership(settings.dataFolder);
  if (ownership.kind === 'taken') {
    const folder = shown(settings.dataFolder);
    throw new SettingsError(
      `Ringside is already running in ${folder}; stop it first, or set RINGSIDE_DATA_DIR to another folder`,
    );
  }
  undo.add(ownership.release);
  const marker = join(settings.dataFolder, 'running');
  const patienceMs = (await readIfThere(marker)) === undefined ? 0 : PORT_PATIENCE_MS;
  await writePrivate(marker, { pid: process.pid });
  undo.add(() => rm(marker, { force: true }));
  for (const listen of [settings.gateway, settings.control, settings.metrics, settings.simulator]) {
    await waitForAddress(listen, patienceMs, progress);
  }
  const database = await startDatabase(settings, progress, log);
  undo.add(database.stop);
  undo.checkpoint();
  const applied = [...(await migrate(database.url)), ...(await migrateLogStore(settings))];
  if (applied.length > 0) progress(`applied ${applied.join(', ')}`);
  const env = {
    ...process.env,
    DATABASE_URL: database.url,
    RINGSIDE_ENCRYPTION_KEYS: database.encryptionKeys,
    RINGSIDE_KEY_PEPPER: database.keyPepper,
    RINGSIDE_PRIVATE_UPSTREAMS: settings.privateUpstreams ?? LOOPBACK,
    RINGSIDE_DATA_DIR: settings.dataFolder,
    ...(settings.archive === undefined ? { RINGSIDE_ARCHIVE_DIR: archiveFolder(settings.dataFolder) } : {}),
  };
  progress('starting gateway, control plane and simulator');
  const services = SERVICES.map((name) => supervise(name, env, log));
  undo.add(async () => {
    for (const service of services) await service.stop();
  });
  await Promise.all(services.map((service) => service.ready));
  undo.checkpoint();
  const credentials = await ensureFirstStart({
    databaseUrl: database.url,
    pepper: Buffer.from(database.keyPepper, 'base64'),
    dataFolder: settings.dataFolder,
    gatewayUrl: urlOf(settings.gateway),
    controlUrl: urlOf(settings.control),
    simulatorUrl: `${urlOf(settings.simulator)}/v1`,
    onProgress: progress,
  });
  announce(settings, credentials);
}

interface Database {
  readonly url: string;
  readonly encryptionKeys: string;
  readonly keyPepper: string;
  stop(): Promise<void>;
}

/** DATABASE_URL with the operator's own secrets, or the embedded server with generated ones. */
async function startDatabase(
  settings: Settings,
  progress: (line: string) => void,
  log: (line: string) => void,
): Promise<Database> {
  if (settings.databaseUrl !== undefined) {
    const { databaseUrl } = requireStandalone(settings);
    progress('using the PostgreSQL of DATABASE_URL');
    return {
      url: databaseUrl,
      encryptionKeys: process.env['RINGSIDE_ENCRYPTION_KEYS']!,
      keyPepper: process.env['RINGSIDE_KEY_PEPPER']!,
      stop: async () => undefined,
    };
  }
  const secrets = await loadLocalSecrets(settings.dataFolder);
  const options = { folder: postgresFolder(settings.dataFolder), password: secrets.postgresPassword };
  let server = await startEmbeddedPostgres({ ...options, onProgress: progress });
  try {
    await ensureDatabase(server.databaseUrl);
    progress('PostgreSQL is up');
  } catch (error) {
    await server.stop();
    throw error;
  }
  let stopping = false;
  const port = Number(new URL(server.databaseUrl).port);
  // The services hold its URL, so a crashed server comes back on the same port.
  const watch = async () => {
    for (;;) {
      const reason = await server.ended;
      if (stopping) return;
      log(`${reason}; restarting it`);
      while (!stopping) {
        try {
          server = await startEmbeddedPostgres({ ...options, port });
          break;
        } catch (error) {
          log(`the embedded PostgreSQL does not start: ${String(error)}`);
          await new Promise((wake) => setTimeout(wake, 1_000));
        }
      }
      if (stopping) return server.stop();
    }
  };
  const watching = watch();
  return {
    url: server.databaseUrl,
    encryptionKeys: settings.keyring === undefined ? secrets.encryptionKeys : process.env['RINGSIDE_ENCRYPTION_KEYS']!,
    keyPepper: settings.pepper === undefined ? secrets.keyPepper : process.env['RINGSIDE_KEY_PEPPER']!,
    async stop() {
      stopping = true;
      await server.stop();
      await watching;
    },
  };
}

/** Checks that an address is free; after a crash waits a little, since somebody may still be letting go of it. */
async function waitForAddress(listen: Listen, patienceMs: number, progress: (line: string) => void): Promise<void> {
  if (listen.port === 0) throw new SettingsError(`${listen.variable}: port 0 (any) does not work with \`ringside up\``);
  const deadline = performance.now() + patienceMs;
  for (let told = false; !(await isFree(listen)); told = true) {
    if (performance.now() > deadline) throw new AddressTakenError(listen);
    if (!told) progress(`waiting for ${listen.host}:${listen.port} (${listen.variable}) to become free`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

function isFree({ host, port, variable }: Listen): Promise<boolean> {
  return new Promise((done, failed) => {
    const probe = net.createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') done(false);
      else failed(new SettingsError(`${variable}: cannot listen on ${host}:${port} (${error.code})`));
    });
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => done(true)));
  });
}

function announce(settings: Settings, credentials: Credentials): void {
  const body = `{"model":"demo","messages":[{"role":"user","content":"Hello"}]}`;
  print(`
ready
  gateway        ${credentials.gatewayUrl}/v1   (any OpenAI SDK: baseURL and apiKey)
  control API    ${credentials.controlUrl}/api/v1, docs at ${credentials.controlUrl}/docs
  metrics        ${urlOf(settings.metrics)}/metrics
  simulator      ${urlOf(settings.simulator)}/v1${
    settings.privateUpstreams === undefined ? '   (loopback upstreams are allowed: RINGSIDE_PRIVATE_UPSTREAMS)' : ''
  }
  credentials    ${shown(join(settings.dataFolder, 'credentials.json'))}

try it
  curl -s ${credentials.gatewayUrl}/v1/chat/completions -H 'Authorization: Bearer ${credentials.apiKey}' -H 'Content-Type: application/json' -d '${body}'

Ctrl-C stops it; data stays in ${shown(settings.dataFolder)}`);
}

function urlOf({ host, port }: Listen): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}
