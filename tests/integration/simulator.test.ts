// Past 300 lines because one started simulator serves every case; each describe stands alone.
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI, {
  APIConnectionError,
  AuthenticationError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from 'openai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BehaviourInput } from '#simulator/behaviour.ts';
import { DEFAULT_BEHAVIOUR } from '#simulator/behaviour.ts';
import { systemClock } from '#simulator/clock.ts';
import { deliver } from '#simulator/delivery.ts';
import { Exchange } from '#simulator/exchange.ts';
import { createJournal, type JournalPage } from '#simulator/journal.ts';
import { runSimulator } from '#simulator/main.ts';
import { createSimulator, type Simulator, type SimulatorOptions } from '#simulator/server.ts';

let simulator: Simulator;
let origin: string;
let client: OpenAI;

async function start(options: SimulatorOptions = {}) {
  simulator = createSimulator(options);
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  origin = `http://${host}:${port}`;
  client = new OpenAI({ apiKey: 'sk-test', baseURL: `${origin}/v1`, maxRetries: 0 });
}

beforeEach(() => start());
afterEach(() => simulator.close());

const ask = { model: 'gpt-4o', messages: [{ role: 'user' as const, content: 'Who are you, and why?' }] };
const streamed = { ...ask, stream: true as const };
const withBehaviour = (behaviour: BehaviourInput) => ({ headers: { 'x-sim-behaviour': JSON.stringify(behaviour) } });

async function collect(options = {}, body: OpenAI.ChatCompletionCreateParamsStreaming = streamed) {
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of await client.chat.completions.create(body, options)) chunks.push(chunk);
  return { chunks, text: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('') };
}

const post = (body: string, behaviour: BehaviourInput = {}) =>
  fetch(`${origin}/v1/chat/completions`, { method: 'POST', body, ...withBehaviour(behaviour) });

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 5000;
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error(`not within 5 s: ${what}`);
    await new Promise(setImmediate);
  }
}

describe('chat completions', () => {
  test('answer plain as OpenAI does, the same text each time', async () => {
    const [one, two] = [await client.chat.completions.create(ask), await client.chat.completions.create(ask)];
    expect(one.choices).toEqual(two.choices);
    expect(one.id).not.toBe(two.id);
    expect(one.id).toMatch(/^chatcmpl-\w{29}$/);
    expect(one.choices[0]?.message.content).toMatch(/^\[gpt-4o\] /);
    expect(one.choices[0]?.finish_reason).toBe('stop');
    expect(one.usage).toMatchObject({ completion_tokens: 32, total_tokens: 32 + one.usage!.prompt_tokens });
    expect(one._request_id).toMatch(/^req_/);
  });

  test('stream the plain text, token by token', async () => {
    const plain = await client.chat.completions.create(ask);
    const { chunks, text } = await collect();
    expect(text).toBe(plain.choices[0]?.message.content);
    expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant');
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop');
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
    expect(chunks.length).toBe(32 + 2);
  });

  test('stream the usage in a last chunk without choices when it is asked for', async () => {
    const plain = await client.chat.completions.create(ask);
    const { chunks } = await collect({}, { ...streamed, stream_options: { include_usage: true } });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: plain.usage });
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null && chunk.choices.length === 1)).toBe(true);
  });

  test('count text parts like plain text, and an image as 85 tokens', async () => {
    const parts = [{ type: 'text' as const, text: ask.messages[0]!.content }];
    const image = { type: 'image_url' as const, image_url: { url: 'https://example.com/ring.png' } };
    const counted = async (content: OpenAI.ChatCompletionContentPart[] | string) =>
      (await client.chat.completions.create({ ...ask, messages: [{ role: 'user', content }] })).usage?.prompt_tokens;
    expect(await counted(parts)).toBe(await counted(parts[0]!.text));
    expect(await counted([...parts, image])).toBe((await counted(parts))! + 85);
  });

  test('respect n and the limit, which reasoning counts against', async () => {
    const options = withBehaviour({ reasoningTokens: 4, cachedPromptTokens: 2 });
    const answer = await client.chat.completions.create({ ...ask, n: 2, max_completion_tokens: 10 }, options);
    expect(answer.choices.map(({ finish_reason }) => finish_reason)).toEqual(['length', 'length']);
    expect(answer.choices[0]?.message.content).not.toBe(answer.choices[1]?.message.content);
    expect(answer.usage).toMatchObject({
      completion_tokens: 20,
      completion_tokens_details: { reasoning_tokens: 8 },
      prompt_tokens_details: { cached_tokens: 2 },
    });
    const { chunks } = await collect(options, { ...streamed, n: 2, max_tokens: 10 });
    for (const index of [0, 1]) {
      const choices = chunks.flatMap((chunk) => chunk.choices.filter((choice) => choice.index === index));
      const text = choices.map(({ delta }) => delta.content ?? '').join('');
      expect(text).toBe(answer.choices[index]?.message.content);
      expect(choices.at(-1)?.finish_reason).toBe('length');
    }
  });

  test.each([
    ['missing', (chunks: OpenAI.ChatCompletionChunk[]) => chunks.every((chunk) => !('usage' in chunk))],
    ['zero', (chunks: OpenAI.ChatCompletionChunk[]) => chunks.at(-1)?.usage?.total_tokens === 0],
    [
      'on-last-choice',
      (chunks: OpenAI.ChatCompletionChunk[]) => {
        const last = chunks.at(-1);
        return last?.choices.length === 1 && (last.usage?.completion_tokens ?? 0) === 32;
      },
    ],
  ] as const)('can send usage: %s', async (usage, holds) => {
    const body = { ...streamed, stream_options: { include_usage: true } };
    expect(holds((await collect(withBehaviour({ usage }), body)).chunks)).toBe(true);
  });
});

