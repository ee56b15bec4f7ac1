import { createAnthropic } from '@ai-sdk/anthropic';
import Anthropic, { APIError } from '@anthropic-ai/sdk';
import { ChatAnthropic } from '@langchain/anthropic';
import { AIMessageChunk, HumanMessage } from '@langchain/core/messages';
import { generateText, jsonSchema, streamText, tool } from 'ai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Stack, startStack } from '../support/stack.ts';

/**
 * Anthropic's official SDK, and two others that speak its API, through a real gateway: to a provider of the same dialect, whose bytes
 * pass, and to one of another, which are translated. The whole matrix is in compatibility.test.ts.
 */
const KINDS = ['anthropic', 'openai'] as const;
const hello = { max_tokens: 4096, messages: [{ role: 'user' as const, content: 'Who are you?' }] };
const weather = {
  name: 'weather',
  description: 'Of a city',
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } },
};

let stack: Stack;
let key: string;
let client: Anthropic;

beforeAll(async () => {
  stack = await startStack({ workers: 1 });
  for (const kind of KINDS) {
    await must('POST', '/providers', { name: kind, kind, baseUrl: `${stack.simulatorUrl}/v1`, apiKey: 'sk-planted' });
    await must('POST', '/models', { name: kind, provider: kind, upstreamModel: `sim-${kind}` });
    await must('POST', '/groups', { name: kind });
    await must('PUT', `/groups/${kind}/variants`, [{ model: kind, role: 'champion', weightBp: 10_000 }]);
  }
  key = (await must<{ key: string }>('POST', '/keys', { name: 'sdk' })).key;
  client = new Anthropic({ baseURL: stack.gatewayUrl, apiKey: key, maxRetries: 0 });
});
afterAll(() => stack.stop());

