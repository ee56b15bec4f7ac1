import type { OutgoingHttpHeaders } from 'node:http';
import { createGzip } from 'node:zlib';
import type { Behaviour } from './behaviour.ts';
import type { Clock } from './clock.ts';
import type { Answer, StreamEvent, StreamFraming } from './dialect.ts';
import type { Cut } from './draw.ts';
import type { Exchange } from './exchange.ts';

type PlainAnswer = Extract<Answer, { kind: 'plain' }>;
type StreamAnswer = Extract<Answer, { kind: 'stream' }>;

/** A part of a body and how many tokens of the answer it brings. */
interface Piece {
  readonly text: string | Buffer;
  readonly tokens: number;
}

/** An answer and everything that was decided about how it travels. */
export interface Delivery {
  readonly answer: Answer;
  readonly behaviour: Behaviour;
  readonly firstTokenMs: number;
  readonly cut: Cut | undefined;
  readonly headers: OutgoingHttpHeaders;
  readonly clock: Clock;
  /** The event of a stream that fails by `cut`. */
  readonly errorEvent: StreamEvent | undefined;
}

/** Sends an answer, after its latency, at its pace and with its faults; resolves when the last byte is written. */
export async function deliver(exchange: Exchange, delivery: Delivery): Promise<void> {
  if (delivery.answer.kind === 'stream') await deliverStream(exchange, delivery, delivery.answer);
  else await deliverPlain(exchange, delivery, delivery.answer);
}

async function deliverPlain(exchange: Exchange, delivery: Delivery, answer: PlainAnswer): Promise<void> {
  const { behaviour, headers } = delivery;
  // A plain answer has no place for an error of a stream.
  const cut = delivery.cut?.kind === 'error' ? undefined : delivery.cut;
  headers['content-type'] = answer.contentType ?? 'application/json';
  const tokensMs = behaviour.tokensPerSecond === null ? 0 : (answer.tokens * 1000) / behaviour.tokensPerSecond;
  const waitMs = delivery.firstTokenMs + tokensMs;
  if (waitMs > 0 && !(await exchange.wait(waitMs))) return;
  if (!cut && !behaviour.gzip && behaviour.chunking === 'event') {
    exchange.send(200, headers, answer.body);
    return;
  }
  if (cut && cut.kind !== 'truncate' && !behaviour.gzip) headers['content-length'] = Buffer.byteLength(answer.body);
  const parts = cut ? Math.max(2, answer.tokens) : 1;
  // The last part is never sent, so that a cut body is never whole.
  await sendPieces(exchange, delivery, slice(answer.body, parts), stopOf(cut, parts - 1));
}

async function deliverStream(exchange: Exchange, delivery: Delivery, answer: StreamAnswer): Promise<void> {
  const { behaviour, cut, headers, clock } = delivery;
  const framing = answer.framing ?? eventStreamFraming(behaviour.eventSeparator);
  headers['content-type'] = framing.contentType;
  headers['cache-control'] = 'no-cache';
  const pieces = encodeEvents(answer.events, behaviour.omitDone ? undefined : answer.terminator, framing);
  await sendPieces(exchange, delivery, pieces, stopOf(cut, answer.tokens), clock);
}

interface Stop {
  readonly kind: Cut['kind'];
  readonly atTokens: number;
}

/** A cut always falls inside the answer: where it has fewer tokens, before what follows the last of them. */
function stopOf(cut: Cut | undefined, answerTokens: number): Stop | undefined {
  if (!cut) return undefined;
  if (cut.kind === 'truncate') return { kind: 'truncate', atTokens: Math.floor(answerTokens / 2) };
  return { kind: cut.kind, atTokens: Math.min(cut.afterTokens, answerTokens) };
}

/** `paceClock`: the pieces are to be sent at the behaviour's pace. */
async function sendPieces(
  exchange: Exchange,
  { answer, behaviour, headers, firstTokenMs, errorEvent }: Delivery,
  pieces: Iterable<Piece>,
  stop: Stop | undefined,
  paceClock?: Clock,
): Promise<void> {
  if (behaviour.gzip) headers['content-encoding'] = 'gzip';
  exchange.head(200, headers);
  using sink = createSink(exchange, behaviour);
  if (paceClock && firstTokenMs > 0) {
    exchange.response.flushHeaders();
    if (!(await exchange.wait(firstTokenMs))) return;
  }
  const tokenMs = paceClock && behaviour.tokensPerSecond !== null ? 1000 / behaviour.tokensPerSecond : 0;
  const startMs = paceClock?.nowMs() ?? 0;
  let sent = 0;
  let index = 0;
  // hot
  for (const piece of pieces) {
    if (stop && sent >= stop.atTokens && (piece.tokens > 0 || sent > 0)) break;
    if (paceClock && tokenMs > 0 && piece.tokens > 0) {
      const waitMs = startMs + sent * tokenMs - paceClock.nowMs();
      if (waitMs >= 1 && !(await exchange.wait(waitMs))) return;
    }
    const written = sink.write(piece.text);
    if (written !== true && !(await written)) return;
    sent += piece.tokens;
    index++;
  }
  if (stop?.kind === 'error' && errorEvent !== undefined) {
    const framing =
      (answer.kind === 'stream' ? answer.framing : undefined) ?? eventStreamFraming(behaviour.eventSeparator);
    const written = sink.write(framing.encode(errorEvent, index));
    if (written !== true && !(await written)) return;
  }
  if (!stop || stop.kind === 'truncate' || stop.kind === 'error') await sink.end();
  else await breakOff(exchange, stop.kind);
}

