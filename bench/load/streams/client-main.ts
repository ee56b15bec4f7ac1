import { monotonicNs, type Pace, writePace } from './event.ts';
import { StreamConnection } from './stream-connection.ts';
import { Tally } from './tally.ts';

/**
 * Holds streams open against one target and says how they fared.
 *
 *   node client-main.ts '<ClientRun as JSON>'
 *
 * Prints "plateau" when all streams are open and the window begins, and a ClientResult as JSON at its end.
 */
export interface ClientRun {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly model: string;
  readonly pace: Pace;
  readonly streams: number;
  /** Streams that are opened per second until all are open. */
  readonly rampPerS: number;
  /** Between the last stream's opening and the window. */
  readonly settleMs: number;
  readonly seconds: number;
}

const RAMP_TICK_MS = 10;

const run = JSON.parse(process.argv[2]!) as ClientRun;
const url = new URL(run.url);
const tally = new Tally();
const connections = new Set<StreamConnection>();
const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

await ramp();
await wait(run.settleMs);
process.stdout.write('plateau\n');
tally.openWindow(monotonicNs());
await wait(run.seconds * 1_000);
const open = [...connections].filter((connection) => connection.isOpen).length;
process.stdout.write(`${JSON.stringify(tally.result(monotonicNs(), open))}\n`);
for (const connection of connections) connection.leave();

/** Opens the streams at an even rate; what is refused is not tried again. */
async function ramp(): Promise<void> {
  const request = requestBytes();
  const startMs = performance.now();
  for (let opened = 0; opened < run.streams; ) {
    const due = Math.min(run.streams, Math.ceil(((performance.now() - startMs) / 1_000) * run.rampPerS));
    for (; opened < due; opened++) openOne(request);
    await wait(RAMP_TICK_MS);
  }
}

function openOne(request: Buffer): void {
  const connection: StreamConnection = new StreamConnection({
    host: url.hostname,
    port: Number(url.port),
    request,
    pace: run.pace,
    tally,
    onGone: () => connections.delete(connection),
  });
  connections.add(connection);
}

function requestBytes(): Buffer {
  const messages = [{ role: 'user', content: writePace(run.pace) }];
  const body = JSON.stringify({ model: run.model, stream: true, messages });
  const headers = {
    host: url.host,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...run.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${url.pathname} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
}
