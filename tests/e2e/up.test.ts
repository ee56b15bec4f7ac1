import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePorts, holdersOf } from '../support/ports.ts';
import { waitFor } from '../support/wait.ts';

/** `ringside up` as a newcomer runs it: real processes, the embedded PostgreSQL, crashes and all. */
const LAUNCHER = join(import.meta.dirname, '../../bin/ringside.mjs');
const NAMES = ['GATEWAY', 'CONTROL', 'METRICS', 'SIMULATOR'];
let folder: string;
let env: NodeJS.ProcessEnv;

interface Credentials {
  readonly adminToken: string;
  readonly apiKey: string;
  readonly gatewayUrl: string;
  readonly controlUrl: string;
}

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exited: Promise<number | null>;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ringside-up-'));
  const ports = await freePorts(NAMES.length);
  const { DATABASE_URL: _, ...inherited } = process.env;
  env = { ...inherited, RINGSIDE_DATA_DIR: join(folder, 'data'), RINGSIDE_WORKERS: '2', RINGSIDE_DRAIN_MS: '2000' };
  for (const [index, name] of NAMES.entries()) env[`RINGSIDE_${name}_LISTEN`] = String(ports[index]);
});

afterAll(async () => {
  for (const pid of await ringsidePids()) process.kill(pid, 'SIGKILL');
  await waitFor('everything to be gone', async () => (await ringsidePids()).length === 0);
  await rm(folder, { recursive: true, force: true });
});

