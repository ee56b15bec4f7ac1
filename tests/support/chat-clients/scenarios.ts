import { expect } from 'vitest';
import { type Ask, type ChatClient, type Outcome, PIXEL, RESULT } from './client.ts';

/** What a scenario may do beside calling: it steers the simulated model and looks at what reached it. */
export interface Bench {
  readonly client: ChatClient;
  readonly group: string;
  /** How the upstream model behaves from now on. */
  behave(behaviour: object): Promise<void>;
  /** Bodies and fates of the requests that reached the upstream model since `behave`. */
  received(): Promise<readonly { readonly body: string; readonly aborted: boolean }[]>;
}

export interface Scenario {
  readonly name: string;
  /** Throws what fails; a note ends up in the table. */
  run(bench: Bench): Promise<string | undefined>;
}

const PROMPT = 'Tell me about gateways';

const ask = ({ group }: Bench, rest: Partial<Ask> = {}): Ask => ({ group, prompt: PROMPT, ...rest });

/** Plain and streamed answers of one request are the same. */
async function both({ client }: Bench, request: Ask): Promise<Outcome> {
  const plain = await client.chat(request);
  const streamed = await client.stream(request);
  const shown = (outcome: Outcome) => ({
    ...outcome,
    calls: outcome.calls.map(({ name, arguments: json }) => ({ name, json })),
  });
  expect(shown(streamed)).toEqual(shown(plain));
  return plain;
}

function checkCalls(outcome: Outcome, count: number): void {
  expect(outcome.calls).toHaveLength(count);
  expect(outcome.finish).toBe('tool_calls');
  for (const { name, arguments: json } of outcome.calls) {
    expect(name).toBe('get_weather');
    expect(json).toEqual({ city: expect.any(String), days: expect.any(Number) });
  }
}

async function failure(bench: Bench, status: number) {
  await bench.behave({ errors: [{ status, rate: 1 }] });
  const error: unknown = await bench.client.chat(ask(bench)).then(
    (outcome) => expect.fail(`an answer: ${JSON.stringify(outcome)}`),
    (reason) => reason,
  );
  const streamed: unknown = await bench.client.stream(ask(bench)).then(
    (outcome) => expect.fail(`a stream: ${JSON.stringify(outcome)}`),
    (reason) => reason,
  );
  const [plainFailure, streamFailure] = [error, streamed].map(bench.client.failureOf);
  expect(streamFailure?.status).toBe(plainFailure?.status);
  expect(plainFailure?.message).not.toContain('canary');
  return plainFailure?.status;
}

/** What a caller sees of an upstream's status. */
const SEEN: Readonly<Record<number, number>> = { 400: 400, 401: 502, 429: 429, 500: 502, 529: 503 };

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'plain',
    async run(bench) {
      await bench.behave({});
      const outcome = await bench.client.chat(ask(bench, { system: 'Be brief' }));
      expect(outcome.text.length).toBeGreaterThan(10);
      expect(outcome.finish).toBe('stop');
      expect(outcome.inputTokens).toBeGreaterThan(0);
      expect(outcome.outputTokens).toBeGreaterThan(0);
      const [request] = await bench.received();
      expect(request?.body).toContain('Be brief');
      return undefined;
    },
  },
  {
    name: 'stream',
    async run(bench) {
      await bench.behave({});
      expect((await both(bench, ask(bench))).text).not.toBe('');
      return undefined;
    },
  },
  {
    name: 'tools',
    async run(bench) {
      await bench.behave({ toolCalls: 1 });
      checkCalls(await both(bench, ask(bench, { tools: true })), 1);
      return undefined;
    },
  },
  {
    name: 'parallel tools',
    async run(bench) {
      await bench.behave({ toolCalls: 2 });
      const outcome = await both(bench, ask(bench, { tools: true }));
      checkCalls(outcome, 2);
      expect(new Set(outcome.calls.map(({ id }) => id)).size).toBe(2);
      return undefined;
    },
  },
  {
    name: 'tool result turn',
    async run(bench) {
      await bench.behave({ toolCalls: 2 });
      const { calls } = await bench.client.chat(ask(bench, { tools: true }));
      const results = calls.map(({ id, name, arguments: json }) => ({ id, name, arguments: JSON.stringify(json) }));
      const outcome = await both(bench, ask(bench, { tools: true, results }));
      expect(outcome.calls).toEqual([]);
      expect(outcome.text).not.toBe('');
      const last = (await bench.received()).at(-1)!.body.replaceAll('\\"', '"');
      expect(last.split(RESULT).length - 1 + last.split('{"celsius": 21}').length - 1).toBe(2);
      return undefined;
    },
  },
  {
    name: 'vision',
    async run(bench) {
      await bench.behave({});
      expect((await both(bench, ask(bench, { image: true }))).text).not.toBe('');
      expect((await bench.received()).at(-1)!.body).toContain(PIXEL);
      return undefined;
    },
  },
  {
    name: 'JSON schema',
    async run(bench) {
      await bench.behave({});
      const outcome = await both(bench, ask(bench, { schema: true }));
      expect(JSON.parse(outcome.text)).toEqual({ name: expect.any(String), age: expect.any(Number) });
      return undefined;
    },
  },
  {
    name: 'reasoning',
    async run(bench) {
      await bench.behave({ reasoningTokens: 6 });
      const outcome = await both(bench, ask(bench, { reasoning: true }));
      expect(outcome.text).not.toBe('');
      return outcome.reasoning === '' ? 'not shown' : undefined;
    },
  },
  {
    name: 'stop',
    async run(bench) {
      await bench.behave({ answerText: 'one two END three' });
      const outcome = await both(bench, ask(bench, { stop: 'END' }));
      expect(outcome.text.trimEnd()).toBe('one two');
      expect(['stop', 'stop_sequence']).toContain(outcome.finish);
      return undefined;
    },
  },
  {
    name: 'max tokens',
    async run(bench) {
      await bench.behave({ answerTokens: 40 });
      const outcome = await both(bench, ask(bench, { maxTokens: 7 }));
      expect(outcome.finish).toBe('length');
      expect(outcome.outputTokens).toBe(7);
      return undefined;
    },
  },
  ...[400, 401, 429, 500, 529].map(
    (status): Scenario => ({
      name: `error ${status}`,
      async run(bench) {
        expect(await failure(bench, status)).toBe(SEEN[status]);
        return `${SEEN[status]}`;
      },
    }),
  ),
  {
    name: 'error in a stream',
    async run(bench) {
      for (const afterTokens of [0, 3]) {
        await bench.behave({ streamError: { afterTokens, status: 500 } });
        await expect(bench.client.stream(ask(bench))).rejects.toThrow();
      }
      return undefined;
    },
  },
  {
    name: 'abort',
    async run(bench) {
      await bench.behave({ tokensPerSecond: 2, answerTokens: 400 });
      const leaving = new AbortController();
      const gone = bench.client.stream(ask(bench, { signal: leaving.signal })).catch((reason: unknown) => reason);
      await expect.poll(async () => (await bench.received()).length, { timeout: 10_000 }).toBe(1);
      leaving.abort();
      await gone;
      await expect.poll(async () => (await bench.received())[0]!.aborted, { timeout: 10_000 }).toBe(true);
      return undefined;
    },
  },
];
