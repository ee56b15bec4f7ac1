import type { Random } from '#simulator/random.ts';

/** One request of a load. */
export interface LoadRequest {
  readonly key: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Callers that ask again and again, and remember what they saw. */
export interface Load {
  /** Ids of inferences whose answer was seen to its end. */
  readonly acknowledged: readonly string[];
  /** Ids of inferences of which at least the head of a 200 was seen. */
  readonly begun: readonly string[];
  /** Answers that were no 200, that were cut, and connections that failed. */
  readonly failures: readonly string[];
  /** From the request to the end of the answer; in step with `acknowledged`. */
  readonly latenciesMs: readonly number[];
  /** Resolves when every caller has had its last answer. */
  stop(): Promise<void>;
}

/** A caller whose connection failed waits so long: what is down must not be asked in a tight loop. */
const PAUSE_MS = 5;
const DONE = 'data: [DONE]\n\n';

/** Starts `callers` of them against a gateway; `next` draws each request. */
export function startLoad(options: {
  readonly gatewayUrl: string;
  readonly callers: number;
  readonly next: () => LoadRequest;
}): Load {
  const { gatewayUrl, next } = options;
  const acknowledged: string[] = [];
  const begun: string[] = [];
  const failures: string[] = [];
  const latenciesMs: number[] = [];
  let running = true;

  const ask = async () => {
    const { key, body } = next();
    const startedAt = performance.now();
    const answer = await fetch(`${gatewayUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], ...body }),
    });
    const id = answer.headers.get('x-ringside-inference-id')!;
    if (answer.status === 200) begun.push(id);
    const text = await answer.text();
    if (answer.status !== 200) failures.push(`${answer.status} ${text.slice(0, 200)}`);
    else if (body['stream'] === true && !text.endsWith(DONE)) failures.push(`no end: …${text.slice(-100)}`);
    else {
      acknowledged.push(id);
      latenciesMs.push(performance.now() - startedAt);
    }
  };

  const call = async () => {
    while (running) {
      try {
        await ask();
      } catch (error) {
        failures.push(String(error instanceof Error ? (error.cause ?? error) : error));
        await new Promise((wake) => setTimeout(wake, PAUSE_MS));
      }
    }
  };
  const calls = Array.from({ length: options.callers }, call);
  return {
    ...{ acknowledged, begun, failures, latenciesMs },
    async stop() {
      running = false;
      await Promise.all(calls);
    },
  };
}

/** Draws one of the choices by their weights. */
export function drawWeighted<Value>(
  random: Random,
  choices: readonly (readonly [weight: number, value: Value])[],
): Value {
  let left = random() * choices.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, value] of choices) {
    left -= weight;
    if (left < 0) return value;
  }
  return choices.at(-1)![1];
}

export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
