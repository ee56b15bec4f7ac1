import type { AddressInfo, Server } from 'node:net';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import type { UpstreamCall, UpstreamController, UpstreamHandler, UpstreamHeaders } from '#gateway/upstream/handler.ts';
import { createUpstreamPools } from '#gateway/upstream/pools.ts';
import { addHeader, bindEndpoint, bindHead, NO_HEADERS } from '#gateway/upstream/request-head.ts';

/** What one call heard, and what can be done about it meanwhile. */
export class CallLog implements UpstreamHandler {
  readonly events: string[] = [];
  status = 0;
  headers: UpstreamHeaders = {};
  body = '';
  error: Error & { code?: string } = new Error('there was none');
  controller: UpstreamController | null = null;
  /** Called behind each event. */
  on: (event: string) => void = () => undefined;
  /** Resolves at the end or the error. */
  readonly over: Promise<this>;
  #finish: (log: this) => void = () => undefined;

  constructor() {
    this.over = new Promise((done) => {
      this.#finish = done;
    });
  }

  onRequestStart(controller: UpstreamController): void {
    this.controller = controller;
    this.#note('start');
  }

  onResponseStart(_controller: UpstreamController, status: number, headers: UpstreamHeaders): void {
    this.status = status;
    this.headers = headers;
    this.#note('head');
  }

  onResponseData(_controller: UpstreamController, chunk: Buffer): void {
    this.body += chunk.toString('latin1');
    if (this.events.at(-1) !== 'data') this.events.push('data');
    this.on('data');
  }

  onResponseEnd(): void {
    this.#note('end');
    this.#finish(this);
  }

  onResponseError(_controller: UpstreamController, error: Error): void {
    this.error = error;
    this.#note('error');
    this.#finish(this);
  }

  #note(event: string): void {
    this.events.push(event);
    this.on(event);
  }
}

export interface CallOptions {
  body?: readonly Buffer[];
  headers?: readonly [string, string][];
  connectTimeoutMs?: number;
  firstByteTimeoutMs?: number;
  idleTimeoutMs?: number;
}

/** A call as a bound target and a request make it. */
export function callTo(origin: string, options: CallOptions = {}): UpstreamCall {
  const body = options.body ?? [Buffer.from('{}')];
  const add = (lines: typeof NO_HEADERS, [name, value]: [string, string]) => addHeader(lines, name, value);
  return {
    endpoint: bindEndpoint(origin, options.connectTimeoutMs ?? 5_000),
    head: bindHead(origin, '/v1/x', ['content-type', 'application/json']),
    headers: (options.headers ?? []).reduce(add, NO_HEADERS),
    body,
    bodyBytes: body.reduce((sum, piece) => sum + piece.length, 0),
    firstByteTimeoutMs: options.firstByteTimeoutMs ?? 10_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 10_000,
  };
}

/** Pools that may call this machine, on a clock that can be put forward. */
export function createClient(privateUpstreams = '127.0.0.0/8,localhost', maxConnections?: number) {
  let aheadMs = 0;
  const nowMs = () => performance.now() + aheadMs;
  const policy = parseAddressPolicy(privateUpstreams);
  const pools = createUpstreamPools({ policy, nowMs, ...(maxConnections === undefined ? {} : { maxConnections }) });
  return {
    pools,
    putForward(ms: number) {
      aheadMs += ms;
    },
    send(origin: string, options: CallOptions = {}, prepare: (log: CallLog) => void = () => undefined): CallLog {
      const log = new CallLog();
      prepare(log);
      pools.dispatch(callTo(origin, options), log, nowMs());
      return log;
    },
  };
}

/** Listens on a free port and returns the origin. */
export async function listen(server: Server, scheme = 'http'): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
