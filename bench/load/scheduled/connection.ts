import { connect, type Socket } from 'node:net';
import { createAnswerReader } from './answer-reader.ts';

/**
 * One keep-alive connection that carries one request at a time and opens itself anew when it breaks.
 *
 *   opening ──connected──▶ free ──send──▶ busy ──answer──▶ free
 *      ▲────────── broken, closed by the server ───────────┘        close() ends it in any state
 */
export interface Connection {
  /** Sends the prebuilt request for the scheduled request `index`. Only when free. */
  send(index: number): void;
  /** The scheduled request that is under way. */
  readonly busyWith: number | null;
  close(): void;
}

export interface ConnectionEvents {
  readonly host: string;
  readonly port: number;
  readonly request: Buffer;
  /** It is open and can take a request. */
  onFree(connection: Connection): void;
  /** It cannot take one any more; it opens itself anew. */
  onLost(connection: Connection): void;
  /** `status` null: the connection broke, or the answer was not HTTP as we read it. */
  onResult(index: number, status: number | null): void;
}

const REOPEN_AFTER_MS = 50;

export function openConnection(events: ConnectionEvents): Connection {
  let busyWith: number | null = null;
  let ended = false;
  let reopen: NodeJS.Timeout | null = null;
  let socket: Socket;

  const settle = (status: number | null): void => {
    const index = busyWith;
    busyWith = null;
    if (index !== null) events.onResult(index, status);
  };
  const open = (): void => {
    reopen = null;
    const mine = connect({ host: events.host, port: events.port, noDelay: true });
    socket = mine;
    let leaving = false;
    const reader = createAnswerReader(({ status, last }) => {
      if (busyWith === null) throw new Error('an answer that nobody asked for');
      leaving = last;
      settle(status);
      if (leaving) mine.destroy();
      else events.onFree(connection);
    });
    mine.on('connect', () => events.onFree(connection));
    mine.on('data', (bytes: Buffer) => {
      try {
        reader.push(bytes);
      } catch (error) {
        mine.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
    mine.on('error', () => undefined); // 'close' follows, and counts it
    mine.on('close', () => {
      events.onLost(connection);
      settle(null);
      if (!ended) reopen = setTimeout(open, leaving ? 0 : REOPEN_AFTER_MS);
    });
  };
  const connection: Connection = {
    get busyWith() {
      return busyWith;
    },
    send(index) {
      busyWith = index;
      socket.write(events.request);
    },
    close() {
      ended = true;
      if (reopen !== null) clearTimeout(reopen);
      socket.destroy();
    },
  };
  open();
  return connection;
}
