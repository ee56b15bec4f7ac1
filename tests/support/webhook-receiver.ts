import { createHmac } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedCall {
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export type Reply = (response: http.ServerResponse, call: ReceivedCall) => void;

/** A real HTTP server on loopback that keeps what it gets and answers as the test says. */
export async function startWebhookReceiver(reply: Reply = (response) => void response.writeHead(204).end()) {
  const calls: ReceivedCall[] = [];
  const receiver = { url: '', calls, reply, stop: async () => {} };
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const call = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString('utf8') };
      calls.push(call);
      receiver.reply(response, call);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  receiver.stop = () =>
    new Promise<void>((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  return receiver;
}

export type WebhookReceiver = Awaited<ReturnType<typeof startWebhookReceiver>>;

/** Checks a signature as the documentation tells receivers to: from the header, the raw body and the secret alone. */
export function isSigned({ headers, body }: ReceivedCall, secret: string): boolean {
  const parts = new Map(
    String(headers['x-ringside-signature'])
      .split(',')
      .map((part) => part.split('=') as [string, string]),
  );
  return (
    createHmac('sha256', secret)
      .update(`${parts.get('t')}.${body}`)
      .digest('hex') === parts.get('v1')
  );
}
