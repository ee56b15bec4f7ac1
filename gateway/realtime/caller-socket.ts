import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { SESSION_LIMITS } from '../upstream/session-socket.ts';

const MAX_EARLY_BYTES = 65_536;

/** The connection of a caller that asks for a session: Node has let go of it, so that nothing but this answers on it. */
export interface CallerSocket {
  /** For an answer over HTTP, after which the connection is closed. */
  readonly outgoing: ServerResponse;
  /** Answers the handshake instead; null when the caller has left. `headers` are names and values in turn. */
  open(headers: readonly string[], protocol: string): WebSocket | null;
}

/** @throws when the connection still answers a request in front of this one */
export function takeCallerSocket(incoming: IncomingMessage, socket: Socket, head: Buffer): CallerSocket {
  // The connection has no other listener: without one, a caller's reset would end the process.
  socket.on('error', () => undefined);
  const outgoing = new ServerResponse(incoming);
  outgoing.shouldKeepAlive = false;
  outgoing.assignSocket(socket);
  outgoing.once('finish', () => socket.destroySoon());
  // Only who reads hears that the other end has gone. Clients have nothing to say before the handshake is answered.
  const early = [head];
  let earlyBytes = head.length;
  const keep = (bytes: Buffer) => {
    early.push(bytes);
    earlyBytes += bytes.length;
    if (earlyBytes > MAX_EARLY_BYTES) socket.destroy();
  };
  const leave = () => socket.destroy();
  socket.on('data', keep);
  socket.on('end', leave);
  return {
    outgoing,
    open(headers, protocol) {
      outgoing.detachSocket(socket);
      socket.off('data', keep);
      socket.off('end', leave);
      const server = new WebSocketServer({
        noServer: true,
        clientTracking: false,
        ...SESSION_LIMITS,
        handleProtocols: () => (protocol === '' ? false : protocol),
      });
      server.on('headers', (lines) => {
        for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
      });
      let opened: WebSocket | null = null;
      server.handleUpgrade(incoming, socket, Buffer.concat(early), (client) => {
        opened = client;
      });
      return opened;
    },
  };
}
