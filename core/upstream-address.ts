import { BlockList, isIP } from 'node:net';

/**
 * Which addresses a gateway may connect to on an operator's word. Everything that is not globally routable is refused
 * unless the allow-list names it (RFC 6890 and its registry; NAT64 and 6to4 are refused whole, since they can hide any of them).
 */
const FORBIDDEN_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
const FORBIDDEN_V6 = [
  '::/96',
  '::ffff:0:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
];

export interface AddressPolicy {
  /** Whether a connection to this literal IP address is allowed. */
  allowsAddress(address: string): boolean;
  /** Whether a host name of a URL is listed by name, which allows whatever it resolves to. */
  allowsHost(host: string): boolean;
}

/**
 * Builds the policy from a comma-separated list of addresses, CIDR ranges and host names.
 * @throws a TypeError that names the entry that is none of these
 */
export function parseAddressPolicy(list: string): AddressPolicy {
  const forbidden = new BlockList();
  for (const entry of [...FORBIDDEN_V4, ...FORBIDDEN_V6]) addRange(forbidden, entry);
  const allowed = new BlockList();
  const hosts = new Set<string>();
  for (const entry of list
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')) {
    if (isIP(entry.split('/')[0]!) !== 0) addRange(allowed, entry);
    else if (/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(entry)) hosts.add(entry.toLowerCase());
    else throw new TypeError(`"${entry}" is no IP address, CIDR range or host name`);
  }
  return {
    allowsAddress(address) {
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      return allowed.check(address, family) || !forbidden.check(address, family);
    },
    allowsHost: (host) => hosts.has(host.toLowerCase()),
  };
}

/** The literal IP address in the host of a URL, without brackets; undefined for a name. */
export function literalAddress(hostname: string): string | undefined {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return isIP(bare) === 0 ? undefined : bare;
}

function addRange(list: BlockList, entry: string): void {
  const [address, prefix] = entry.split('/') as [string, string | undefined];
  const v6 = isIP(address) === 6;
  const bits = prefix === undefined ? (v6 ? 128 : 32) : Number(prefix);
  if (!Number.isInteger(bits) || bits < 0 || bits > (v6 ? 128 : 32)) throw new TypeError(`"${entry}" is no CIDR range`);
  list.addSubnet(address, bits, v6 ? 'ipv6' : 'ipv4');
}
