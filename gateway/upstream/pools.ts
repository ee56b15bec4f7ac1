import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { type Dispatcher, Pool } from 'undici';
import { type AddressPolicy, literalAddress } from '#core/upstream-address.ts';

/** One HTTP call to an upstream, in the shape that the transport takes without copying. */
export interface UpstreamCall {
  readonly origin: string;
  readonly path: string;
  /** Flat: name, value, name, value, … */
  readonly headers: string[];
  readonly body: Buffer;
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** What the transport reports back; one object per call, no closures. See undici's DispatchHandler. */
export type UpstreamHandler = Dispatcher.DispatchHandler;
export type UpstreamController = Dispatcher.DispatchController;

export interface UpstreamPools {
  dispatch(call: UpstreamCall, handler: UpstreamHandler): void;
  close(): Promise<void>;
}

/** Raised when a target's address is not allowed; the message names no address. */
export class ForbiddenAddressError extends Error {
  override name = 'ForbiddenAddressError';
  readonly code = 'RINGSIDE_FORBIDDEN_ADDRESS';
}

/** Connection pools by origin and connect timeout. Redirects are never followed; every resolved address is checked. */
export function createUpstreamPools(policy: AddressPolicy): UpstreamPools {
  const pools = new Map<string, Pool>();
  const lookup = checkedLookup(policy);
  return {
    // hot
    dispatch(call, handler) {
      const key = `${call.connectTimeoutMs} ${call.origin}`;
      let pool = pools.get(key);
      if (pool === undefined) {
        pool = openPool(call, policy, lookup);
        pools.set(key, pool);
      }
      pool.dispatch(
        {
          path: call.path,
          method: 'POST',
          headers: call.headers,
          body: call.body,
          headersTimeout: call.firstByteTimeoutMs,
          bodyTimeout: call.idleTimeoutMs,
        },
        handler,
      );
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
}

function openPool(call: UpstreamCall, policy: AddressPolicy, lookup: LookupFunction): Pool {
  const { hostname } = new URL(call.origin);
  // A literal address is never looked up, so it is checked here.
  const literal = literalAddress(hostname);
  if (literal !== undefined && !policy.allowsHost(hostname) && !policy.allowsAddress(literal)) {
    throw new ForbiddenAddressError('the address is private and not listed');
  }
  return new Pool(call.origin, {
    pipelining: 1,
    allowH2: false,
    // Servers such as uvicorn close idle connections after 5 s without saying so before.
    keepAliveTimeout: 4_000,
    connect: { timeout: call.connectTimeoutMs, lookup },
  });
}

/** Resolves a name and refuses the connection when any of its addresses is not allowed: checked where it is used, so that rebinding gains nothing. */
function checkedLookup(policy: AddressPolicy): LookupFunction {
  return (hostname, options, callback) => {
    systemLookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '');
      if (!policy.allowsHost(hostname) && addresses.some(({ address }) => !policy.allowsAddress(address))) {
        return callback(new ForbiddenAddressError('the name resolves to a private address that is not listed'), '');
      }
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      callback(null, first!.address, first!.family);
    });
  };
}
