import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';
import { type AddressPolicy, literalAddress } from '#core/upstream-address.ts';

/** Why a call outside has no answer. */
export type OutboundFault = 'forbidden_address' | 'timeout' | 'aborted' | 'connection';

export class OutboundError extends Error {
  override name = 'OutboundError';
  readonly fault: OutboundFault;

  constructor(fault: OutboundFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.fault = fault;
  }
}

export interface OutboundAnswer {
  readonly status: number;
  /** As UTF-8, at most `maxAnswerBytes` of it. */
  readonly body: string;
}

export interface OutboundLimits {
  /** For everything: name, connection, request and answer. */
  readonly timeoutMs: number;
  /** What is longer is cut there, and the connection with it. */
  readonly maxAnswerBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Calls to addresses that an operator named: webhooks, evaluators. */
export interface Outbound {
  /**
   * Sends a body and gives the answer, whatever its status. Redirects are answers like any other: nobody follows them.
   * @throws OutboundError
   */
  post(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    limits: OutboundLimits,
  ): Promise<OutboundAnswer>;
}

/** Resolves a name to all of its addresses, as `dns.lookup` does. */
export type Resolve = (
  hostname: string,
  options: { readonly all: true },
  callback: (error: Error | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * Each call takes a connection of its own, and the address is checked where the connection is made: a name that resolves to
 * something else a moment later gains nothing.
 */
export function createOutbound(deps: { readonly policy: AddressPolicy; readonly resolve?: Resolve }): Outbound {
  const lookup = checkedLookup(deps.policy, deps.resolve ?? systemLookup);
  return {
    post(url, headers, body, limits) {
      const target = new URL(url);
      const literal = literalAddress(target.hostname);
      // Node never looks up a literal address.
      if (literal !== undefined && !deps.policy.allowsHost(target.hostname) && !deps.policy.allowsAddress(literal)) {
        return Promise.reject(forbidden(target.hostname));
      }
      return send(target, headers, body, limits, lookup);
    },
  };
}

function send(
  target: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  { timeoutMs, maxAnswerBytes, signal }: OutboundLimits,
  lookup: LookupFunction,
): Promise<OutboundAnswer> {
  return new Promise((resolve, reject) => {
    const { request } = target.protocol === 'https:' ? https : http;
    const bytes = Buffer.from(body);
    const outgoing = request(target, {
      method: 'POST',
      headers: { ...headers, 'content-length': bytes.byteLength },
      agent: false,
      lookup,
    });
    const abort = () => outgoing.destroy(new OutboundError('aborted', 'the call was given up'));
    const timer = setTimeout(() => {
      outgoing.destroy(new OutboundError('timeout', `no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    const fail = (error: Error) => {
      settle();
      reject(error instanceof OutboundError ? error : new OutboundError('connection', messageOf(error), error));
    };
    outgoing.on('error', fail);
    outgoing.on('response', (answer) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const done = () => {
        settle();
        const whole = Buffer.concat(chunks).subarray(0, maxAnswerBytes);
        resolve({ status: answer.statusCode ?? 0, body: whole.toString('utf8') });
      };
      answer.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.byteLength;
        if (size < maxAnswerBytes) return;
        done();
        outgoing.destroy(); // what follows is not wanted
      });
      answer.on('end', done);
      answer.on('error', fail);
    });
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    else outgoing.end(bytes);
  });
}

function checkedLookup(policy: AddressPolicy, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '');
      if (!policy.allowsHost(hostname) && addresses.some(({ address }) => !policy.allowsAddress(address))) {
        return callback(forbidden(hostname), '');
      }
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      if (first === undefined) return callback(new Error(`${hostname} has no address`), '');
      callback(null, first.address, first.family);
    });
  };
}

function forbidden(host: string): OutboundError {
  return new OutboundError(
    'forbidden_address',
    `"${host}" is at a private address; an operator can allow it in RINGSIDE_PRIVATE_UPSTREAMS`,
  );
}

/** Several addresses that all refused come as one error without a message. */
function messageOf(error: Error): string {
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  return first instanceof Error && first.message !== '' ? first.message : error.name;
}
