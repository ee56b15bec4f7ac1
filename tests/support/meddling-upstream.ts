import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import net from 'node:net';
import { headersOf } from './raw-request.ts';

/** What the simulator answered, whole. */
export interface GoodAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What goes to the gateway instead. */
export interface BadAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Written one after the other, as chunks of a chunked answer. */
  readonly pieces: readonly (string | Buffer)[];
  /** The connection is reset behind them; else the answer ends as HTTP wants it. */
  readonly reset?: boolean;
}

/** Makes a bad answer out of the good one. */
export type Meddle = (good: GoodAnswer) => BadAnswer;

export interface MeddlingUpstream {
  readonly url: string;
  /** From now on. */
  meddle(how: Meddle): void;
  close(): Promise<void>;
}

/**
 * A provider between the gateway and the simulator: it asks the simulator and answers what a test makes of it. So the bytes are those of
 * the provider's kind, but for what the test breaks.
 */
export async function startMeddlingUpstream(simulatorUrl: string): Promise<MeddlingUpstream> {
  let how: Meddle = ({ body }) => ({ pieces: [body] });
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    let received: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const asked = headersOf(received);
      if (asked === null) return;
      received = Buffer.alloc(0);
      forward(simulatorUrl, asked).then(
        (good) => answer(socket, how(good)),
        () => socket.destroy(),
      );
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    meddle(next) {
      how = next;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function forward(simulatorUrl: string, asked: NonNullable<ReturnType<typeof headersOf>>): Promise<GoodAnswer> {
  const { method, path, headers, body } = asked;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${simulatorUrl}${path}`,
      { method, headers, agent: false },
      (incoming: IncomingMessage) => {
        const pieces: Buffer[] = [];
        incoming.on('data', (piece: Buffer) => pieces.push(piece));
        incoming.on('error', reject);
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode!, headers: incoming.headers, body: Buffer.concat(pieces) }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function answer(socket: net.Socket, { status = 200, headers = {}, pieces, reset = false }: BadAnswer): void {
  const lines = Object.entries({ ...headers, 'transfer-encoding': 'chunked' }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  socket.write(`HTTP/1.1 ${status} Whatever\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  for (const piece of pieces) {
    const bytes = Buffer.from(piece);
    if (bytes.length === 0) continue;
    socket.write(`${bytes.length.toString(16)}\r\n`);
    socket.write(bytes);
    socket.write('\r\n');
  }
  if (!reset) return void socket.write('0\r\n\r\n');
  // What was written must leave before the reset, which would throw it away.
  socket.write('', () => setImmediate(() => socket.resetAndDestroy()));
}
