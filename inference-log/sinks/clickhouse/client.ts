import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import type { ClickHouseAddress } from './address.ts';
import { ClickHouseUnreachableError, errorOf } from './errors.ts';

/** ClickHouse's HTTP interface, as far as the log needs it. Whatever is sent may be sent twice. */
export interface ClickHouseClient {
  /**
   * Runs a statement and gives its answer, as tab-separated text unless it has a FORMAT of its own.
   * @throws ClickHouseError, ClickHouseUnreachableError
   */
  query(statement: string, options?: { readonly inDatabase: boolean }): Promise<string>;
  /**
   * Runs `INSERT … FORMAT …` with its rows; returns when they are in the table. Within the table's deduplication window
   * a second insert with the same token does nothing.
   * @throws ClickHouseError, ClickHouseUnreachableError
   */
  insert(statement: string, rows: Uint8Array, token: string): Promise<void>;
  close(): void;
}

export interface ClickHouseClientOptions {
  readonly address: ClickHouseAddress;
  /** For a whole exchange (30 000). One that lands after it is found by the key of its rows. */
  readonly timeoutMs?: number;
}

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const MAX_SOCKETS = 4;
/** Level 1: higher ones cost a multiple of the time for some per cent. */
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
const compress = promisify(zstdCompress);

const ANSWER_SETTINGS = {
  // The status is then the whole statement's, not that of its first bytes.
  wait_end_of_query: '1',
};
const INSERT_SETTINGS = {
  ...ANSWER_SETTINGS,
  // An acknowledged insert must be in the table: a profile may have turned on inserts that wait in memory.
  async_insert: '0',
  insert_deduplicate: '1',
  // Rows of any age may come together after an outage.
  max_partitions_per_insert_block: '0',
};

interface Exchange {
  readonly parameters: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly withRows: boolean;
}

export function createClickHouseClient({ address, timeoutMs = 30_000 }: ClickHouseClientOptions): ClickHouseClient {
  const { protocol, host, port, database } = address;
  const library = protocol === 'https:' ? https : http;
  const agent = new library.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });

  /** Null: the server had closed the idle connection that we took. */
  const attempt = ({ parameters, body, headers, withRows }: Exchange) =>
    new Promise<string | null>((resolve, reject) => {
      const request = library.request(
        {
          ...{ agent, host, port, method: 'POST', path: `/?${new URLSearchParams(parameters)}` },
          // Headers, because addresses end up in the logs of proxies.
          headers: {
            'x-clickhouse-user': encodeHeader(address.user),
            'x-clickhouse-key': encodeHeader(address.password),
            'content-length': Buffer.byteLength(body),
            ...headers,
          },
          signal: AbortSignal.timeout(timeoutMs),
        },
        (response) => {
          readText(response).then((text) => {
            const status = response.statusCode ?? 0;
            const codeHeader = response.headers['x-clickhouse-exception-code'];
            if (status === 200 && codeHeader === undefined) return resolve(text);
            const code = typeof codeHeader === 'string' ? codeHeader : undefined;
            reject(errorOf({ status, codeHeader: code, text, withRows, password: address.password }));
          }, failed);
        },
      );
      const failed = (error: NodeJS.ErrnoException) => {
        if (request.reusedSocket && error.code === 'ECONNRESET') return resolve(null);
        reject(unreachable(error));
      };
      request.on('error', failed);
      request.end(body);
    });

  const unreachable = (error: NodeJS.ErrnoException) =>
    new ClickHouseUnreachableError(
      error.name === 'AbortError' || error.name === 'TimeoutError'
        ? `ClickHouse at ${host}:${port} did not answer within ${timeoutMs} ms`
        : `ClickHouse at ${host}:${port} cannot be reached: ${error.code ?? error.message}`,
    );

  const exchange = async (what: Exchange): Promise<string> => {
    for (let left = MAX_SOCKETS; left > 0; left--) {
      const text = await attempt(what);
      if (text !== null) return text;
    }
    throw new ClickHouseUnreachableError(`ClickHouse at ${host}:${port} closes each connection`);
  };

  return {
    query: (statement, { inDatabase } = { inDatabase: true }) =>
      exchange({
        parameters: { ...ANSWER_SETTINGS, ...(inDatabase ? { database } : {}) },
        ...{ body: statement, withRows: false },
      }),
    async insert(statement, rows, token) {
      const isPacked = address.compression === 'zstd';
      const said = await exchange({
        parameters: { ...INSERT_SETTINGS, database, query: statement, insert_deduplication_token: token },
        body: isPacked ? await compress(rows, ZSTD) : rows,
        ...(isPacked ? { headers: { 'content-encoding': 'zstd' } } : {}),
        withRows: true,
      });
      // An insert has nothing to say; who says something is a proxy's page, or a failure after the head was sent.
      if (said !== '') throw errorOf({ status: 200, codeHeader: undefined, text: said, withRows: true, password: address.password });
    },
    close: () => agent.destroy(),
  };
}

/** Headers are Latin-1 to Node and UTF-8 to ClickHouse. */
function encodeHeader(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`the answer exceeds ${MAX_ANSWER_BYTES} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
