import { createAnthropic } from '@ai-sdk/anthropic';
import Anthropic, {
  type APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  RateLimitError,
} from '@anthropic-ai/sdk';
import type { Message, MessageCreateParamsNonStreaming } from '@anthropic-ai/sdk/resources/messages';
import { ChatAnthropic } from '@langchain/anthropic';
import { AIMessageChunk, HumanMessage } from '@langchain/core/messages';
import { generateText, jsonSchema, streamText, tool } from 'ai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BehaviourInput } from '#simulator/behaviour.ts';
import { createSimulator, type Simulator } from '#simulator/server.ts';

/** The simulator's Anthropic dialect, as Anthropic's own SDK and two others see it. */
let simulator: Simulator;
let origin: string;
let client: Anthropic;

beforeEach(async () => {
  simulator = createSimulator();
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  origin = `http://${host}:${port}`;
  client = new Anthropic({ apiKey: 'sk-ant-test', baseURL: origin, maxRetries: 0 });
});
afterEach(() => simulator.close());

const ask: MessageCreateParamsNonStreaming = {
  model: 'claude-test',
  max_tokens: 4096,
  messages: [{ role: 'user', content: 'Who are you, and why?' }],
};
const weather = {
  name: 'weather',
  description: 'The weather of a city',
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' }, days: { type: 'integer' } } },
};
const thinking = { type: 'enabled' as const, budget_tokens: 1024 };

/** With one seed, two requests get the same ids. */
const withBehaviour = (behaviour: BehaviourInput = {}) => ({
  headers: { 'x-sim-behaviour': JSON.stringify(behaviour), 'x-sim-seed': 'one' },
});

async function both(params: MessageCreateParamsNonStreaming, behaviour: BehaviourInput = {}): Promise<Message> {
  const plain = await client.messages.create(params, withBehaviour(behaviour));
  const whole = await client.messages.stream(params, withBehaviour(behaviour)).finalMessage();
  // The helper's own.
  const { parsed_output: _, ...streamed } = whole;
  expect(JSON.parse(JSON.stringify(streamed))).toEqual(JSON.parse(JSON.stringify(plain)));
  return plain;
}

const OLD_VERSION = { headers: { 'anthropic-version': '2023-06-01' } };

async function fails(params: object, options = {}): Promise<BadRequestError> {
  const error: unknown = await client.messages
    .create({ ...ask, ...params } as never, options)
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(BadRequestError);
  return error as BadRequestError;
}

