import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { AddressPolicy } from '#core/upstream-address.ts';
import { connectStream } from './connector.ts';
import { UpstreamFailure } from './failures.ts';
import type { UpstreamEndpoint } from './handler.ts';

/** OpenAI's largest event is 15 MB of sound (API reference, input_audio_buffer.append, read 2026-11). */
const MAX_MESSAGE_BYTES = 16 * 1_048_576;
/** How long a peer may take to answer a close frame. */
const CLOSE_TIMEOUT_MS = 2_000;
const MAX_REFUSAL_BYTES = 65_536;

/** What both sides of a session are opened with. Compressed messages could be bombs, and sound does not get smaller. */
export const SESSION_LIMITS = Object.freeze({
  perMessageDeflate: false,
  maxPayload: MAX_MESSAGE_BYTES,
  closeTimeout: CLOSE_TIMEOUT_MS,
});

/** A handshake to be made with an upstream. */
export interface SessionCall {
  readonly endpoint: UpstreamEndpoint;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly protocols: readonly string[];
  /** For the handshake's answer, connecting included. */
  readonly timeoutMs: number;
}

/** What becomes of it: one of these, once. `opened` may not wait with listening: messages come in the next turn. */
export interface SessionCallHandler {
  opened(socket: WebSocket, headers: IncomingHttpHeaders): void;
  /** The upstream answered over HTTP; of the body what came of its first 64 KB. */
  refused(status: number, headers: IncomingHttpHeaders, body: Buffer): void;
  failed(error: Error): void;
}

/** Opens sessions at upstreams; returns what gives one up that is not open yet. */
export type SessionOpener = (call: SessionCall, handler: SessionCallHandler) => () => void;

/** Sessions go over connections of their own, whose addresses are checked as those of calls are. Redirects are not followed. */
export function createSessionOpener(policy: AddressPolicy): SessionOpener {
  return (call, handler) => {
    const { origin, connectTimeoutMs } = call.endpoint;
    const connection = connectStream(origin, connectTimeoutMs, policy);
    const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}${call.path}`, [...call.protocols], {
      ...SESSION_LIMITS,
      headers: { ...call.headers },
      createConnection: () => connection,
    });
    let isSettled = false;
    const settle = (tell: () => void) => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      tell();
    };
    const fail = (error: Error) => {
      settle(() => handler.failed(error));
      socket.terminate();
    };
    const timer = setTimeout(() => {
      fail(new UpstreamFailure('RINGSIDE_FIRST_BYTE_TIMEOUT', 'the handshake was not answered in time'));
    }, call.timeoutMs);
    let headers: IncomingHttpHeaders = {};
    socket.on('upgrade', (answer) => {
      headers = answer.headers;
    });
    socket.on('open', () => settle(() => handler.opened(socket, headers)));
    socket.on('unexpected-response', (request, answer) => {
      readRefusal(answer, (body) => {
        settle(() => handler.refused(answer.statusCode!, answer.headers, body));
        request.destroy();
        connection.destroy();
      });
    });
    // Stays for the life of the socket: what comes behind the settling is the relay's to hear, or nobody's.
    socket.on('error', (error) => settle(() => handler.failed(asFailure(error))));
    return () => {
      settle(() => undefined);
      socket.terminate();
      connection.destroy();
    };
  };
}

/** Reads until the end, the limit or the loss of the connection, whichever is first. */
function readRefusal(answer: IncomingMessage, done: (body: Buffer) => void): void {
  const pieces: Buffer[] = [];
  let bytes = 0;
  let isDone = false;
  const finish = () => {
    if (isDone) return;
    isDone = true;
    done(Buffer.concat(pieces).subarray(0, MAX_REFUSAL_BYTES));
  };
  answer.on('data', (piece: Buffer) => {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= MAX_REFUSAL_BYTES) finish();
  });
  answer.on('end', finish);
  answer.on('error', finish);
  answer.on('close', finish);
}

/** The library's own errors (a wrong accept key, a subprotocol nobody offered) have no code; Node's parser's begin with HPE. */
function asFailure(error: Error): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== undefined && !/^(HPE|WS_ERR)_/.test(code)) return error;
  return new UpstreamFailure('RINGSIDE_PROTOCOL', 'the handshake was not answered as it must be');
}
