import { type IncomingMessage, request } from 'node:http';

/** New connections at a constant rate, one request on each. */
export interface ConnectionLoad {
  /** Connections begun so far. */
  readonly begun: number;
  /** The rate that the machine has kept up. */
  readonly perSecond: number;
  readonly acknowledged: readonly string[];
  /** Refused and reset connections, cut answers, and answers that were no 200. */
  readonly failures: readonly string[];
  /** Begins no more; resolves when every answer has ended. */
  stop(): Promise<void>;
}

const TICK_MS = 5;
/** With more open at one time the machine, not the gateway, is what is measured: what would come on top is left out. */
const MAX_OPEN = 200;

/** Opens `perSecond` connections, however long their answers take, as far as MAX_OPEN allows; `next` gives each request's body. */
export function startConnections(options: {
  readonly port: number;
  readonly key: string;
  readonly perSecond: number;
  readonly next: (count: number) => Readonly<Record<string, unknown>>;
}): ConnectionLoad {
  const { port, key, perSecond } = options;
  const acknowledged: string[] = [];
  const failures: string[] = [];
  const open = new Set<Promise<void>>();
  const startedAt = performance.now();
  let begun = 0;
  let leftOut = 0;

  const connect = async (body: Readonly<Record<string, unknown>>) => {
    try {
      const { id, status, text } = await exchange(port, key, body);
      if (status !== 200) failures.push(`${status} ${text.slice(0, 200)}`);
      else if (body['stream'] === true && !text.endsWith('data: [DONE]\n\n'))
        failures.push(`no end: ${text.slice(-100)}`);
      else acknowledged.push(id);
    } catch (error) {
      failures.push(String(error));
    }
  };
  // What a late timer has missed is made up for: the rate does not give way to the machine.
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * perSecond;
    while (begun + leftOut < due) {
      if (open.size >= MAX_OPEN) {
        leftOut++;
        continue;
      }
      const connection = connect(options.next(begun++)).finally(() => open.delete(connection));
      open.add(connection);
    }
  }, TICK_MS);
  return {
    ...{ acknowledged, failures },
    get begun() {
      return begun;
    },
    get perSecond() {
      return (begun * 1_000) / (performance.now() - startedAt);
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
    },
  };
}

/** What came back on a connection of its own. */
interface Exchanged {
  readonly id: string;
  readonly status: number;
  readonly text: string;
}

/** One request on a connection of its own. Rejects when it is refused, reset or cut. */
export async function exchange(
  port: number,
  key: string,
  content: Readonly<Record<string, unknown>>,
): Promise<Exchanged> {
  const body = JSON.stringify(content);
  const headers = { authorization: `Bearer ${key}`, 'content-length': Buffer.byteLength(body) };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const target = { host: '127.0.0.1', port, method: 'POST', path: '/v1/chat/completions', agent: false, headers };
    request(target, resolve).on('error', reject).end(body);
  });
  let text = '';
  for await (const chunk of answer) text += (chunk as Buffer).toString('latin1');
  return { id: String(answer.headers['x-ringside-inference-id']), status: answer.statusCode ?? 0, text };
}