describe('messages, streamed by the SDK as plain', () => {
  test('text', async () => {
    const message = await both(ask, { answerTokens: 6 });
    expect(message).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'claude-test',
      stop_reason: 'end_turn',
    });
    expect(message.content).toHaveLength(1);
    expect(message.content[0]).toMatchObject({ type: 'text', text: expect.stringMatching(/^\[claude-test\]/) });
    expect(message.usage).toMatchObject({
      output_tokens: 6,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
    });
  });

  test('a tool call, parallel ones, and only one where that is asked', async () => {
    const params = { ...ask, tools: [weather], tool_choice: { type: 'any' as const } };
    const one = await both(params);
    expect(one.stop_reason).toBe('tool_use');
    expect(one.content).toMatchObject([{ type: 'tool_use', name: 'weather', input: { city: expect.any(String) } }]);
    const three = await both(params, { toolCalls: 3 });
    expect(new Set(three.content.map((block) => (block.type === 'tool_use' ? block.id : '')))).toHaveProperty(
      'size',
      3,
    );
    const single = { ...params, tool_choice: { type: 'any' as const, disable_parallel_tool_use: true } };
    expect((await both(single, { toolCalls: 3 })).content).toHaveLength(1);
  });

  test('a turn with the results of tools', async () => {
    const called = await both({ ...ask, tools: [weather], tool_choice: { type: 'any' } }, { toolCalls: 2 });
    const results = called.content.flatMap((block) =>
      block.type === 'tool_use' ? [{ type: 'tool_result' as const, tool_use_id: block.id, content: 'sunny' }] : [],
    );
    const messages = [
      ...ask.messages,
      { role: 'assistant' as const, content: called.content },
      { role: 'user' as const, content: results },
    ];
    const answered = await both({ ...ask, tools: [weather], messages });
    expect(answered.content).toMatchObject([{ type: 'text' }]);
    const orphaned = await fails({ messages: [{ role: 'user', content: results }] });
    expect(orphaned.message).toContain('unexpected `tool_use_id`');
    const unanswered = await fails({ messages: messages.slice(0, 2) });
    expect(unanswered.message).toContain('without `tool_result` blocks');
  });

  test('JSON by a schema', async () => {
    const schema = { type: 'object', properties: { name: { type: 'string' } }, additionalProperties: false };
    const message = await both({ ...ask, output_config: { format: { type: 'json_schema', schema } } });
    const [block] = message.content;
    expect(JSON.parse(block?.type === 'text' ? block.text : '')).toEqual({ name: expect.any(String) });
  });

  test('thoughts, shown, omitted and encrypted, whose signatures are taken back unchanged and no others', async () => {
    const params = { ...ask, thinking };
    const shown = await both(params, { reasoningTokens: 5 });
    expect(shown.content.map(({ type }) => type)).toEqual(['thinking', 'text']);
    expect(shown.content[0]).toMatchObject({
      thinking: expect.stringMatching(/^\[thin/),
      signature: expect.any(String),
    });
    expect(shown.usage.output_tokens_details).toEqual({ thinking_tokens: 5 });
    const omitted = await both({ ...ask, thinking: { type: 'adaptive', display: 'omitted' } }, { reasoningTokens: 5 });
    expect(omitted.content[0]).toMatchObject({ type: 'thinking', thinking: '' });
    const secret = { ...params, messages: [{ role: 'user' as const, content: 'SIMULATE_REDACTED_THINKING' }] };
    const redacted = await both(secret, { reasoningTokens: 5 });
    expect(redacted.content[0]).toMatchObject({ type: 'redacted_thinking', data: expect.any(String) });

    const next = (content: Message['content']) => ({
      ...params,
      messages: [
        ...ask.messages,
        { role: 'assistant' as const, content },
        { role: 'user' as const, content: 'Go on.' },
      ],
    });
    for (const { content } of [shown, omitted, redacted])
      expect((await both(next(content))).stop_reason).toBe('end_turn');
    const altered = shown.content.map((block) => (block.type === 'thinking' ? { ...block, signature: 'x' } : block));
    expect((await fails(next(altered))).message).toContain('Invalid `signature`');
  });

  test('stop sequences and limits', async () => {
    const stopped = await both({ ...ask, stop_sequences: ['STOP'] }, { answerText: 'one two STOP three' });
    expect(stopped).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'STOP' });
    const cut = await both({ ...ask, max_tokens: 3 });
    expect(cut).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 3 } });
    expect(await both(ask, { finish: 'refusal' })).toMatchObject({
      stop_reason: 'refusal',
      stop_details: { type: 'refusal' },
    });
  });

  test('the parts of the input add up, with a cache and without', async () => {
    const long = { ...ask, messages: [{ role: 'user' as const, content: 'word '.repeat(50) }] };
    const plain = (await both(long)).usage;
    const system = [{ type: 'text' as const, text: 'Be brief.', cache_control: { type: 'ephemeral' as const } }];
    const { usage } = await both({ ...long, system }, { cachedPromptTokens: 20 });
    expect(usage.cache_read_input_tokens).toBe(20);
    expect(usage.cache_creation_input_tokens).toBeGreaterThan(0);
    const all = usage.input_tokens + usage.cache_read_input_tokens! + usage.cache_creation_input_tokens!;
    expect(all).toBeGreaterThan(plain.input_tokens);
    const { input_tokens: counted } = await client.messages.countTokens({
      model: ask.model,
      messages: long.messages,
      system,
    });
    expect(counted).toBe(all);
  });
});