describe('the other routes', () => {
  test('completions stream what they answer plain', async () => {
    const body = { model: 'davinci', prompt: ['One', 'Two'] };
    const plain = await client.completions.create(body);
    const texts = ['', ''];
    for await (const chunk of await client.completions.create({ ...body, stream: true })) {
      for (const choice of chunk.choices) texts[choice.index] += choice.text;
    }
    expect(texts).toEqual(plain.choices.map(({ text }) => text));
    expect(plain.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 64 });
    const limited = await client.completions.create({ ...body, prompt: [1, 2, 3], max_tokens: 3 });
    expect(limited.choices.map(({ finish_reason }) => finish_reason)).toEqual(['length']);
  });

  test('embeddings are unit vectors, the same in both encodings, near where words are shared', async () => {
    const embed = async (input: string | string[] | number[], encoding_format?: 'float' | 'base64') => {
      const body = { model: 'embed', input, dimensions: 256, ...(encoding_format ? { encoding_format } : {}) };
      return (await client.embeddings.create(body)).data.map(({ embedding }) => embedding);
    };
    const product = (a: number[], b: number[]) => a.reduce((sum, value, at) => sum + value * b[at]!, 0);
    const [one, near, far] = await embed(['the left hook landed', 'a left hook landed', 'completely other words']);
    expect(await embed('the left hook landed', 'float')).toEqual([one]);
    expect(await embed([5, 6])).toHaveLength(1);
    expect(one).toHaveLength(256);
    expect(product(one!, one!)).toBeCloseTo(1, 5);
    expect(product(one!, near!)).toBeGreaterThan(0.5);
    expect(Math.abs(product(one!, far!))).toBeLessThan(0.5);
  });

  test('models lists those with a behaviour; strict, only those exist', async () => {
    await simulator.close();
    await start({ behaviours: { 'meta/llama': {}, '*': { answerTokens: 3 } }, strictModels: true });
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['meta/llama']);
    expect((await client.models.retrieve('meta/llama')).owned_by).toBe('simulator');
    await expect(client.models.retrieve('other')).rejects.toThrow(NotFoundError);
    await expect(client.chat.completions.create(ask)).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });
});

