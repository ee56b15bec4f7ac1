import type { Server } from 'node:http';
import net from 'node:net';

/** A request that was sent while we stopped has this long to arrive. */
const IDLE_GRACE_MS = 300;
const TURN_MS = 10;
/** How long exchanges may take to hear that their connections are gone, though the limit is reached. */
const MIN_TURNS = 100;

/**
 * Stops accepting; answers what still comes on open connections with `Connection: close`, closes the idle ones after a
 * moment, lets answers finish, and cuts what is left at the limit. Resolves when every exchange is recorded.
 * @param isBusy whether an exchange is under way, or its end not written yet: it may wait for the digest of a large request
 *   whose caller has left
 * @param cutSessions ends what is no exchange of HTTP any more: sessions over WebSocket
 */
export async function drain(
  server: Server,
  drainMs: number,
  isBusy: () => boolean,
  cutSessions: () => void,
): Promise<void> {
  // Before the handler, which may send the head of a refusal at once.
  server.prependListener('request', (_request, response) => response.setHeader('connection', 'close'));
  // Not server.close() of node:http, which would cut idle connections while a request is on its way to them.
  const closed = new Promise<void>((done) => net.Server.prototype.close.call(server, () => done()));
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_GRACE_MS);
  let isLimitReached = false;
  const limit = setTimeout(() => {
    isLimitReached = true;
    server.closeAllConnections();
    cutSessions();
  }, drainMs);
  await closed;
  clearInterval(idle);
  // The connections are gone; their exchanges hear of it in the next turns of the loop.
  for (let turn = 0; isBusy() && (turn < MIN_TURNS || !isLimitReached); turn++) {
    await new Promise((next) => setTimeout(next, TURN_MS));
  }
  clearTimeout(limit);
}
