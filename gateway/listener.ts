import { type ChildProcess, spawn } from 'node:child_process';
import net from 'node:net';

/**
 * The one listening socket. The main thread binds it, exclusively, and never accepts on it: each worker listens on a
 * duplicate of the descriptor, so that a worker's death closes only its own duplicate, and connections wait in the backlog
 * instead of being refused when all workers are gone.
 *
 * Node cannot duplicate a descriptor, but handing a handle to another process does (SCM_RIGHTS): a short-lived child sends
 * it straight back. The handles themselves are never closed here; their descriptors belong to the workers.
 */
export interface Listener {
  readonly host: string;
  readonly port: number;
  /** Descriptors for this many workers. */
  duplicate(count: number): Promise<number[]>;
  /** Hands another duplicate to a child process, with a message that says what it is. */
  sendTo(child: ChildProcess, message: object): void;
  /** Lets go of the address: once the workers have closed theirs too, connections are refused instead of waiting for nobody. */
  close(): void;
}

/** A bound socket as it travels between processes: a Node handle as `net` makes it; the type is Node's own business. */
export interface TcpHandle {
  readonly fd: number;
  getsockname(out: object): number;
  close(): void;
}

type ServerHandleFactory = (address: string, port: number, family: 4 | 6) => TcpHandle | number;

export class AddressInUseError extends Error {
  override name = 'AddressInUseError';
}

// This is what node:cluster binds with: it binds without listening. Its public successor, net.BoundSocket (Node 26.4), keeps the handle to itself.
const bindHandle = (net as unknown as { _createServerHandle: ServerHandleFactory })._createServerHandle;

/** Binds `host:port` (port 0: any free one). Throws AddressInUseError when somebody has it. */
export function bindListener(host: string, port: number): Listener {
  const family = net.isIP(host) === 6 ? 6 : 4;
  const handle = bindHandle(host === 'localhost' ? '127.0.0.1' : host, port, family);
  if (typeof handle === 'number') throw bindError(handle, host, port);
  return createListener(handle, host, port);
}

/** Takes over a socket that another process has bound and handed to this one. */
export function adoptListener(handle: TcpHandle, host: string): Listener {
  return createListener(handle, host, 0);
}

function createListener(handle: TcpHandle, host: string, port: number): Listener {
  const address: { port?: number } = {};
  // libuv reports an address that is in use only here.
  const status = handle.getsockname(address);
  if (status !== 0) {
    handle.close();
    throw bindError(status, host, port);
  }
  const kept: TcpHandle[] = [];
  return {
    host,
    port: address.port!,
    async duplicate(count) {
      const copies = await sendRoundTrip(handle, count);
      kept.push(...copies);
      return copies.map((copy) => copy.fd);
    },
    sendTo: (child, message) => void child.send(message, handle as unknown as net.Server),
    close: () => handle.close(),
  };
}

const UV_EADDRINUSE = process.platform === 'darwin' ? -48 : -98;
const UV_EACCES = -13;

function bindError(status: number, host: string, port: number): Error {
  if (status === UV_EADDRINUSE) return new AddressInUseError(`${host}:${port} is taken`);
  const reason = status === UV_EACCES ? 'this port needs privileges' : `error ${status}`;
  return new Error(`${host}:${port} cannot be bound: ${reason}`);
}

const ECHO = 'process.on("message",(m,h)=>process.send(m,h))';
const ECHO_TIMEOUT_MS = 10_000;

async function sendRoundTrip(handle: TcpHandle, count: number): Promise<TcpHandle[]> {
  // An environment of its own: NODE_OPTIONS and the like are not meant for it, and may make it talk on the channel.
  const child = spawn(process.execPath, ['-e', ECHO], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: {} });
  const copies: TcpHandle[] = [];
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((done, failed) => {
      timer = setTimeout(() => failed(new Error('duplicating the listening socket took too long')), ECHO_TIMEOUT_MS);
      child.on('message', (_message, copy) => {
        copies.push(copy as unknown as TcpHandle);
        if (copies.length === count) done();
      });
      child.on('error', failed);
      child.on('exit', () => failed(new Error('the process that duplicates the listening socket ended early')));
      for (let i = 0; i < count; i++) child.send(i, handle as unknown as net.Server);
    });
  } finally {
    clearTimeout(timer);
    child.removeAllListeners('exit');
    child.kill();
  }
  return copies;
}
