/** Where ClickHouse is and as whom we speak to it: RINGSIDE_CLICKHOUSE_URL, taken apart. */
export interface ClickHouseAddress {
  readonly protocol: 'http:' | 'https:';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** What the rows are packed with on the wire. */
  readonly compression: 'none' | 'zstd';
}

/** `reason` never repeats the text, which holds a password. */
export type ParsedAddress =
  | { readonly kind: 'parsed'; readonly address: ClickHouseAddress }
  | { readonly kind: 'bad'; readonly reason: string };

/** The ports of ClickHouse's HTTP interface, which are not those of HTTP. */
const DEFAULT_PORTS = { 'http:': 8123, 'https:': 8443 } as const;
const DATABASE = /^\/([A-Za-z_][A-Za-z0-9_]*)\/?$/;

/** Reads `http(s)://user:password@host:port/database`, with `?compression=zstd` at will. User and password are percent-encoded. */
export function parseClickHouseUrl(text: string): ParsedAddress {
  if (!URL.canParse(text)) return bad('is not a URL');
  const url = new URL(text);
  const { protocol, hostname, pathname, searchParams } = url;
  if (protocol !== 'http:' && protocol !== 'https:') return bad('must begin with http:// or https://');
  const database = DATABASE.exec(pathname)?.[1];
  if (database === undefined) return bad('must name a database (letters, digits and _) as its path');
  const unknown = [...searchParams.keys()].find((name) => name !== 'compression');
  if (unknown !== undefined) return bad(`has an unknown parameter; known is compression`);
  const compression = searchParams.get('compression') ?? 'none';
  if (compression !== 'none' && compression !== 'zstd') return bad('compression must be none or zstd');
  const credentials = decode(url);
  if (credentials === undefined) return bad('user and password must be percent-encoded');
  // URL drops a port that is its protocol's own, so that 80 and none look the same.
  const port = /:(\d+)$/.exec(text.split(/[/?#]/)[2] ?? '')?.[1];
  return {
    kind: 'parsed',
    address: {
      ...{ protocol, database, compression, ...credentials },
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === undefined ? DEFAULT_PORTS[protocol] : Number(port),
    },
  };
}

function decode({ username, password }: URL): { user: string; password: string } | undefined {
  try {
    return {
      user: username === '' ? 'default' : decodeURIComponent(username),
      password: decodeURIComponent(password),
    };
  } catch {
    return undefined;
  }
}

function bad(reason: string): ParsedAddress {
  return { kind: 'bad', reason };
}
