import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createOwner } from '#control-plane/access/bootstrap.ts';
import { createPool } from '#store/pool.ts';
import { createTestDatabase } from './database.ts';
import { freePorts } from './ports.ts';
import { waitFor } from './wait.ts';

/** A whole Ringside of real processes on a database of its own: gateway, control plane, simulator. */
export interface Stack {
  readonly gatewayUrl: string;
  readonly gatewayPort: number;
  readonly controlUrl: string;
  readonly metricsUrl: string;
  readonly simulatorUrl: string;
  readonly databaseUrl: string;
  readonly dataFolder: string;
  /** The owner's, for the control API. */
  readonly adminToken: string;
  /** What the processes wrote to their logs so far. */
  readonly log: () => string;
  /** What the processes run with. */
  readonly env: NodeJS.ProcessEnv;
  /** Calls the control API as the owner. */
  api<Body = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<ApiAnswer<Body>>;
  /** Sends a chat request through the gateway. */
  chat(key: string, body: Record<string, unknown>, headers?: Record<string, string>): Promise<Response>;
  /** Makes a provider on the simulator, models, a group with these weights and a key; returns the key. */
  createGroup(name: string, weights: Record<string, number>): Promise<string>;
  readonly gateway: () => ChildProcess;
  /** Starts it again, with other settings if given. */
  startGateway(env?: Record<string, string>): Promise<void>;
  /** `kill -9`, and waits until the process is gone. */
  killGateway(): Promise<void>;
  /** The same for the control plane. */
  killControlPlane(): Promise<void>;
  startControlPlane(): Promise<void>;
  metrics(): Promise<string>;
  stop(): Promise<void>;
}

export interface ApiAnswer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');

export interface StackOptions {
  readonly workers?: number;
  readonly env?: Record<string, string>;
  /** What serves: `gateway`, or `gateway-keeper` with one below it. */
  readonly gatewayCommand?: string;
  /** Migrated, and without organizations. Default: a new one on the run's server. */
  readonly database?: { readonly url: string; drop(): Promise<void> };
}

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const database = options.database ?? (await createTestDatabase());
  const gatewayCommand = options.gatewayCommand ?? 'gateway';
  const dataFolder = await mkdtemp(join(tmpdir(), 'ringside-test-'));
  const [gatewayPort, controlPort, metricsPort, simulatorPort] = await freePorts(4);
  const pepper = randomBytes(32);
  const env = {
    ...process.env,
    DATABASE_URL: database.url,
    RINGSIDE_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    RINGSIDE_KEY_PEPPER: pepper.toString('base64'),
    RINGSIDE_PRIVATE_UPSTREAMS: '127.0.0.0/8',
    RINGSIDE_DATA_DIR: dataFolder,
    RINGSIDE_GATEWAY_LISTEN: String(gatewayPort),
    RINGSIDE_CONTROL_LISTEN: String(controlPort),
    RINGSIDE_METRICS_LISTEN: String(metricsPort),
    RINGSIDE_SIMULATOR_LISTEN: String(simulatorPort),
    RINGSIDE_WORKERS: String(options.workers ?? 2),
    RINGSIDE_DRAIN_MS: '3000',
    ...options.env,
  };
  let log = '';
  const start = (command: string, changed: Record<string, string> = {}) =>
    startProcess(command, { ...env, ...changed }, (text) => {
      log += text;
    });
  const db = createPool({ databaseUrl: database.url, role: 'login', maxConnections: 1, applicationName: 'test' });
  const { adminToken } = await createOwner(db, { organizationName: 'acme', tokenName: 'test', pepper });
  await db.destroy();
  const [simulator, firstControl, firstGateway] = await Promise.all([
    start('simulate'),
    start('control-plane'),
    start(gatewayCommand),
  ]);
  let gateway = firstGateway;
  let control = firstControl;

  const gatewayUrl = `http://127.0.0.1:${gatewayPort}`;
  const controlUrl = `http://127.0.0.1:${controlPort}`;
  const simulatorUrl = `http://127.0.0.1:${simulatorPort}`;
  const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;

  const api: Stack['api'] = async <Body>(method: string, path: string, body?: unknown, headers = {}) => {
    const answer = await fetch(`${controlUrl}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      body: (text === '' ? undefined : JSON.parse(text)) as Body,
    };
  };
  const must = async <Body>(method: string, path: string, body: unknown): Promise<Body> => {
    const answer = await api<Body>(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };

  return {
    gatewayUrl,
    gatewayPort: gatewayPort!,
    controlUrl,
    metricsUrl,
    simulatorUrl,
    databaseUrl: database.url,
    dataFolder,
    adminToken,
    log: () => log,
    env,
    api,
    chat: (key, body, headers = {}) =>
      fetch(`${gatewayUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], ...body }),
      }),
    async createGroup(name, weights) {
      const existing = await api('GET', '/providers/sim');
      if (existing.status === 404) {
        await must('POST', '/providers', {
          name: 'sim',
          kind: 'openai',
          baseUrl: `${simulatorUrl}/v1`,
          apiKey: 'sk-planted-canary',
        });
      }
      const models = Object.keys(weights);
      for (const model of models) await must('POST', '/models', { name: model, provider: 'sim', upstreamModel: model });
      await must('POST', '/groups', { name });
      await must(
        'PUT',
        `/groups/${name}/variants`,
        models.map((model, index) => ({
          model,
          role: index === 0 ? 'champion' : 'challenger',
          weightBp: weights[model],
        })),
      );
      return (await must<{ key: string }>('POST', '/keys', { name: `key-${name}` })).key;
    },
    gateway: () => gateway,
    async startGateway(changed = {}) {
      gateway = await start(gatewayCommand, changed);
    },
    killGateway: () => endProcess(gateway, 'SIGKILL'),
    killControlPlane: () => endProcess(control, 'SIGKILL'),
    async startControlPlane() {
      control = await start('control-plane');
    },
    metrics: async () => (await fetch(metricsUrl)).text(),
    async stop() {
      await Promise.all([gateway, control, simulator].map((child) => endProcess(child, 'SIGTERM')));
      await database.drop();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

/** Starts `ringside <command>` and waits until it says that it is ready. */
async function startProcess(
  command: string,
  env: NodeJS.ProcessEnv,
  onLog: (text: string) => void,
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [LAUNCHER, command], { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream!.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      onLog(chunk.toString());
    });
  }
  await new Promise<void>((ready, failed) => {
    child.on('message', (message: { type: string; line?: string }) =>
      message.type === 'ready' ? ready() : failed(new Error(`${command}: ${message.line}`)),
    );
    child.on('exit', (code) => failed(new Error(`${command} ended with ${code}: ${output}`)));
  });
  return child;
}

