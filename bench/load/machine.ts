import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { promisify } from 'node:util';
import { autocannonVersion } from './autocannon.ts';

const run = promisify(execFile);

/** What the figures of a run depend on beside the code. */
export interface Machine {
  readonly machine: string;
  readonly kernel: string;
  readonly commit: string;
}

export async function describeMachine(): Promise<Machine> {
  const commit = (await run('git', ['rev-parse', '--short', 'HEAD'])).stdout.trim();
  const { stdout: changes } = await run('git', ['status', '--porcelain', '--untracked-files=no']);
  const memory = /MemTotal:\s+(\d+) kB/.exec(await readFile('/proc/meminfo', 'utf8'));
  return {
    machine: `${cpus().length} × ${cpus()[0]!.model}, ${Math.round(Number(memory?.[1]) / 1_048_576)} GiB`,
    kernel: release(),
    commit: changes.trim() === '' ? commit : `${commit} with changes`,
  };
}

/** Versions of what measures; those of the gateways come from the peers. */
export async function toolVersions(): Promise<Record<string, string>> {
  return {
    Node: process.versions.node,
    upstream: `nginx ${/nginx\/(\S+)/.exec((await run('nginx', ['-v'])).stderr)?.[1] ?? 'unknown'}`,
    wrk: await wrkVersion(),
    autocannon: autocannonVersion(),
  };
}

/** `wrk -v` prints its version and then fails for want of an address. */
async function wrkVersion(): Promise<string> {
  const { stdout } = await run('wrk', ['-v']).catch((error: { stdout: string }) => error);
  return /wrk (?:debian\/)?(\S+)/.exec(stdout)?.[1] ?? 'unknown';
}

/**
 * Whether the kernel gives each session an equal share of a core (sched(7), autogroup): then nice levels count inside a session only, and
 * every backend of PostgreSQL is a session of its own.
 */
export async function sharesBySession(): Promise<boolean> {
  const setting = await readFile('/proc/sys/kernel/sched_autogroup_enabled', 'utf8').catch(() => '0'); // a kernel without it
  return setting.trim() === '1';
}
