import { WebSocket } from 'ws';

/** A sender that has this much waiting in front of a slow reader is not read from until half of it has gone. */
const MAX_WAITING_BYTES = 1_048_576;
/** Pings that a peer may leave unanswered in a row, and pings for which it may hold up the other side. */
const MAX_SILENT_TICKS = 2;

export type Peer = 'caller' | 'upstream';

/** How a session ended: by a close frame (1005: without a code) or the loss of a connection (1006), or by us. */
export type SessionEnd =
  | { readonly kind: 'closed'; readonly by: Peer; readonly code: number; readonly reason: string }
  /** Frames that RFC 6455 does not allow, or a message that is too large; `code` has been sent to the peer. */
  | { readonly kind: 'broken'; readonly by: Peer; readonly code: number }
  /** It neither answers pings nor reads. */
  | { readonly kind: 'silent'; readonly by: Peer }
  | { readonly kind: 'idle' | 'overlong' | 'stopped' };

export interface RelayOptions {
  /** Between two pings. Every deadline is counted in them: never early, at most one late. */
  readonly pingMs: number;
  /** Without any message. */
  readonly idleMs: number;
  readonly maxMs: number;
  /** Looks at a message of the upstream's, and says what is passed on in its place. */
  readonly inspect: (data: Buffer, isBinary: boolean) => Buffer;
  /** Comes once; nothing is passed on after it. Closing is the receiver's to do. */
  readonly onEnd: (end: SessionEnd) => void;
}

interface Side {
  readonly peer: Peer;
  readonly socket: WebSocket;
  /** Of messages that came from it. */
  bytes: number;
  isPaused: boolean;
  wasHeard: boolean;
  silentTicks: number;
}

/**
 * Passes messages on between two open WebSockets, with back-pressure: what waits for a slow reader is one message more than
 * MAX_WAITING_BYTES. Pings and pongs stay on their hop.
 *
 *   open ──close frame, loss, bad frame, deadline, stop()──▶ ended
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #caller: Side;
  readonly #upstream: Side;
  readonly #timer: NodeJS.Timeout;
  #hasEnded = false;
  #ticks = 0;
  #idleTicks = 0;

  constructor(caller: WebSocket, upstream: WebSocket, options: RelayOptions) {
    this.#options = options;
    this.#caller = this.#side('caller', caller);
    this.#upstream = this.#side('upstream', upstream);
    this.#listen(this.#caller, this.#upstream);
    this.#listen(this.#upstream, this.#caller);
    this.#timer = setInterval(() => this.#tick(), options.pingMs);
    this.#timer.unref();
  }

  /** Bytes of the caller's messages. */
  get callerBytes(): number {
    return this.#caller.bytes;
  }

  stop(): void {
    this.#end({ kind: 'stopped' });
  }

  #side(peer: Peer, socket: WebSocket): Side {
    return { peer, socket, bytes: 0, isPaused: false, wasHeard: true, silentTicks: 0 };
  }

  #listen(from: Side, to: Side): void {
    const { socket, peer } = from;
    socket.on('message', (data, isBinary) => this.#forward(from, to, data as Buffer, isBinary));
    const heard = () => {
      from.wasHeard = true;
    };
    socket.on('ping', heard);
    socket.on('pong', heard);
    socket.on('error', (error) => {
      const code = closeCodeOf(error);
      if (code !== null) this.#end({ kind: 'broken', by: peer, code });
    });
    socket.on('close', (code, reason) => {
      this.#end({ kind: 'closed', by: peer, code, reason: reason.toString('utf8') });
    });
  }

  // hot: once a message
  #forward(from: Side, to: Side, data: Buffer, isBinary: boolean): void {
    if (this.#hasEnded) return;
    from.wasHeard = true;
    from.bytes += data.length;
    this.#idleTicks = 0;
    if (to.socket.readyState !== WebSocket.OPEN) return;
    const passed = from.peer === 'upstream' ? this.#options.inspect(data, isBinary) : data;
    to.socket.send(passed, { binary: isBinary }, () => this.#relieve(from, to));
    if (!from.isPaused && to.socket.bufferedAmount > MAX_WAITING_BYTES) {
      from.isPaused = true;
      from.socket.pause();
    }
  }

  #relieve(from: Side, to: Side): void {
    if (!from.isPaused || to.socket.bufferedAmount > MAX_WAITING_BYTES / 2) return;
    this.#resume(from);
  }

  #resume(side: Side): void {
    side.isPaused = false;
    side.wasHeard = true;
    side.socket.resume();
  }

  #tick(): void {
    const { pingMs, idleMs, maxMs } = this.#options;
    if (++this.#ticks * pingMs > maxMs) return this.#end({ kind: 'overlong' });
    if (++this.#idleTicks * pingMs > idleMs) return this.#end({ kind: 'idle' });
    this.#check(this.#caller, this.#upstream);
    this.#check(this.#upstream, this.#caller);
  }

  /** A side that we do not read from cannot be heard: then it is the other one's fault, unless that has read on meanwhile. */
  #check(side: Side, other: Side): void {
    if (this.#hasEnded) return;
    if (side.wasHeard) side.silentTicks = 0;
    else if (++side.silentTicks > MAX_SILENT_TICKS) {
      return this.#end({ kind: 'silent', by: side.isPaused ? other.peer : side.peer });
    }
    side.wasHeard = false;
    if (side.socket.readyState === WebSocket.OPEN) side.socket.ping();
  }

  #end(end: SessionEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearInterval(this.#timer);
    // Their close frames are behind what we have not read.
    for (const side of [this.#caller, this.#upstream]) if (side.isPaused) this.#resume(side);
    this.#options.onEnd(end);
  }
}

/** What the library has told the peer about its frames; null for an error of the connection, which `close` follows. */
function closeCodeOf(error: Error): number | null {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || !code.startsWith('WS_ERR_')) return null;
  switch (code) {
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH':
      return 1009;
    case 'WS_ERR_INVALID_UTF8':
      return 1007;
    case 'WS_ERR_TOO_MANY_BUFFERED_PARTS':
      return 1008;
    default:
      return 1002;
  }
}
