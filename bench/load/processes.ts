import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { LOAD_PRIORITY } from './load-tool.ts';

/** Starts and pins the processes of a benchmark. */
export interface Running {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** The core that the process and its threads run on; or several, as taskset takes them. */
  readonly core: number | string;
  /** `load`: before everything else on its core, where the system permits it. */
  readonly priority?: 'load';
  readonly env?: Readonly<Record<string, string>>;
  /** Resolves when the process can be used. */
  readonly ready: (child: ChildProcess, output: () => string) => Promise<void>;
}

export async function launch(options: Launch): Promise<Running> {
  const pinned = ['taskset', '-c', String(options.core), options.command, ...options.args];
  const [command, ...args] = options.priority === 'load' ? [...LOAD_PRIORITY, ...pinned] : pinned;
  const child = spawn(command!, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-20_000);
    });
  }
  // A run that is broken off leaves nothing behind.
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  const exited = new Promise<void>((done) =>
    child.once('exit', () => {
      process.off('exit', end);
      done();
    }),
  );
  const failed = new Promise<never>((_, fail) => child.once('error', fail));
  const ended = exited.then(() => {
    throw new Error(`${options.command} ended before it was ready: ${output}`);
  });
  try {
    await Promise.race([options.ready(child, () => output), ended, failed]);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    // They may come later, when nobody waits for them any more.
    for (const late of [ended, failed]) late.catch(() => undefined);
  }
  return {
    pid: child.pid!,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Polls until an HTTP GET answers at all. */
export async function untilAnswers(url: string, timeoutMs = 30_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      await (await fetch(url)).arrayBuffer();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`${url} does not answer`, { cause: error });
      await new Promise((wake) => setTimeout(wake, 20));
    }
  }
}

/** Moves the threads of a process whose name matches to another core. */
export function pinThreads(pid: number, name: RegExp, core: number): number {
  let moved = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    if (!name.test(readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim())) continue;
    execFileSync('taskset', ['-p', '-c', String(core), thread]);
    moved++;
  }
  return moved;
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) * 1024;
}

/** A loopback port that nobody listens on at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
