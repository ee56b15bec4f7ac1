import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import type { Behaviour } from '../../behaviour.ts';
import type { BehaviourRegistry } from '../../behaviour-registry.ts';
import type { Clock } from '../../clock.ts';
import type { Problem } from '../../dialect.ts';
import { drawRequest } from '../../draw.ts';
import type { Journal, JournalEntry } from '../../journal.ts';
import { createRandom, drawText, type Random } from '../../random.ts';
import { refuse } from './errors.ts';
import { openRealtimeSession, type RealtimeEvent } from './realtime.ts';

const PATH = '/v1/realtime';
/** 15 MB of sound in base64, and the event around it. */
const MAX_MESSAGE_BYTES = 24 * 1_048_576;
const MAX_WAITING_BYTES = 1_048_576;

export interface RealtimeDeps {
  readonly registry: BehaviourRegistry;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly seed: number;
  readonly requiredApiKey: string | undefined;
  readonly strictModels: boolean;
}

/** `GET /v1/realtime?model=…` as a WebSocket. */
export interface RealtimeServer {
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Destroys what is open. */
  close(): void;
}

/**
 * Behaviours: errors and resets before the headers meet the handshake, a black hole never answers it; `resetRate` destroys the
 * connection after `resetAfterTokens` tokens of an answer.
 */
export function createRealtimeServer(deps: RealtimeDeps): RealtimeServer {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: (offered) => (offered.has('realtime') ? 'realtime' : false),
  });
  const open = new Set<Duplex>();
  return {
    handle(request, socket, head) {
      open.add(socket);
      socket.on('error', () => undefined);
      const { url = '/', rawHeaders, method = 'GET' } = request;
      const { pathname, searchParams, search } = new URL(url, 'http://simulator');
      const entry = deps.journal.open({
        ...{ atMs: deps.clock.nowMs(), method, path: pathname, query: search.slice(1), rawHeaders },
      });
      socket.once('close', () => {
        open.delete(socket);
        // Of an open session its own end says more.
        if (entry.outcome === 'open' && entry.status !== 101) entry.outcome = 'aborted';
      });
      const problem = problemOf(deps, request, pathname, searchParams);
      if (problem !== null) return answer(socket, entry, problem);
      const model = searchParams.get('model')!;
      deps.journal.setModel(entry, model, true);
      const behaviour = deps.registry.of(model);
      const random = createRandom(`turn ${deps.seed} ${model} ${deps.registry.takeTurn(model)}`);
      const { fate } = drawRequest(behaviour, random);
      switch (fate.kind) {
        case 'black-hole':
          // Only who reads hears that the client has left.
          return void socket.resume().once('end', () => socket.destroy());
        case 'reset-before-headers':
          return void socket.destroy();
        case 'html':
          return answer(socket, entry, null);
        case 'error':
          return answer(socket, entry, {
            retryAfterSeconds: undefined,
            message: undefined,
            ...fate.error,
            kind: 'injected',
            model,
          });
        case 'answer': {
          server.once('headers', (headers) => headers.push(`x-request-id: req_${drawText(random, 32)}`));
          const cutAfter = fate.cut?.kind === 'reset' ? fate.cut.afterTokens : Number.POSITIVE_INFINITY;
          server.handleUpgrade(request, socket, head, (client) => {
            entry.status = 101;
            serve(client, entry, model, behaviour, random, cutAfter);
          });
          return;
        }
        default:
          fate satisfies never;
      }
    },
    close() {
      for (const socket of open) socket.destroy();
    },
  };
}

/** Sends as fast as the client reads; what it says meanwhile is answered behind that. */
function serve(
  client: WebSocket,
  entry: JournalEntry,
  model: string,
  behaviour: Behaviour,
  random: Random,
  cutAfter: number,
): void {
  const session = openRealtimeSession(model, behaviour, random);
  let tokens = 0;
  let turn = Promise.resolve();
  const send = async ({ event, tokens: more }: RealtimeEvent) => {
    tokens += more;
    if (tokens > cutAfter) {
      entry.outcome = 'cut';
      return client.terminate();
    }
    const text = JSON.stringify(event);
    if (client.bufferedAmount < MAX_WAITING_BYTES) client.send(text);
    else await new Promise<void>((sent) => client.send(text, () => sent()));
  };
  client.on('error', () => undefined);
  client.on('message', (data: Buffer) => {
    entry.bodyBytes += data.length;
    turn = turn.then(async () => {
      for (const event of session.answer(data.toString('utf8'))) {
        if (client.readyState !== WebSocket.OPEN) return;
        await send(event);
      }
    });
  });
  client.on('close', (code) => {
    if (entry.outcome === 'open') entry.outcome = code === 1006 ? 'aborted' : 'completed';
  });
  void send(session.created);
}

function problemOf(deps: RealtimeDeps, request: IncomingMessage, path: string, query: URLSearchParams): Problem | null {
  if (path !== PATH) return { kind: 'unknown-path', method: request.method ?? 'GET', path };
  const key = presentedKey(request);
  if (deps.requiredApiKey !== undefined) {
    if (key === undefined) return { kind: 'missing-api-key' };
    if (key !== deps.requiredApiKey) return { kind: 'wrong-api-key', presentedKey: key };
  }
  const model = query.get('model');
  if (model === null) {
    return { kind: 'bad-request', message: "Missing required parameter: 'model'.", field: 'model', missing: true };
  }
  return deps.strictModels && !deps.registry.knows(model) ? { kind: 'unknown-model', model } : null;
}

function presentedKey({ headers }: IncomingMessage): string | undefined {
  const protocol = /(?:^|,)\s*openai-insecure-api-key\.([^\s,]+)/.exec(headers['sec-websocket-protocol'] ?? '');
  return /^bearer +(\S+)\s*$/i.exec(headers.authorization ?? '')?.[1] ?? protocol?.[1];
}

/** An answer over HTTP; null: a web page, as a captive portal sends. */
function answer(socket: Duplex, entry: JournalEntry, problem: Problem | null): void {
  const { status, headers, body } =
    problem === null ? { status: 200, headers: {}, body: '<!DOCTYPE html><html></html>\n' } : refuse(problem);
  entry.status = status;
  entry.outcome = 'completed';
  const all = {
    'content-type': problem === null ? 'text/html' : 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} Refused\r\n${lines.join('')}\r\n${body}`);
}