describe('refusals', () => {
  test('a wrong key is echoed in part, a missing one is told of', async () => {
    await simulator.close();
    await start({ requiredApiKey: 'sk-right' });
    const wrong = client.withOptions({ apiKey: 'sk-wrong-key-1234' }).chat.completions.create(ask);
    await expect(wrong).rejects.toThrow(AuthenticationError);
    await expect(wrong).rejects.toMatchObject({
      code: 'invalid_api_key',
      message: expect.stringContaining('sk-w*****'),
    });
    await expect(wrong).rejects.not.toThrow('sk-wrong');
    expect((await post('{}')).status).toBe(401);
    await client.withOptions({ apiKey: 'sk-right' }).chat.completions.create(ask);
  });

  test.each([
    ['{', 400, null, null],
    ['{"model": "m"}', 400, 'messages', 'missing_required_parameter'],
    ['{"model": "m", "messages": [{}]}', 400, 'messages[0].role', 'missing_required_parameter'],
    ['{"model": 1, "messages": []}', 400, 'model', 'invalid_value'],
    ['{"model": "m", "messages": [{"role": "user"}], "stream_options": {}}', 400, 'stream_options', 'invalid_value'],
  ])('%s', async (body, status, param, code) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', param, code } });
  });

  test('an unknown path is 404, a wrong method 405', async () => {
    expect((await fetch(`${origin}/chat/completions`, { method: 'POST' })).status).toBe(404);
    expect((await fetch(`${origin}/v1/other`)).status).toBe(404);
    expect((await fetch(`${origin}/v1/embeddings`)).status).toBe(405);
  });

  test('injected errors raise the classes of the SDK', async () => {
    const failing = (status: number, more = {}) =>
      client.chat.completions.create(ask, withBehaviour({ errors: [{ status, rate: 1, ...more }] }));
    await expect(failing(500)).rejects.toThrow(InternalServerError);
    await expect(failing(503, { message: 'busy' })).rejects.toThrow('503 busy');
    const limited = await failing(429, { retryAfterSeconds: 7 }).catch((error: unknown) => error);
    expect(limited).toBeInstanceOf(RateLimitError);
    expect((limited as RateLimitError).headers?.get('retry-after')).toBe('7');
  });
});

describe('faults on the wire', () => {
  test('a reset in mid-stream raises after the tokens before it', async () => {
    const seen: string[] = [];
    const reading = (async () => {
      const options = withBehaviour({ resetRate: 1, resetAfterTokens: 5 });
      for await (const chunk of await client.chat.completions.create(streamed, options)) {
        if (chunk.choices[0]?.delta.content) seen.push(chunk.choices[0].delta.content);
      }
    })();
    await expect(reading).rejects.toThrow();
    expect(seen).toHaveLength(5);
    expect(simulator.journal.read().items.at(-1)).toMatchObject({ status: 200, aborted: false, completed: false });
  });

  test('a reset strikes in the middle of a plain body, or before the headers', async () => {
    const response = await post(JSON.stringify(ask), { resetRate: 1 });
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
    const early = client.chat.completions.create(ask, withBehaviour({ resetBeforeHeadersRate: 1 }));
    await expect(early).rejects.toThrow(APIConnectionError);
  });

  test('a truncated stream ends cleanly in its middle; without [DONE] it is otherwise whole', async () => {
    const body = JSON.stringify(streamed);
    const truncated = await (await post(body, { truncate: true })).text();
    expect(truncated).not.toMatch(/\[DONE\]|"finish_reason":"/);
    const whole = await (await post(body, { omitDone: true })).text();
    expect(whole).toMatch(/"finish_reason":"stop"\}\]\}\n\n$/);
  });

  test('bytes may come compressed, in pieces and with other line ends, and mean the same', async () => {
    const { text } = await collect();
    for (const gzip of [false, true]) {
      const odd = withBehaviour({ gzip, chunking: { bytes: 7 }, eventSeparator: '\r\n\r\n' });
      expect((await collect(odd)).text).toBe(text);
      expect((await client.chat.completions.create(ask, odd)).choices[0]?.message.content).toBe(text);
    }
    const pieces = await new Promise<number[]>((resolve) => {
      const sizes: number[] = [];
      const sent = request(`${origin}/v1/chat/completions`, {
        method: 'POST',
        ...withBehaviour({ chunking: { bytes: 7 } }),
      });
      sent.on('response', (response) => {
        response.on('data', (piece: Buffer) => sizes.push(piece.length)).on('end', () => resolve(sizes));
      });
      sent.end(JSON.stringify(streamed));
    });
    expect(Math.max(...pieces)).toBe(7);
  });

  test('a web page is no answer', async () => {
    const response = await post(JSON.stringify(ask), { htmlAnswer: true });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  });

  test('pace: headers, first token and tokens take their time', async () => {
    const startMs = performance.now();
    const fixed = (ms: number) => ({ kind: 'fixed' as const, ms });
    const slow = { latencyMs: fixed(40), firstTokenMs: fixed(40), tokensPerSecond: 100, answerTokens: 5 };
    await collect(withBehaviour(slow));
    expect(performance.now() - startMs).toBeGreaterThan(40 + 40 + 4 * 10 - 5);
  });
});

