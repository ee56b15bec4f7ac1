import { Worker } from 'node:worker_threads';
import { type Connection, openConnection } from './connection.ts';
import { dueBy, gapMs, type Pace } from './plan.ts';
import { createTally, type ScheduledResult } from './tally.ts';
import type { TickerData } from './ticker/main.ts';

/** What the process is told to do. */
export interface ScheduledJob {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connections: number;
  readonly pace: Pace;
  readonly seconds: number;
}

const OPEN_WITHIN_MS = 30_000;
/** How long answers may come, and waiting requests may go out, after the end. */
const GRACE_MS = 2_000;
/** Between opening the connections and the first request. */
const LEAD_MS = 100;
/** The shortest time between two wake-ups: above 4 000 requests a second, some are sent together. */
const SHORTEST_GAP_MS = 0.25;

const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

/** Sends on schedule, whatever the answers do. @throws when the connections cannot be opened */
export async function generate(job: ScheduledJob): Promise<ScheduledResult> {
  const { pace, seconds } = job;
  const tally = createTally(pace, seconds);
  const change = createCondition();
  /** The next request to be sent; all before it were. */
  let next = 0;
  let startMs = Number.POSITIVE_INFINITY;

  const sendDue = (fromTicker: boolean): void => {
    const elapsedMs = nowMs() - startMs;
    const due = Math.min(tally.total, dueBy(pace, elapsedMs));
    for (const connection of pool.free) {
      if (next >= due) return;
      pool.free.delete(connection);
      if (fromTicker) tally.sentByClock(next, elapsedMs);
      connection.send(next++);
    }
  };
  const pool = openPool(job, {
    onFree() {
      change.signal();
      sendDue(false);
    },
    onResult(index, status) {
      tally.settle(index, status, nowMs() - startMs);
      change.signal();
    },
  });
  try {
    if (!(await change.until(() => pool.free.size === job.connections, OPEN_WITHIN_MS))) {
      throw new Error(`${pool.free.size} of ${job.connections} connections could be opened to ${job.url}`);
    }
    startMs = nowMs() + LEAD_MS;
    const ticks = { startMs, gapMs: Math.max(gapMs(pace), SHORTEST_GAP_MS), endMs: startMs + seconds * 1000 };
    const stopTicker = startTicker(ticks, () => sendDue(true));
    await change.until(() => tally.settled === tally.total, LEAD_MS + seconds * 1000 + GRACE_MS);
    await stopTicker();
    return tally.finish(next, pool.underWay(), nowMs() - startMs);
  } finally {
    pool.close();
  }
}

/** The connections, and which of them can take a request. */
function openPool(
  job: ScheduledJob,
  events: { onFree(): void; onResult(index: number, status: number | null): void },
): { readonly free: Set<Connection>; underWay(): number[]; close(): void } {
  const free = new Set<Connection>();
  const { hostname: host, port } = new URL(job.url);
  const request = requestBytes(job);
  const connections = Array.from({ length: job.connections }, () =>
    openConnection({
      ...{ host, port: Number(port), request, onResult: events.onResult },
      onFree(connection) {
        free.add(connection);
        events.onFree();
      },
      onLost: (connection) => void free.delete(connection),
    }),
  );
  return {
    free,
    underWay: () => connections.flatMap(({ busyWith }) => (busyWith === null ? [] : [busyWith])),
    close: () => {
      for (const connection of connections) connection.close();
    },
  };
}

/** Lets one waiter look again each time that something changed. */
function createCondition(): { signal(): void; until(done: () => boolean, withinMs: number): Promise<boolean> } {
  let look = (): void => undefined;
  return {
    signal: () => look(),
    until: (done, withinMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), withinMs);
        look = () => {
          if (!done()) return;
          clearTimeout(timer);
          resolve(true);
        };
        look();
      }),
  };
}

function startTicker(data: TickerData, onTick: () => void): () => Promise<unknown> {
  const worker = new Worker(new URL('./ticker/main.ts', import.meta.url), { workerData: data });
  worker.on('message', onTick);
  return () => worker.terminate();
}

/** The request as it goes over the wire, made once. */
function requestBytes({ url, headers, body }: ScheduledJob): Buffer {
  const { host, pathname, search } = new URL(url);
  const lines = Object.entries({ host, 'content-type': 'application/json', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const length = Buffer.byteLength(body);
  return Buffer.from(`POST ${pathname}${search} HTTP/1.1\r\n${lines.join('')}content-length: ${length}\r\n\r\n${body}`);
}
