import { lookup as systemLookup } from 'node:dns';
import net, { type LookupFunction, type Socket } from 'node:net';
import tls from 'node:tls';
import { type AddressPolicy, literalAddress } from '#core/upstream-address.ts';
import { UpstreamFailure } from './failures.ts';

const KEEP_ALIVE_PROBE_MS = 60_000;

/** Opens connections to one origin. */
export interface Connector {
  /** `onConnected` comes once, also after the TLS handshake where there is one, or never: then the socket has an error. */
  open(onConnected: () => void): Socket;
}

/**
 * Checks the origin and prepares connections to it; each resolved address is checked when it is used.
 * @throws UpstreamFailure RINGSIDE_FORBIDDEN_ADDRESS for a literal address that is not allowed; it is never looked up
 */
export function createConnector(origin: string, connectTimeoutMs: number, policy: AddressPolicy): Connector {
  const url = new URL(origin);
  const literal = literalAddress(url.hostname);
  if (literal !== undefined && !policy.allowsHost(url.hostname) && !policy.allowsAddress(literal)) {
    throw new UpstreamFailure('RINGSIDE_FORBIDDEN_ADDRESS', 'the address is private and not listed');
  }
  const isSecure = url.protocol === 'https:';
  const options = {
    host: literal ?? url.hostname,
    port: url.port === '' ? (isSecure ? 443 : 80) : Number(url.port),
    lookup: checkedLookup(policy),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
  };
  let session: Buffer | undefined;
  const openSecure = () => {
    const socket = tls.connect({
      ...options,
      // A name only (RFC 6066, section 3); a certificate for an address is checked against `host`.
      ...(literal === undefined ? { servername: url.hostname } : {}),
      ...(session === undefined ? {} : { session }),
      ALPNProtocols: ['http/1.1'],
    });
    socket.on('session', (ticket) => {
      session = ticket;
    });
    socket.on('error', () => {
      session = undefined;
    });
    return socket;
  };
  return {
    open(onConnected) {
      const socket = isSecure ? openSecure() : net.connect(options);
      const timer = setTimeout(() => {
        socket.destroy(new UpstreamFailure('RINGSIDE_CONNECT_TIMEOUT', 'no connection in time'));
      }, connectTimeoutMs);
      socket.once('close', () => clearTimeout(timer));
      socket.once(isSecure ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        onConnected();
      });
      return socket;
    },
  };
}

/** Resolves a name and refuses the connection when any of its addresses is not allowed: checked where it is used, so that rebinding gains nothing. */
function checkedLookup(policy: AddressPolicy): LookupFunction {
  return (hostname, options, callback) => {
    systemLookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '');
      if (!policy.allowsHost(hostname) && addresses.some(({ address }) => !policy.allowsAddress(address))) {
        return callback(
          new UpstreamFailure(
            'RINGSIDE_FORBIDDEN_ADDRESS',
            'the name resolves to a private address that is not listed',
          ),
          '',
        );
      }
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      callback(null, first!.address, first!.family);
    });
  };
}
