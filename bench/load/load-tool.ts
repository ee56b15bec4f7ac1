import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Upstream and load tools share a core with PostgreSQL, the shipper and the control plane. They come first, for every
 * peer alike, so that the serving core is what is measured.
 */
export const LOAD_PRIORITY = ['nice', '-n', '-15'] as const;
const MAX_OUTPUT_BYTES = 64 * 1_048_576;

/** Runs a load tool to its end, pinned and at the priority of load tools. @returns what it wrote to stdout */
export async function runLoadTool(command: string, args: readonly string[], core: number): Promise<string> {
  const [nice, ...niceArgs] = LOAD_PRIORITY;
  const { stdout } = await run(nice, [...niceArgs, 'taskset', '-c', String(core), command, ...args], {
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  return stdout;
}

/** The nice level that load tools really get: without the permission `nice` says so and goes on with the usual one. */
export async function loadNiceLevel(): Promise<number> {
  const [nice, ...niceArgs] = LOAD_PRIORITY;
  return Number((await run(nice, [...niceArgs, 'nice'])).stdout);
}
