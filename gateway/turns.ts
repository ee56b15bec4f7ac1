import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests that may wait on one connection for the answer in front of them. Clients that pipeline send a handful. */
const MAX_WAITING = 16;

/** The requests of one connection that are behind another. */
interface Line {
  waiting: number;
  /** One was refused: its answer ends the connection, and what comes behind it is never answered (RFC 9112, section 9.3.2). */
  isRefusing: boolean;
}

/** Lets a pipelined request wait for its turn. Call it only when the connection answers another one: `outgoing.socket` is null then. */
export type Turns = (incoming: IncomingMessage, outgoing: ServerResponse, begin: () => void) => void;

/**
 * One exchange at a time on a connection. Node hands out pipelined requests as it reads them and puts only their answers in
 * order, so that one connection could have any number of exchanges under way, whatever the connection limit; and an
 * answer that is not yet on its connection never hears that its caller has left.
 *
 * Nothing more is read meanwhile. What one read brought is parsed already, so that there may be some hundred requests: all
 * but the first ones are refused, by `refuse` and the end of the connection.
 */
export function createTurns(refuse: (outgoing: ServerResponse) => void): Turns {
  const lines = new WeakMap<Socket, Line>();
  return (incoming, outgoing, begin) => {
    const { socket } = incoming;
    const line = lines.get(socket) ?? { waiting: 0, isRefusing: false };
    lines.set(socket, line);
    if (line.isRefusing) return;
    socket.pause();
    if (line.waiting === MAX_WAITING) {
      line.isRefusing = true;
      return refuse(outgoing);
    }
    line.waiting++;
    // The answer in front has ended, and this one is given the connection.
    outgoing.once('socket', () => {
      line.waiting--;
      if (line.waiting === 0 && !line.isRefusing) socket.resume();
      begin();
    });
  };
}