describe('a client that leaves', () => {
  const items = () => simulator.journal.read().items;
  const send = (body: string, behaviour: BehaviourInput = {}) => {
    const options = { method: 'POST', ...withBehaviour(behaviour) };
    const sent = request(`${origin}/v1/chat/completions`, options).on('error', () => {});
    sent.write(body);
    return sent;
  };

  test.each([
    ['a black hole', { blackHoleRate: 1 }, null],
    ['a stalled stream', { stallAfterTokens: 3 }, 200],
    ['a slow stream', { tokensPerSecond: 1 }, 200],
    ['a slow start', { latencyMs: { kind: 'fixed', ms: 60_000 } }, null],
  ] as const)('is recorded as aborted: %s', async (_, behaviour, status) => {
    const leaving = send(JSON.stringify(streamed), behaviour).end();
    const staying = send(JSON.stringify(streamed), behaviour).end();
    await until('both are received', () => simulator.journal.read().byModel['gpt-4o'] === 2);
    expect(items().map(({ aborted }) => aborted)).toEqual([false, false]);
    leaving.destroy();
    await until('one is aborted', () => items().some(({ aborted }) => aborted));
    expect(items().find(({ aborted }) => aborted)).toMatchObject({ status, completed: false });
    expect(items().filter(({ aborted }) => aborted)).toHaveLength(1);
    staying.destroy();
  });

  test('is recorded as aborted in the middle of its own body', async () => {
    const leaving = send('{');
    await until('it is received', () => items().length === 1);
    leaving.destroy();
    await until('it is aborted', () => items()[0]?.aborted === true);
  });

  test('is not one that was answered', async () => {
    await collect();
    await client.chat.completions.create(ask);
    await until('both are complete', () => items().every(({ completed }) => completed));
    await simulator.close();
    expect(items().map(({ aborted, completed }) => [aborted, completed])).toEqual([
      [false, true],
      [false, true],
    ]);
  });

  test('does not keep the simulator from closing at once', async () => {
    send(JSON.stringify(ask), { blackHoleRate: 1 }).end();
    await until('it is received', () => simulator.journal.read().byModel['gpt-4o'] === 1);
    await simulator.close(60_000);
    expect(items()[0]).toMatchObject({ aborted: false, completed: false });
  });
});