describe('errors', () => {
  test('by status, in the SDK classes', async () => {
    const expected = [
      [400, BadRequestError],
      [401, AuthenticationError],
      [429, RateLimitError],
      [500, InternalServerError],
      [529, InternalServerError],
    ] as const;
    for (const [status, type] of expected) {
      const options = withBehaviour({ errors: [{ status, rate: 1, retryAfterSeconds: 7 }] });
      const error: unknown = await client.messages.create(ask, options).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(type);
      expect(error).toMatchObject({ status, requestID: expect.stringMatching(/^req_/) });
      expect((error as APIError).headers?.get('retry-after')).toBe('7');
    }
  });

  test('in a stream that has begun', async () => {
    const stream = client.messages.stream(ask, withBehaviour({ streamError: { afterTokens: 2, status: 529 } }));
    const texts: string[] = [];
    stream.on('text', (text) => texts.push(text));
    await expect(stream.finalMessage()).rejects.toThrow(/overloaded_error/);
    expect(texts.length).toBeGreaterThan(0);
  });

  test('key, version and fields are required', async () => {
    const post = (headers: Record<string, string>, body: object) =>
      fetch(`${origin}/v1/messages`, { method: 'POST', headers, body: JSON.stringify(body) });
    expect((await post({ 'anthropic-version': '2023-06-01' }, ask)).status).toBe(401);
    const versionless = await post({ 'x-api-key': 'k' }, ask);
    expect(await versionless.json()).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', message: 'anthropic-version: header is required' },
    });
    const { max_tokens: _, ...unlimited } = ask;
    const missing = await post({ 'x-api-key': 'k', 'anthropic-version': '2023-06-01' }, unlimited);
    expect(await missing.json()).toMatchObject({ error: { message: 'max_tokens: Field required' } });
    expect((await fails({ bogus: 1 })).message).toContain('bogus: Extra inputs are not permitted');
  });

  test('sampling is settable up to the version before the newest', async () => {
    expect((await fails({ temperature: 1 })).message).toContain('temperature: Extra inputs are not permitted');
    expect((await fails({ temperature: 1.5 }, OLD_VERSION)).message).toContain('temperature');
    const warm = await client.messages.create({ ...ask, temperature: 0.5 } as never, OLD_VERSION);
    expect(warm).toMatchObject({ stop_reason: 'end_turn' });
  });

  test('what does not go with thoughts', async () => {
    expect((await fails({ thinking, temperature: 0.5 }, OLD_VERSION)).message).toContain(
      '`temperature` may only be set to 1',
    );
    expect((await fails({ thinking, max_tokens: 1024 })).message).toContain('must be greater than');
    const forced = await fails({ thinking, tools: [weather], tool_choice: { type: 'any' } });
    expect(forced.message).toContain('forces tool use');
  });
});

test('lists models beside OpenAI, which has the same path', async () => {
  simulator.setBehaviour('claude-listed', {});
  const models = await client.models.list();
  expect(models.data.map(({ id }) => id)).toEqual(['claude-listed']);
  expect(await client.models.retrieve('claude-listed')).toMatchObject({ type: 'model', max_input_tokens: 200_000 });
  const openai = (await (await fetch(`${origin}/v1/models`)).json()) as { object: string };
  expect(openai.object).toBe('list');
});

describe('second opinions', () => {
  test('the AI SDK: text, stream, tools, thoughts', async () => {
    const headers = { 'x-sim-behaviour': JSON.stringify({ reasoningTokens: 4, answerTokens: 5 }), 'x-sim-seed': 'one' };
    const model = createAnthropic({ apiKey: 'k', baseURL: `${origin}/v1`, headers })('claude-sonnet-4-5');
    const providerOptions = { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } };
    const plain = await generateText({ model, prompt: 'Hello', providerOptions, maxRetries: 0 });
    const streamed = streamText({ model, prompt: 'Hello', providerOptions, maxRetries: 0 });
    expect(await streamed.text).toBe(plain.text);
    expect(plain.text).not.toBe('');
    expect(await streamed.reasoningText).toBe(plain.reasoningText);
    expect(plain.reasoningText).toMatch(/^\[thin/);
    const called = await generateText({
      model,
      prompt: 'Weather?',
      maxRetries: 0,
      toolChoice: 'required',
      tools: { weather: tool({ description: 'Weather', inputSchema: jsonSchema(weather.input_schema) }) },
    });
    expect(called.toolCalls).toMatchObject([{ toolName: 'weather', input: { city: expect.any(String) } }]);
  });

  test('LangChain: text, stream, tools', async () => {
    const chat = new ChatAnthropic({
      model: 'claude-sonnet-4-5',
      apiKey: 'k',
      anthropicApiUrl: origin,
      maxTokens: 4096,
      maxRetries: 0,
      clientOptions: { defaultHeaders: { 'x-sim-seed': 'one' } },
    });
    const plain = await chat.invoke([new HumanMessage('Hello')]);
    let whole = new AIMessageChunk('');
    for await (const chunk of await chat.stream([new HumanMessage('Hello')])) whole = whole.concat(chunk);
    expect(whole.text).toBe(plain.text);
    expect(plain.text).not.toBe('');
    expect(plain).toMatchObject({ usage_metadata: { output_tokens: 32 } });
    const bound = chat.bindTools([weather], { tool_choice: 'weather' });
    const called = await bound.invoke([new HumanMessage('Weather?')]);
    expect(called.tool_calls).toMatchObject([{ name: 'weather', args: { city: expect.any(String) } }]);
  });
});
