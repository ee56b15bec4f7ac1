import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { ClickHouseAddress } from './address.ts';
import { ClickHouseUnreachableError, errorOf } from './errors.ts';

/** One POST to ClickHouse. It may be sent twice. */
export interface Exchange {
  readonly parameters: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the body is rows, which an error must not repeat. */
  readonly withRows: boolean;
  /** Instead of that of all. */
  readonly timeoutMs?: number | undefined;
}

/** Posts over connections that are kept. */
export interface HttpExchange {
  /** The text of the answer. @throws ClickHouseError, ClickHouseUnreachableError */
  post(exchange: Exchange): Promise<string>;
  close(): void;
}

interface Way {
  readonly address: ClickHouseAddress;
  readonly agent: http.Agent;
  readonly timeoutMs: number;
}

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const MAX_SOCKETS = 4;

export function createHttpExchange(address: ClickHouseAddress, timeoutMs: number): HttpExchange {
  const options = { keepAlive: true, maxSockets: MAX_SOCKETS };
  const agent = address.protocol === 'https:' ? new https.Agent(options) : new http.Agent(options);
  return {
    async post(exchange) {
      for (let left = MAX_SOCKETS + 1; left > 0; left--) {
        const text = await attempt({ address, agent, timeoutMs: exchange.timeoutMs ?? timeoutMs }, exchange);
        if (text !== null) return text;
      }
      throw new ClickHouseUnreachableError(placeOf(address), 'closes each connection');
    },
    close: () => agent.destroy(),
  };
}

/** Null when the server closed an idle connection just as we took it. */
function attempt({ address, agent, timeoutMs }: Way, { parameters, body, headers, withRows }: Exchange) {
  return new Promise<string | null>((resolve, reject) => {
    const { protocol, host, port, user, password } = address;
    const signal = AbortSignal.timeout(timeoutMs);
    const lost = (error: NodeJS.ErrnoException) => {
      const why = signal.aborted
        ? `did not answer within ${timeoutMs} ms`
        : `cannot be reached: ${error.code ?? error.message}`;
      reject(new ClickHouseUnreachableError(placeOf(address), why));
    };
    const request = (protocol === 'https:' ? https : http).request({
      ...{ agent, host, port, signal, method: 'POST', path: `/?${new URLSearchParams(parameters)}` },
      // Credentials in headers, because addresses end up in the logs of proxies.
      headers: {
        'x-clickhouse-user': headerText(user),
        'x-clickhouse-key': headerText(password),
        'content-length': Buffer.byteLength(body),
        ...headers,
      },
    });
    request.on('response', (response) => {
      readText(response).then((text) => {
        const status = response.statusCode ?? 0;
        const header = response.headers['x-clickhouse-exception-code'];
        if (status === 200 && header === undefined) return resolve(text);
        const codeHeader = typeof header === 'string' ? header : undefined;
        reject(errorOf({ status, codeHeader, text, withRows, password }));
      }, lost);
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (request.reusedSocket && error.code === 'ECONNRESET' && !signal.aborted) resolve(null);
      else lost(error);
    });
    request.end(body);
  });
}

function placeOf({ host, port }: ClickHouseAddress): string {
  return `${host}:${port}`;
}

/** Headers are Latin-1 to Node and UTF-8 to ClickHouse. */
function headerText(text: string): string {
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