async function breakOff(exchange: Exchange, kind: 'reset' | 'stall'): Promise<void> {
  exchange.response.flushHeaders();
  // An empty write's callback comes after those before it: what was written is with the client before the reset.
  if (!(await exchange.flush(Buffer.alloc(0)))) return;
  if (kind === 'reset') exchange.cut();
  else await exchange.hold();
}

/** Where pieces go: compressed and cut up as the behaviour says. `write` gives false when the client is gone. */
interface Sink extends Disposable {
  write(text: string | Buffer): true | Promise<boolean>;
  end(): Promise<void>;
}

function createSink(exchange: Exchange, behaviour: Behaviour): Sink {
  const { response } = exchange;
  const pieceBytes = behaviour.chunking === 'event' ? undefined : behaviour.chunking.bytes;
  const put = (bytes: Buffer): true | Promise<boolean> => {
    if (pieceBytes !== undefined) return putInPieces(exchange, bytes, pieceBytes);
    return response.write(bytes) ? true : exchange.drain();
  };
  if (behaviour.gzip) return createGzipSink(exchange, put);
  return {
    // hot
    write: (text) => {
      if (pieceBytes !== undefined) return putInPieces(exchange, toBytes(text), pieceBytes);
      return response.write(text) ? true : exchange.drain();
    },
    end: async () => void response.end(),
    [Symbol.dispose]: () => {},
  };
}

/** Each event is flushed through the compressor, or the client would see nothing until a block is full. */
function createGzipSink(exchange: Exchange, put: (bytes: Buffer) => true | Promise<boolean>): Sink {
  const gzip = createGzip();
  let ready: Buffer[] = [];
  gzip.on('data', (bytes: Buffer) => ready.push(bytes));
  const putReady = () => {
    const bytes = Buffer.concat(ready);
    ready = [];
    return bytes.length === 0 ? exchange.open : put(bytes);
  };
  return {
    write: async (text) => {
      await new Promise<void>((resolve) => {
        gzip.write(text);
        gzip.flush(() => resolve());
      });
      return exchange.open && (await putReady());
    },
    end: async () => {
      await new Promise<void>((resolve) => {
        gzip.once('end', resolve);
        gzip.end();
      });
      if (exchange.open && (await putReady())) exchange.response.end();
    },
    [Symbol.dispose]: () => gzip.close(),
  };
}

async function putInPieces(exchange: Exchange, bytes: Buffer, pieceBytes: number): Promise<boolean> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    if (!(await exchange.flush(bytes.subarray(at, at + pieceBytes)))) return false;
  }
  return exchange.open;
}

function* slice(body: string | Buffer, parts: number): Iterable<Piece> {
  for (let part = 0; part < parts; part++) {
    const [from, to] = [part, part + 1].map((edge) => Math.floor((edge * body.length) / parts));
    yield { text: body.slice(from, to), tokens: 1 };
  }
}

/** Server-sent events as WHATWG HTML section 9.2 writes them, with the line ends that the separator implies. */
function eventStreamFraming(separator: Behaviour['eventSeparator']): StreamFraming {
  const lineEnd = separator.slice(separator.length / 2);
  return {
    contentType: 'text/event-stream; charset=utf-8',
    encode: ({ event, data }) => `${event === undefined ? '' : `event: ${event}${lineEnd}`}data: ${data}${separator}`,
  };
}

function* encodeEvents(
  events: Iterable<StreamEvent>,
  terminator: StreamEvent | undefined,
  framing: StreamFraming,
): Iterable<Piece> {
  let index = 0;
  for (const event of events) yield { text: framing.encode(event, index++), tokens: event.tokens };
  if (terminator) yield { text: framing.encode(terminator, index), tokens: 0 };
}

function toBytes(text: string | Buffer): Buffer {
  return typeof text === 'string' ? Buffer.from(text) : text;
}
