import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TcpHandle } from '../listener.ts';

/** Longer than scrapers wait between scrapes: with Node's own 5 s one may send just when the connection is closed. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;

/**
 * Serves `/metrics` for Prometheus, on an address of its own: metrics are not for callers. What asks before there is something
 * to scrape waits for it: an answer says that the gateway serves. `address` may be a socket that another process has bound.
 */
export function startMetricsServer(
  address: { readonly host: string; readonly port: number } | TcpHandle,
  scrapable: Promise<() => string>,
): Promise<{ port: number; stop: () => Promise<void> }> {
  const server: Server = createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS }, async (request, response) => {
    const scrape = await scrapable;
    if (request.url === '/healthz') return void response.end('ok\n');
    if (request.url?.split('?')[0] !== '/metrics') return void response.writeHead(404).end('see /metrics\n');
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(scrape());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        stop: () =>
          new Promise<void>((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
}