test('a client that reads slowly holds the stream back, and gets all of it', async () => {
  const total = 100_000;
  let made = 0;
  let needsDrain = () => false;
  function* events() {
    while (made < total) yield { data: `token ${made++}`, tokens: 1 };
  }
  const server = createServer((received, response) => {
    needsDrain = () => response.writableNeedDrain;
    const head = { atMs: 0, method: 'GET', path: '/', query: '', rawHeaders: [] };
    const exchange = new Exchange(received, response, createJournal().open(head), new Set());
    const answer = { kind: 'stream' as const, events: events(), terminator: undefined, tokens: total };
    const how = { behaviour: DEFAULT_BEHAVIOUR, firstTokenMs: 0, cut: undefined, errorEvent: undefined };
    const rest = { headers: {}, clock: systemClock };
    void deliver(exchange, { answer, ...how, ...rest });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const response = await new Promise<IncomingMessage>((resolve) => {
    request({ port: (server.address() as AddressInfo).port }, resolve).end();
  });
  await until('the stream waits', needsDrain);
  expect(made).toBeLessThan(total);
  let received = '';
  for await (const bytes of response) received += bytes;
  expect(received.split('\n\n')).toHaveLength(total + 1);
  server.close();
});

describe('control', () => {
  const control = (method: string, path: string, body?: unknown) =>
    fetch(`${origin}/_sim/${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });

  test('sets, shows and removes behaviours at run time', async () => {
    expect((await control('GET', 'health')).status).toBe(200);
    expect((await control('PUT', 'models/a%2Fb', { answerTokens: 4 })).status).toBe(200);
    expect((await client.chat.completions.create({ ...ask, model: 'a/b' })).usage?.completion_tokens).toBe(4);
    expect(await (await control('GET', 'models')).json()).toMatchObject({ models: { 'a/b': { answerTokens: 4 } } });
    expect((await control('PUT', 'models/a', { answerToken: 4 })).status).toBe(400);
    expect((await control('DELETE', 'models/a%2Fb')).status).toBe(204);
    expect((await control('DELETE', 'models/a%2Fb')).status).toBe(404);
    expect((await client.chat.completions.create({ ...ask, model: 'a/b' })).usage?.completion_tokens).toBe(32);
  });

  test('shows what was received', async () => {
    await client.chat.completions.create(ask);
    await collect();
    const page = (await (await control('GET', 'requests?model=gpt-4o&limit=1')).json()) as JournalPage;
    expect(page).toMatchObject({
      total: 2,
      byModel: { 'gpt-4o': 2 },
      byPath: { '/v1/chat/completions': 2 },
      items: [
        { sequence: 2, method: 'POST', status: 200, stream: true, completed: true, body: JSON.stringify(streamed) },
      ],
    });
    expect(page.items[0]?.headers['authorization']).toBe('Bearer sk-test');
    expect((await control('DELETE', 'requests')).status).toBe(204);
    expect(await (await control('GET', 'requests')).json()).toMatchObject({ total: 0, items: [] });
    expect((await control('GET', 'requests?limit=x')).status).toBe(400);
  });

  test('the k-th request of a model is decided alike after a restart; x-sim-seed decides by itself', async () => {
    const statuses = async (headers: Record<string, string> = {}) => {
      const got: number[] = [];
      simulator.setBehaviour('*', { errors: [{ status: 500, rate: 0.5 }] });
      for (let turn = 0; turn < 24; turn++) {
        const init = { method: 'POST', body: JSON.stringify(ask), headers };
        got.push((await fetch(`${origin}/v1/chat/completions`, init)).status);
      }
      return got;
    };
    const first = await statuses();
    expect(new Set(first)).toEqual(new Set([200, 500]));
    expect(new Set(await statuses({ 'x-sim-seed': 'one' })).size).toBe(1);
    expect(await statuses()).toEqual(first);
    await simulator.close();
    await start();
    expect(await statuses()).toEqual(first);
  });

  test('runSimulator logs where it listens and stops; a taken port is an error', async () => {
    const lines: string[] = [];
    const settings = { host: '127.0.0.1', seed: 7, behaviours: {}, log: (line: string) => lines.push(line) };
    const stop = await runSimulator({ ...settings, port: 0 });
    const url = /http:\S+\/v1/.exec(lines[0] ?? '')?.[0];
    expect((await fetch(`${url}/models`)).status).toBe(200);
    const port = Number(new URL(url ?? '').port);
    await expect(runSimulator({ ...settings, port })).rejects.toThrow('EADDRINUSE');
    await stop();
    await expect(fetch(`${url}/models`)).rejects.toThrow();
  });
});