async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once('exit', done));
  child.kill(signal);
  await gone;
}

const PAGE = 200;

/** Waits until the log in the database holds `count` inferences of a group. */
export async function waitForInferences(
  stack: Stack,
  group: string,
  count: number,
): Promise<Record<string, unknown>[]> {
  // Hundreds of pages, asked for again and again, would keep the processes from storing the rest.
  if (count > PAGE) await waitForRows(stack, group, count);
  return waitFor(
    `${count} inferences of ${group}`,
    async () => {
      const items = await allInferences(stack, group);
      return items.length >= count ? items : undefined;
    },
    30_000,
  );
}

async function waitForRows(stack: Stack, group: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const counted = `SELECT count(*)::int AS rows FROM ringside.inferences i JOIN ringside.groups g ON g.id = i.group_id WHERE g.name = $1`;
  try {
    const isThere = async () => (await client.query<{ rows: number }>(counted, [group])).rows[0]!.rows >= count;
    await waitFor(`${count} rows of ${group}`, isThere, 30_000);
  } finally {
    await client.end();
  }
}

/** Every inference of a group, through the API's pages. */
export async function allInferences(stack: Stack, group: string): Promise<Record<string, unknown>[]> {
  const items: Record<string, unknown>[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page: ApiAnswer<{ items: Record<string, unknown>[]; nextCursor: string | null }> = await stack.api(
      'GET',
      `/inferences?group=${group}&limit=${PAGE}${query}`,
    );
    if (page.status !== 200) throw new Error(`GET /inferences: ${page.status} ${JSON.stringify(page.body)}`);
    items.push(...page.body.items);
    cursor = page.body.nextCursor;
  } while (cursor !== null);
  return items;
}
