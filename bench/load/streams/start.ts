import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { freePort, launch, type Running, untilAnswers } from '../processes.ts';
import type { ClientRun } from './client-main.ts';
import type { ClientResult } from './tally.ts';

export interface Streamer extends Running {
  /** Its origin. */
  readonly url: string;
  /** Whether the system let it, and so the clients, go ahead of the others on its core. */
  readonly isAhead: boolean;
}

/** Starts the streamer on a core. */
export async function startStreamer(core: number): Promise<Streamer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = await launch({
    command: process.execPath,
    args: [new URL('./upstream-main.ts', import.meta.url).pathname, String(port)],
    core,
    ready: () => untilAnswers(url),
  });
  return { ...running, url, isAhead: putAhead(running.pid) };
}

const AHEAD = -15;

/** Client and streamer share their core with PostgreSQL and the shipper, whose turns would be measured as a gateway's delays. */
function putAhead(pid: number): boolean {
  try {
    setPriority(pid, AHEAD);
    return true;
  } catch {
    return false; // it takes a privilege; the caller says that it is missing
  }
}

/** A run of the client that outlives its time by this is stuck. */
const GRACE_MS = 60_000;

/** Runs the client on a core to its end. `onPlateau` is called when its window begins. Throws when it ends without a result. */
export async function runClient(run: ClientRun, core: number, onPlateau: () => void): Promise<ClientResult> {
  const path = new URL('./client-main.ts', import.meta.url).pathname;
  const child = spawn('taskset', ['-c', String(core), process.execPath, path, JSON.stringify(run)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  putAhead(child.pid!);
  let errors = '';
  child.stderr.on('data', (text: Buffer) => {
    errors = (errors + text.toString()).slice(-4_000);
  });
  const plannedMs = (run.streams / run.rampPerS + run.seconds) * 1_000 + run.settleMs;
  const limit = setTimeout(() => child.kill('SIGKILL'), plannedMs + GRACE_MS);
  let result: ClientResult | undefined;
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (line === 'plateau') onPlateau();
      else result = readResult(line);
    }
  } finally {
    clearTimeout(limit);
    child.kill('SIGKILL');
  }
  if (result === undefined) throw new Error(`the stream client ended without a result: ${errors}`);
  return result;
}

/** A figure without values is NaN, which JSON writes as null. */
function readResult(line: string): ClientResult {
  return JSON.parse(line, (_key, value: unknown) => (value === null ? Number.NaN : value)) as ClientResult;
}
