import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RingsideError } from '#core/errors.ts';
import { ringsideHeaders } from './answer-head.ts';
import { endAnswer, limitStall } from './end-answer.ts';
import { openCapture } from './open-capture.ts';
import type { CallExchange, Ending, Exchange } from './ports.ts';

/** How long a caller that is still sending may take to read its refusal before the connection closes. */
const LINGER_MS = 2_000;
const ERROR_TYPE = 'application/json';

/** What `record` is told of a failure; `capture` holds the part of a stream that the caller already has. */
export function failureEnding(exchange: CallExchange, error: RingsideError, partial: Partial<Ending>): Ending {
  const body = exchange.ingress.errorBody(error);
  let capture = partial.capture ?? null;
  if (capture === null && exchange.assignment !== null) {
    capture = openCapture(exchange, null);
    capture.add(Buffer.from(body));
  }
  return {
    status: exchange.outgoing.headersSent ? exchange.outgoing.statusCode : error.status,
    outcome: error.code === 'client_closed' ? 'client_closed' : 'failed',
    endReason: error.code === 'client_closed' ? 'client_closed' : exchange.begun ? 'upstream_failed' : 'refused',
    error: error.code,
    facts: partial.facts ?? null,
    firstByteNs: partial.firstByteNs ?? null,
    firstTokenNs: partial.firstTokenNs ?? null,
    responseType: partial.responseType ?? ERROR_TYPE,
    capture,
    isCutOff: capture === partial.capture,
  };
}

/** Tells the caller. Before the head is sent: status and body; after it: an error event where the dialect has one, and never a clean end. */
export function sendFailure(exchange: Exchange, error: RingsideError, stalledReaderMs: number): void {
  const { outgoing, incoming } = exchange;
  if (outgoing.destroyed) return;
  if (outgoing.headersSent) {
    if (exchange.events === null) return void outgoing.destroy();
    const { ingress, path, events } = exchange;
    const event = ingress.errorEvent(error, path.framing, !events.hasEvents);
    events.write(Buffer.from(event), () => outgoing.socket?.destroySoon());
    return limitStall(outgoing, stalledReaderMs);
  }
  refuse(incoming, outgoing, error, exchange.ingress.errorBody(error), ringsideHeaders(exchange), stalledReaderMs);
}

/** Answers with an error before anything else of an answer was sent. */
export function refuse(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  error: RingsideError,
  text: string,
  given: readonly string[],
  stalledReaderMs: number,
): void {
  const body = Buffer.from(text);
  const headers = [...given, 'content-type', ERROR_TYPE, 'content-length', String(body.length)];
  if (error.retryAfterSeconds !== undefined) headers.push('retry-after', String(error.retryAfterSeconds));
  if (incoming.complete) {
    outgoing.writeHead(error.status, headers);
    return endAnswer(outgoing, body, stalledReaderMs);
  }
  // The caller is still sending. Closing now would reset the connection and lose the answer, so we let it read first.
  outgoing.writeHead(error.status, [...headers, 'connection', 'close']).write(body);
  const finish = () => {
    clearTimeout(timer);
    outgoing.end();
  };
  const timer = setTimeout(finish, LINGER_MS);
  incoming.once('end', finish);
  outgoing.once('close', () => clearTimeout(timer));
  incoming.resume();
}
