import { Agent, request } from 'node:http';
import type { StartedPeer } from '../peers/peer.ts';

/** Asks one gateway again and again, one request after the other, which configuration version it answers with. */
export interface VersionProbe {
  /** Of the newest answer. */
  readonly version: number;
  readonly answered: number;
  /** Answers other than 200, and broken connections. */
  readonly failed: number;
  /** When (performance.now) the first answer came with a version past this one, at the latest after `timeoutMs`. */
  firstAfter(version: number, timeoutMs: number): Promise<number>;
  stop(): Promise<void>;
}

type Target = Pick<StartedPeer, 'url' | 'headers' | 'model'>;

/** Between two requests: a probe must not be the load. */
const PAUSE_MS = 2;
/** A request that is not answered by then has failed. */
const ANSWER_WITHIN_MS = 10_000;

/** Starts asking; resolves with the first answer. */
export async function startVersionProbe(target: Target): Promise<VersionProbe> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const waiting = new Set<{ readonly after: number; readonly seen: (atMs: number) => void }>();
  const state = { version: 0, answered: 0, failed: 0 };
  let stopped = false;
  const ask = async () => {
    const version = await askOnce(target, agent);
    if (version === undefined) {
      state.failed++;
      return;
    }
    state.answered++;
    state.version = version;
    for (const waiter of waiting) if (version > waiter.after) waiter.seen(performance.now());
  };
  const askOn = async () => {
    while (!stopped) {
      await ask();
      await new Promise((wake) => setTimeout(wake, PAUSE_MS));
    }
    agent.destroy();
  };
  await ask();
  const asking = askOn();
  return {
    get version() {
      return state.version;
    },
    get answered() {
      return state.answered;
    },
    get failed() {
      return state.failed;
    },
    firstAfter(version, timeoutMs) {
      return new Promise((resolve) => {
        const seen = (atMs: number) => {
          clearTimeout(timer);
          waiting.delete(waiter);
          resolve(atMs);
        };
        const waiter = { after: version, seen };
        const timer = setTimeout(() => seen(performance.now()), timeoutMs);
        waiting.add(waiter);
      });
    },
    stop() {
      stopped = true;
      return asking;
    },
  };
}

/** @returns undefined when it failed */
function askOnce({ url, headers, model }: Target, agent: Agent): Promise<number | undefined> {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'x'.repeat(100) }] });
  return new Promise((resolve) => {
    const call = request(
      url,
      {
        ...{ method: 'POST', agent, headers: { ...headers, 'content-type': 'application/json' } },
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      },
      (answer) => {
        const version = Number(answer.headers['x-ringside-config-version']);
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode === 200 && version > 0 ? version : undefined));
        answer.once('error', () => resolve(undefined));
      },
    );
    call.once('error', () => resolve(undefined));
    call.end(body);
  });
}
