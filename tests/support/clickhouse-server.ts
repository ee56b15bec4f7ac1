import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findEngine, writeServerConfig } from './clickhouse-engine.ts';
import { freePorts } from './ports.ts';
import { waitFor } from './wait.ts';

/** A ClickHouse to test on. */
export interface TestClickHouse {
  readonly kind: 'found';
  /** With user and password, without a database. */
  readonly url: string;
  /** What it is, for the test's output. */
  readonly what: string;
  /** Of its process, where it runs here. */
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

/** There is none on this machine; `why` says what to do about it. */
export interface NoClickHouse {
  readonly kind: 'missing';
  readonly why: string;
}

/**
 * The server of RINGSIDE_TEST_CLICKHOUSE_URL, else a `clickhouse` of the PATH, else the real engine as a Python library behind
 * an HTTP front of our own (chdb-server.py), which says less about the protocol and as much about the SQL.
 */
export async function startClickHouse(): Promise<TestClickHouse | NoClickHouse> {
  const given = process.env['RINGSIDE_TEST_CLICKHOUSE_URL'];
  if (given !== undefined && given !== '') {
    return {
      kind: 'found',
      url: given,
      what: 'the server of RINGSIDE_TEST_CLICKHOUSE_URL',
      pid: undefined,
      stop: async () => undefined,
    };
  }
  if (spawnSync('clickhouse', ['--version']).status === 0) return startBinary();
  if (spawnSync('python3', ['--version']).status !== 0) return missing('there is no python3');
  const engine = await findEngine();
  return 'missing' in engine ? missing(engine.missing) : startEngine(engine.folder);
}

function missing(why: string): NoClickHouse {
  return {
    kind: 'missing',
    why: `${why}; or put a clickhouse binary on the PATH; or set RINGSIDE_TEST_CLICKHOUSE_URL=http://user:password@host:8123`,
  };
}

async function startEngine(pythonPath: string): Promise<TestClickHouse> {
  const folder = await mkdtemp(join(tmpdir(), 'rs-chdb-'));
  const script = fileURLToPath(new URL('./chdb-server.py', import.meta.url));
  const child = spawn('python3', [script, folder, 'default', 'test'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, PYTHONPATH: pythonPath },
  });
  const port = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`chdb-server.py ended with ${code}`)));
  });
  return {
    ...{
      kind: 'found',
      url: `http://default:test@127.0.0.1:${port}`,
      what: "the engine of chdb-core, behind the tests' HTTP front",
    },
    pid: child.pid,
    stop: () => end(child, folder),
  };
}

async function startBinary(): Promise<TestClickHouse> {
  const folder = await mkdtemp(join(tmpdir(), 'rs-clickhouse-'));
  const [port] = await freePorts(1);
  const config = await writeServerConfig(folder, port!);
  const child = spawn('clickhouse', ['server', `--config-file=${config}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  await waitFor(
    'clickhouse to listen',
    () =>
      fetch(`${url}/ping`).then(
        ({ ok }) => ok,
        () => false,
      ),
    30_000,
  );
  return {
    ...{ kind: 'found', url: `http://default:test@127.0.0.1:${port}`, what: 'a clickhouse server of the PATH' },
    pid: child.pid,
    stop: () => end(child, folder),
  };
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await exited;
  }
  await rm(folder, { recursive: true, force: true });
}
