import http from 'node:http';
import type net from 'node:net';

/** An HTTP proxy on loopback that stands between a client and its server, and can close. */
export interface HttpGate {
  readonly port: number;
  /** Asked when the server has answered, before the client hears of it. */
  onAnswered: (path: string) => void | Promise<void>;
  /** Closed, it cuts every connection, open ones too. */
  setOpen(open: boolean): void;
  close(): Promise<void>;
}

export function startHttpGate(targetPort: number): Promise<HttpGate> {
  let isOpen = true;
  const sockets = new Set<net.Socket>();
  const pass = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const { method, url, headers } = request;
      const onward = http.request({ host: '127.0.0.1', port: targetPort, method, path: url, headers }, resolve);
      onward.on('error', reject);
      onward.end(Buffer.concat(chunks));
    });
    const body: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) body.push(chunk);
    await gate.onAnswered(decodeURIComponent((request.url ?? '').replaceAll('+', ' ')));
    response.writeHead(answer.statusCode ?? 502, answer.headers).end(Buffer.concat(body));
  };
  const server = http.createServer((request, response) => {
    pass(request, response).catch(() => request.socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    if (!isOpen) socket.destroy();
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const gate = {
    port: 0,
    onAnswered: (_path: string): void | Promise<void> => undefined,
    setOpen(open: boolean) {
      isOpen = open;
      if (!open) cut();
    },
    close() {
      cut();
      return new Promise<void>((done) => server.close(() => done()));
    },
  };
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      gate.port = (server.address() as net.AddressInfo).port;
      resolve(gate);
    });
  });
}
