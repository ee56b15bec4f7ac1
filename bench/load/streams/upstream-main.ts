import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import {
  burstText,
  lastEvents,
  monotonicNs,
  type Pace,
  PLAIN_ANSWER,
  ROLE_EVENT,
  readPace,
  tokenEvent,
} from './event.ts';
import { TimerWheel } from './timer-wheel.ts';

/**
 * A provider for paced streams: the prompt says how many tokens at which pace. All streams wait in one timer wheel.
 *
 *   node upstream-main.ts <port>        prints "listening"; ends on SIGTERM
 */
const TICK_MS = 1;
const WHEEL_SPAN_MS = 16_384;
/** The fractions of n × this fill the unit interval evenly for any number of streams: no two have their tokens at once. */
const GOLDEN_RATIO = 0.618_033_988_749_895;
const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  // nginx passes each event on when it comes, without a setting.
  'x-accel-buffering': 'no',
};

interface OpenStream {
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly pace: Pace & { kind: 'paced' };
  readonly arrivedNs: number;
  readonly withUsage: boolean;
  /** The first gap differs from stream to stream, so that the tokens of all are spread over the gap. */
  readonly firstGapMs: number;
  sent: number;
}

const nowMs = () => Math.floor(performance.now());
const wheel = new TimerWheel<OpenStream>(WHEEL_SPAN_MS, nowMs());
const bursts = new Map<string, Buffer>();
let streams = 0;

const server = createServer({ keepAliveTimeout: 75_000, noDelay: true, requestTimeout: 0 }, (request, response) => {
  const arrivedNs = monotonicNs();
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => answer(request, response, Buffer.concat(pieces).toString('latin1'), arrivedNs));
});

function answer(request: IncomingMessage, response: ServerResponse, body: string, arrivedNs: number): void {
  const pace = readPace(body);
  if (request.method !== 'POST' || !/"stream"\s*:\s*true/.test(body)) {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(PLAIN_ANSWER);
    return;
  }
  if (pace === null) {
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end('{"error":{"message":"a prompt for a stream must name a pace","type":"invalid_request_error"}}');
    return;
  }
  const withUsage = /"include_usage"\s*:\s*true/.test(body);
  if (pace.kind === 'burst') {
    response.writeHead(200, HEADERS);
    response.end(burst(pace.tokens, withUsage));
    return;
  }
  const spread = (streams++ * GOLDEN_RATIO) % 1;
  const firstGapMs = Math.round(pace.gapMs * (0.5 + spread));
  const socket = response.socket!;
  const stream: OpenStream = { response, socket, pace, arrivedNs, withUsage, firstGapMs, sent: 0 };
  if (pace.firstMs === 0) sendNext(stream, nowMs());
  else wheel.add(stream, nowMs() + pace.firstMs);
}

function burst(tokens: number, withUsage: boolean): Buffer {
  const key = `${tokens} ${withUsage}`;
  let bytes = bursts.get(key);
  if (bytes === undefined) {
    bytes = Buffer.from(burstText(tokens, withUsage), 'latin1');
    bursts.set(key, bytes);
  }
  return bytes;
}

// hot
function sendNext(stream: OpenStream, dueMs: number): void {
  const { response, socket, pace, arrivedNs } = stream;
  if (socket.destroyed) return;
  stream.sent++;
  const isFirst = stream.sent === 1;
  const isLast = stream.sent === pace.tokens;
  const event = tokenEvent(stream.sent, monotonicNs(), arrivedNs);
  if (isFirst) {
    socket.cork();
    response.writeHead(200, HEADERS);
    response.flushHeaders();
  }
  const events = `${isFirst ? ROLE_EVENT : ''}${event}${isLast ? lastEvents(pace.tokens, stream.withUsage) : ''}`;
  // One write of a whole chunk instead of the three that ServerResponse makes of it; its own may come a turn later.
  socket.write(`${events.length.toString(16)}\r\n${events}\r\n`, 'latin1');
  if (isFirst) socket.uncork();
  if (isLast) response.end();
  else wheel.add(stream, dueMs + (isFirst ? stream.firstGapMs : pace.gapMs));
}

const ticking = setInterval(() => wheel.advance(nowMs(), sendNext), TICK_MS);
server.listen(Number(process.argv[2]), '127.0.0.1', 4_096, () => process.stdout.write('listening\n'));
process.once('SIGTERM', () => {
  clearInterval(ticking);
  server.close();
  server.closeAllConnections();
});
