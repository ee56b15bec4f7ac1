import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Above the ports that fetch refuses to call (the last one is 10 080: Fetch Standard, "bad port"), and below the range that systems take
 * the ports of outgoing connections from: one of those must not have it when a server comes back.
 */
const FIRST = 12_000;
const LAST = 32_000;

/** Different ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(FIRST, LAST);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
  });
}
