import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { promisify } from 'node:util';

/** Above the ports that fetch refuses to call; the last one is 10 080 (Fetch Standard, "bad port"). */
const FIRST = 10_100;
const LAST = 32_000;
/** Files that run at the same time have numbers close to each other, so that no two of them share a range. */
const RANGES = 64;

const given = new Set<number>();

/**
 * Different ports that were free a moment ago, and that no other test file of this run is given: one that kills its servers and
 * starts them again would find their ports taken. Nor are they among the ports that the system gives to outgoing connections.
 */
export async function freePorts(count: number): Promise<number[]> {
  const size = Math.floor((belowOutgoing() - FIRST) / RANGES);
  const first = FIRST + size * (Number(process.env['VITEST_WORKER_ID'] ?? 0) % RANGES);
  const ports: number[] = [];
  while (ports.length < count) {
    if (given.size >= size) throw new Error(`all ${size} ports from ${first} on have been given to this file`);
    const port = randomInt(first, first + size);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

/** Who has a port, as `ss` tells it: for the message of a test that finds one taken. */
export async function holdersOf(port: number): Promise<string> {
  const { stdout } = await promisify(execFile)('ss', ['-Htanp', `sport = :${port}`]).catch((error: Error) => ({
    stdout: `unknown (${error.message})`,
  }));
  return stdout.trim() === '' ? 'nobody any more' : stdout;
}

/** Where the ports of outgoing connections begin: 32 768 on most systems, as low as 16 000 in some containers. */
function belowOutgoing(): number {
  let range: string;
  try {
    range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  } catch {
    return LAST; // not Linux
  }
  const lowest = Number(range.trim().split(/\s+/)[0]);
  // A system that gives out nearly all of them leaves no choice.
  return lowest - FIRST > RANGES * 20 ? Math.min(lowest, LAST) : LAST;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
  });
}