function run(changed: NodeJS.ProcessEnv = {}): Run {
  const child = spawn(process.execPath, [LAUNCHER, 'up'], {
    env: { ...env, ...changed },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { child, output: () => text, exited: new Promise((done) => child.once('exit', done)) };
}

async function runReady(): Promise<Run> {
  const started = run();
  await waitFor(
    'the ready block',
    async () => {
      if (started.child.exitCode !== null) throw new Error(`ended early: ${started.output()}${await holders()}`);
      return started.output().includes('Ctrl-C stops it');
    },
    45_000,
  );
  return started;
}

async function holders(): Promise<string> {
  const ports = NAMES.map((name) => Number(env[`RINGSIDE_${name}_LISTEN`]));
  const found = await Promise.all(ports.map(async (port) => `${port}: ${await holdersOf(port)}`));
  return `its ports now:\n${found.join('\n')}`;
}

/** Every process of this data folder: ours by their environment, PostgreSQL's by its command line. */
async function ringsidePids(): Promise<number[]> {
  const own = join(folder, 'data');
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.filter((pid) => {
    if (pid === process.pid) return false;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (command.includes(own)) return true;
      return (
        command.includes('ringside.mjs') &&
        readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`RINGSIDE_DATA_DIR=${own}\0`)
      );
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

const credentials = async () =>
  JSON.parse(await readFile(join(folder, 'data/credentials.json'), 'utf8')) as Credentials;

async function chat(): Promise<Response> {
  const { apiKey, gatewayUrl } = await credentials();
  return fetch(`${gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'Hello' }] }),
  });
}

async function storedIds(): Promise<string[]> {
  const { adminToken, controlUrl } = await credentials();
  const answer = await fetch(`${controlUrl}/api/v1/inferences?limit=200`, {
    headers: { authorization: `Bearer ${adminToken}` },
  });
  return ((await answer.json()) as { items: { id: string }[] }).items.map((item) => item.id);
}

describe('ringside up', () => {
  let running: Run;
  const acknowledged: string[] = [];
  const askOnce = async () => {
    const answer = await chat();
    expect(answer.status).toBe(200);
    await answer.arrayBuffer();
    acknowledged.push(answer.headers.get('x-ringside-inference-id')!);
  };
  const expectAllStored = () =>
    waitFor('everything acknowledged to be stored', async () => {
      const ids = await storedIds();
      return acknowledged.every((id) => ids.includes(id));
    });

  test('the first start makes everything, and the curl line that it prints works when pasted', async () => {
    running = await runReady();
    const made = await credentials();
    expect(Object.keys(made).sort()).toEqual(['adminToken', 'apiKey', 'controlUrl', 'gatewayUrl']);
    expect(statSync(join(folder, 'data/credentials.json')).mode & 0o777).toBe(0o600);
    const line = /^ {2}(curl .*)$/m.exec(running.output())![1]!;
    const { stdout } = await promisify(execFile)('sh', ['-c', line]);
    expect(JSON.parse(stdout)).toMatchObject({ object: 'chat.completion', choices: [{ finish_reason: 'stop' }] });
    const group = await fetch(`${made.controlUrl}/api/v1/groups/demo`, {
      headers: { authorization: `Bearer ${made.adminToken}` },
    });
    expect(await group.json()).toMatchObject({
      variants: [
        { role: 'champion', weightBp: 9_000 },
        { role: 'challenger', weightBp: 1_000 },
      ],
    });
    await askOnce();
  }, 60_000);

  test('a second start says so and ends', async () => {
    const second = run();
    expect(await second.exited).toBe(1);
    expect(second.output()).toMatch(/already running/);
    await askOnce();
  });

  test('a service that is killed comes back by itself', async () => {
    const services = (await ringsidePids()).filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0gateway\0'),
    );
    expect(services.length).toBe(1);
    process.kill(services[0]!, 'SIGKILL');
    await waitFor('the gateway to serve again', () =>
      chat().then(
        (answer) => answer.ok,
        () => false,
      ),
    );
    await expectAllStored();
  });

  test('Ctrl-C stops everything cleanly, and the next start has all data', async () => {
    running.child.kill('SIGINT');
    expect(await running.exited).toBe(0);
    await waitFor('all processes to end', async () => (await ringsidePids()).length === 0);
    const before = await credentials();
    running = await runReady();
    expect(await credentials()).toEqual(before);
    await expectAllStored();
    await askOnce();
  }, 60_000);

  test.each([
    ['its parent', async () => [running.child.pid!]],
    [
      'everything but PostgreSQL',
      async () =>
        (await ringsidePids()).filter((pid) => !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('postgres')),
    ],
    ['all of its processes', ringsidePids],
  ])(
    'kill -9 of %s leaves nothing that the next start cannot pick up',
    async (_, victims) => {
      for (let i = 0; i < 20; i++) await askOnce();
      for (const pid of await victims()) process.kill(pid, 'SIGKILL');
      await running.exited;
      running = await runReady();
      await askOnce();
      await expectAllStored();
    },
    90_000,
  );

  test('Ctrl-C in the middle of a start undoes what has been started', async () => {
    running.child.kill('SIGTERM');
    expect(await running.exited).toBe(0);
    for (const moment of ['ringside 0', 'PostgreSQL is up', 'starting gateway']) {
      const started = run();
      await waitFor(moment, () => started.output().includes(moment));
      started.child.kill('SIGINT');
      expect(await started.exited).toBe(0);
      expect(started.output()).not.toMatch(/Error|at .*\.ts:/);
      await waitFor('all processes to end', async () => (await ringsidePids()).length === 0);
    }
    running = await runReady();
    await expectAllStored();
  }, 90_000);

  test('a taken port is one line that names the variable', async () => {
    running.child.kill('SIGTERM');
    expect(await running.exited).toBe(0);
    const squatter = createServer();
    await new Promise<void>((done) => squatter.listen(Number(env['RINGSIDE_CONTROL_LISTEN']), '127.0.0.1', done));
    const refused = run();
    expect(await refused.exited).toBe(1);
    expect(refused.output()).toMatch(/^ringside: 127\.0\.0\.1:\d+ is taken; .*RINGSIDE_CONTROL_LISTEN/m);
    squatter.close();
  });

  test.each([
    [{ RINGSIDE_GATEWAY_LISTEN: 'here' }, /RINGSIDE_GATEWAY_LISTEN: "here" is neither/],
    [{ RINGSIDE_GATWAY_LISTEN: '1' }, /unknown variable RINGSIDE_GATWAY_LISTEN/],
    [{ RINGSIDE_WORKERS: '0' }, /RINGSIDE_WORKERS/],
    [{ DATABASE_URL: 'mysql://x' }, /DATABASE_URL/],
    [{ DATABASE_URL: 'postgresql://x@127.0.0.1:1/x' }, /RINGSIDE_ENCRYPTION_KEYS is not set/],
  ])('bad settings end the start with one line: %o', async (changed, wanted) => {
    const refused = run(changed);
    expect(await refused.exited).toBe(1);
    expect(
      refused
        .output()
        .split('\n')
        .filter((line) => line.startsWith('ringside: ')),
    ).toEqual([expect.stringMatching(wanted)]);
  });

  test('service links of Kubernetes are no settings', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [LAUNCHER, '--version'], {
      env: { ...env, RINGSIDE_GATEWAY_PORT: 'tcp://10.0.0.1:80', RINGSIDE_GATEWAY_SERVICE_HOST: '10.0.0.1' },
    });
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
  });
});
