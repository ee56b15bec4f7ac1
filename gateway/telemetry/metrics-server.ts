import { createServer, type Server } from 'node:http';

/**
 * Serves `/metrics` for Prometheus, on an address of its own: metrics are not for callers. What asks before there is something
 * to scrape waits for it: an answer says that the gateway serves.
 */
export function startMetricsServer(
  host: string,
  port: number,
  scrapable: Promise<() => string>,
): Promise<{ port: number; stop: () => Promise<void> }> {
  const server: Server = createServer(async (request, response) => {
    const scrape = await scrapable;
    if (request.url === '/healthz') return void response.end('ok\n');
    if (request.url?.split('?')[0] !== '/metrics') return void response.writeHead(404).end('see /metrics\n');
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(scrape());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : port,
        stop: () =>
          new Promise<void>((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
}