async function must<Body>(method: string, path: string, body: unknown): Promise<Body> {
  const answer = await stack.api<Body>(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function behave(kind: string, behaviour: object): Promise<void> {
  const put = { method: 'PUT', body: JSON.stringify(behaviour) };
  expect((await fetch(`${stack.simulatorUrl}/_sim/models/sim-${kind}`, put)).status).toBe(200);
}

async function lastRequest(kind: string) {
  const answer = await fetch(`${stack.simulatorUrl}/_sim/requests?model=sim-${kind}&limit=1000`);
  const { items } = (await answer.json()) as {
    items: { path: string; body: string; headers: Record<string, string> }[];
  };
  return items.at(-1)!;
}

async function failure(promise: PromiseLike<unknown>): Promise<APIError> {
  const error: unknown = await Promise.resolve(promise).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(APIError);
  return error as APIError;
}

describe.each(KINDS)('to %s', (kind) => {
  test('a stream is the whole answer, and both have an id of the request', async () => {
    await behave(kind, { answerTokens: 8 });
    const plain = await client.messages.create({ ...hello, model: kind });
    const stream = client.messages.stream({ ...hello, model: kind });
    const streamed = await stream.finalMessage();
    expect(streamed.content).toEqual(plain.content);
    expect(streamed.usage).toMatchObject({ input_tokens: plain.usage.input_tokens, output_tokens: 8 });
    expect(plain.content).toMatchObject([{ type: 'text', text: expect.stringMatching(/^\[sim-/) }]);
    expect([plain._request_id, stream.request_id]).toEqual([expect.any(String), expect.any(String)]);
  });

  test('what was read from a cache is not counted twice', async () => {
    await behave(kind, { cachedPromptTokens: 5 });
    const long = { ...hello, messages: [{ role: 'user' as const, content: 'word '.repeat(40) }] };
    const cached = await client.messages.create({ ...long, model: kind });
    await behave(kind, {});
    const fresh = await client.messages.create({ ...long, model: kind });
    expect(cached.usage.cache_read_input_tokens).toBe(5);
    expect(cached.usage.input_tokens).toBe(fresh.usage.input_tokens - 5);
  });

  test('the AI SDK', async () => {
    await behave(kind, {});
    const model = createAnthropic({ apiKey: key, baseURL: `${stack.gatewayUrl}/v1` })(kind);
    const plain = await generateText({ model, prompt: 'Hello', maxOutputTokens: 500, maxRetries: 0 });
    expect(await streamText({ model, prompt: 'Hello', maxOutputTokens: 500, maxRetries: 0 }).text).toBe(plain.text);
    const { toolCalls } = await generateText({
      model,
      prompt: 'Weather?',
      maxOutputTokens: 500,
      maxRetries: 0,
      toolChoice: 'required',
      tools: { weather: tool({ description: 'Weather', inputSchema: jsonSchema(weather.input_schema) }) },
    });
    expect(toolCalls).toMatchObject([{ toolName: 'weather', input: { city: expect.any(String) } }]);
  });

  test('LangChain', async () => {
    await behave(kind, {});
    const chat = new ChatAnthropic({
      model: kind,
      apiKey: key,
      anthropicApiUrl: stack.gatewayUrl,
      maxTokens: 500,
      maxRetries: 0,
    });
    const plain = await chat.invoke([new HumanMessage('Hello')]);
    let whole = new AIMessageChunk('');
    for await (const chunk of await chat.stream([new HumanMessage('Hello')])) whole = whole.concat(chunk);
    expect(whole.text).toBe(plain.text);
    expect(plain.text).not.toBe('');
    const called = await chat.bindTools([weather], { tool_choice: 'weather' }).invoke([new HumanMessage('Weather?')]);
    expect(called.tool_calls).toMatchObject([{ name: 'weather', args: { city: expect.any(String) } }]);
  });
});

test('tokens are counted where the provider counts them, and refused clearly where it does not', async () => {
  await behave('anthropic', {});
  const prompt = { model: 'anthropic', messages: hello.messages };
  const { input_tokens: counted } = await client.messages.countTokens(prompt);
  expect(counted).toBe((await client.messages.create({ ...hello, model: 'anthropic' })).usage.input_tokens);
  const error = await failure(client.messages.countTokens({ ...prompt, model: 'openai' }));
  expect(error).toMatchObject({ status: 400, type: 'invalid_request_error' });
  expect(error.message).toContain('count-tokens');
});

test('fields that only Anthropic knows pass to it, with the caller’s version and betas, and go nowhere else', async () => {
  await behave('anthropic', {});
  const marked = { type: 'text' as const, text: 'Be brief.', cache_control: { type: 'ephemeral' as const } };
  const options = { headers: { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'context-1m-2025-08-07' } };
  await client.messages.create({ ...hello, model: 'anthropic', system: [marked], temperature: 1 } as never, options);
  const { path, body } = await lastRequest('anthropic');
  expect(path).toBe('/v1/messages');
  expect(JSON.parse(body)).toMatchObject({ model: 'sim-anthropic', system: [marked], temperature: 1 });
  // The newest version takes no temperature: that it was taken above says which one was passed on.
  expect(
    await failure(client.messages.create({ ...hello, model: 'anthropic', temperature: 1 } as never)),
  ).toMatchObject({
    status: 400,
  });
  const search = {
    ...hello,
    model: 'openai',
    tools: [{ type: 'web_search_20250305' as const, name: 'web_search' as const }],
  };
  expect((await failure(client.messages.create(search))).message).toContain('tools[0]');
});

test('a conversation goes on with Anthropic whose thoughts another provider had', async () => {
  await behave('openai', { reasoningTokens: 6 });
  await behave('anthropic', { reasoningTokens: 6 });
  const thinking = { type: 'enabled' as const, budget_tokens: 1024 };
  const messages: Anthropic.MessageParam[] = [...hello.messages];
  for (const model of ['openai', 'anthropic', 'openai', 'anthropic']) {
    const { content } = await client.messages.create({ ...hello, messages, thinking, model });
    expect(content.map(({ type }) => type)).toEqual(['thinking', 'text']);
    messages.push({ role: 'assistant', content }, { role: 'user', content: 'Go on.' });
  }
});

test('errors are in Anthropic’s words, wherever they come from', async () => {
  const stranger = new Anthropic({ baseURL: stack.gatewayUrl, apiKey: 'nobody', maxRetries: 0 });
  expect(await failure(stranger.messages.create({ ...hello, model: 'openai' }))).toMatchObject({
    status: 401,
    type: 'authentication_error',
  });
  expect(await failure(client.messages.create({ ...hello, model: 'nothing' }))).toMatchObject({
    status: 404,
    type: 'not_found_error',
  });
  await behave('openai', { errors: [{ status: 429, rate: 1, retryAfterSeconds: 7 }] });
  const limited = await failure(client.messages.create({ ...hello, model: 'openai' }));
  expect(limited).toMatchObject({ status: 429, type: 'rate_limit_error' });
  expect(limited.headers?.get('retry-after')).toBe('7');
  for (const kind of KINDS) {
    await behave(kind, { streamError: { afterTokens: 2, status: 500 } });
    const broken = await failure(client.messages.stream({ ...hello, model: kind }).finalMessage());
    expect(broken.type).toBe('api_error');
  }
});
