import net from 'node:net';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { WebSocket } from 'ws';
import { waitFor } from './wait.ts';

/** One end of a session over WebSocket, and what came over it. */
export interface Recorded {
  readonly socket: WebSocket;
  readonly events: Record<string, unknown>[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Headers of the handshake's answer. */
  readonly headers: Record<string, string | string[] | undefined>;
  send(event: object): void;
  /** The first event of this type that is not among the first `after`. */
  event(type: string, after?: number): Promise<Record<string, unknown>>;
}

/** The answer to a handshake that was refused over HTTP. */
export class Refused extends Error {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
  constructor(status: number, headers: Refused['headers'], body: string) {
    super(`refused with ${status}: ${body}`);
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

/** Opens a session. @throws Refused */
export function openSession(url: string, protocols: string[], headers: Record<string, string>): Promise<Recorded> {
  const socket = new WebSocket(url, protocols, { headers, perMessageDeflate: false });
  let answered: Recorded['headers'] = {};
  const recorded = record(socket, () => answered);
  return new Promise((resolve, reject) => {
    socket.on('upgrade', (answer) => {
      answered = answer.headers;
    });
    socket.on('open', () => resolve(recorded));
    socket.on('error', reject);
    socket.on('unexpected-response', (_request, answer) => {
      let body = '';
      answer.on('data', (piece: Buffer) => {
        body += piece.toString();
      });
      answer.on('end', () => reject(new Refused(answer.statusCode!, answer.headers, body)));
    });
  });
}

function record(socket: WebSocket, headers: () => Recorded['headers']): Recorded {
  const events: Record<string, unknown>[] = [];
  socket.on('message', (data: Buffer) => events.push(JSON.parse(data.toString('utf8')) as Record<string, unknown>));
  socket.on('error', () => undefined);
  const closed = new Promise<{ code: number; reason: string }>((done) => {
    socket.once('close', (code, reason) => done({ code, reason: reason.toString('utf8') }));
  });
  return {
    ...{ socket, events, closed },
    get headers() {
      return headers();
    },
    send: (event) => socket.send(JSON.stringify(event)),
    event: (type, after = 0) =>
      waitFor(`the event ${type}`, () => events.slice(after).find((event) => event['type'] === type)),
  };
}

/** The official client. It insists on TLS, which the gateway leaves to what stands in front of it: the bytes go there as they are. */
export function openOfficialSession(port: number, apiKey: string, model: string): OpenAIRealtimeWS {
  const client = new OpenAI({ apiKey, baseURL: `https://127.0.0.1:${port}/v1` });
  const createConnection = (() => net.connect(port, '127.0.0.1')) as typeof net.createConnection;
  return new OpenAIRealtimeWS({ model, options: { createConnection } }, client);
}
