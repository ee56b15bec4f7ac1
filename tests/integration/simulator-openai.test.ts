// The official SDK, and two others that speak OpenAI's chat completions, against the simulator itself.
import { createOpenAI } from '@ai-sdk/openai';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, jsonSchema, streamText, tool } from 'ai';
import OpenAI, { APIError, AuthenticationError, BadRequestError, InternalServerError, RateLimitError } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BehaviourInput } from '#simulator/behaviour.ts';
import { createSimulator } from '#simulator/server.ts';

const simulator = createSimulator();
let baseURL: string;
let openai: OpenAI;

beforeAll(async () => {
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  baseURL = `http://${host}:${port}/v1`;
  openai = new OpenAI({ apiKey: 'sk-test', baseURL, maxRetries: 0 });
});
afterAll(() => simulator.close());

const PARAMETERS = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city', 'days'],
  additionalProperties: false,
};
const weather = (name = 'get_weather') => ({
  type: 'function' as const,
  function: { name, description: 'The weather at a place', parameters: PARAMETERS, strict: true },
});
const ask = { model: 'gpt-5', messages: [{ role: 'user' as const, content: 'How is the weather?' }] };
const withTools = { ...ask, tools: [weather(), weather('get_tide')] };
const withBehaviour = (behaviour: BehaviourInput) => ({ headers: { 'x-sim-behaviour': JSON.stringify(behaviour) } });

type Params = OpenAI.ChatCompletionCreateParamsNonStreaming;

/** The answer plain, which the SDK's own helper must make of the stream too, ids of the answer aside. */
async function both(params: Params, behaviour: BehaviourInput = {}): Promise<OpenAI.ChatCompletion> {
  const options = withBehaviour(behaviour);
  const plain = await openai.chat.completions.create(params, options);
  const stream = openai.chat.completions.stream(
    { ...params, stream: true, stream_options: { include_usage: true } },
    options,
  );
  const streamed = await stream.finalChatCompletion();
  expect(shapeOf(streamed)).toEqual(shapeOf(plain));
  return plain;
}

/** What both have in common: the helper adds `parsed`, and leaves out lists that are empty. */
function shapeOf({ choices, usage, model }: OpenAI.ChatCompletion) {
  return {
    model,
    usage,
    choices: choices.map(({ index, finish_reason, logprobs, message }) => ({
      index,
      finish_reason,
      logprobs: logprobs === null ? null : { content: logprobs.content ?? null, refusal: logprobs.refusal ?? null },
      content: message.content,
      refusal: message.refusal ?? null,
      calls: (message.tool_calls ?? []).map((call) => ({
        id: call.id,
        ...(call.type === 'function'
          ? { name: call.function.name, arguments: call.function.arguments }
          : { name: call.custom.name, arguments: call.custom.input }),
      })),
    })),
  };
}

describe('the official SDK', () => {
  test('plain, streamed', async () => {
    const { choices } = await both(ask);
    expect(choices[0]).toMatchObject({ finish_reason: 'stop', message: { role: 'assistant', refusal: null } });
    expect(choices[0]!.message.content).toMatch(/^\[gpt-5\]/);
    expect(choices[0]!.message.tool_calls).toBeUndefined();
  });

  test('a tool where one must be called', async () => {
    const { choices } = await both({ ...withTools, tool_choice: 'required' });
    const [choice] = choices;
    expect(choice).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
    const [call, ...others] = choice!.message.tool_calls ?? [];
    expect(others).toEqual([]);
    if (call?.type !== 'function') throw new Error('no function');
    expect(call.id).toMatch(/^call_\w{24}$/);
    expect(JSON.parse(call.function.arguments)).toEqual({ city: expect.any(String), days: expect.any(Number) });
  });

  test.each<[string, Partial<Params>, string[]]>([
    ['several at once', {}, ['get_weather', 'get_tide', 'get_weather']],
    ['one, where they may not be parallel', { parallel_tool_calls: false }, ['get_weather']],
    ['none', { tool_choice: 'none' }, []],
    [
      'the chosen one',
      { tool_choice: { type: 'function', function: { name: 'get_tide' } } },
      Array(3).fill('get_tide'),
    ],
    [
      'the allowed ones',
      {
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'get_tide' } }] },
        },
      },
      Array(3).fill('get_tide'),
    ],
  ])('%s', async (_, more, names) => {
    const { choices } = await both({ ...withTools, ...more }, { toolCalls: 3 });
    const calls = choices[0]!.message.tool_calls ?? [];
    expect(calls.map((call) => (call.type === 'function' ? call.function.name : ''))).toEqual(names);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length);
  });

  test('a custom tool', async () => {
    const tools = [{ type: 'custom' as const, custom: { name: 'shell' } }];
    const { choices } = await both({ ...ask, tools, tool_choice: { type: 'custom', custom: { name: 'shell' } } });
    expect(choices[0]!.message.tool_calls).toMatchObject([{ type: 'custom', custom: { name: 'shell' } }]);
  });

  test('the turn behind a call is text', async () => {
    const { choices } = await both({ ...withTools, tool_choice: 'required' });
    const { message } = choices[0]!;
    const results = message.tool_calls!.map(({ id }) => ({ role: 'tool' as const, tool_call_id: id, content: '21' }));
    const next = await both({ ...withTools, messages: [...ask.messages, message, ...results] }, { toolCalls: 1 });
    expect(next.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: expect.any(String) } });
  });

  test('its own runner of tools goes all the way', async () => {
    const cities: unknown[] = [];
    const runner = openai.chat.completions.runTools(
      {
        ...ask,
        tools: [
          {
            type: 'function',
            function: {
              name: 'get_weather',
              description: 'The weather at a place',
              parameters: PARAMETERS,
              parse: JSON.parse,
              function: (args: { city: string }) => {
                cities.push(args.city);
                return '21';
              },
            },
          },
        ],
      },
      withBehaviour({ toolCalls: 2 }),
    );
    expect(await runner.finalContent()).toMatch(/^\[gpt-5\]/);
    expect(cities).toEqual([expect.any(String), expect.any(String)]);
  });

  test('a schema, and any JSON', async () => {
    const json_schema = { name: 'place', schema: PARAMETERS, strict: true };
    const { choices } = await both({ ...ask, response_format: { type: 'json_schema', json_schema } });
    expect(JSON.parse(choices[0]!.message.content!)).toEqual({ city: expect.any(String), days: expect.any(Number) });
    const any = await both({ ...ask, response_format: { type: 'json_object' } });
    expect(JSON.parse(any.choices[0]!.message.content!)).toEqual({});
  });

  test('a stop text, a limit, a filter, a refusal', async () => {
    const behaviour = { answerText: 'one two END three' };
    const stopped = await both({ ...ask, stop: ['nowhere', ' END'] }, behaviour);
    expect(stopped.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'one two' } });
    const cut = await both({ ...ask, max_completion_tokens: 2 }, behaviour);
    expect(cut.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'one two' } });
    const filtered = await both(ask, { ...behaviour, finish: 'content_filter' });
    expect(filtered.choices[0]!.finish_reason).toBe('content_filter');
    const refused = await both(ask, { answerText: 'I will not', finish: 'refusal' });
    expect(refused.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: null, refusal: 'I will not' },
    });
  });

  test('several choices with log probabilities', async () => {
    const { choices } = await both({ ...ask, n: 2, logprobs: true, top_logprobs: 2 }, { answerTokens: 5 });
    for (const { logprobs, message } of choices) {
      expect(logprobs?.content?.map(({ token }) => token).join('')).toBe(message.content);
      expect(logprobs?.content?.every(({ top_logprobs: top, logprob }) => top.length === 2 && logprob <= 0)).toBe(true);
    }
    expect(choices[0]!.message.content).not.toBe(choices[1]!.message.content);
  });

  test('thoughts: hidden, unless an effort is set and the model shows them', async () => {
    const reasoning = { reasoningTokens: 6 };
    const thoughtsOf = async (more: object, behaviour: BehaviourInput) => {
      const { choices, usage } = await both({ ...ask, ...more }, behaviour);
      expect(usage?.completion_tokens_details?.reasoning_tokens).toBe(6);
      return (choices[0]!.message as { reasoning_content?: string }).reasoning_content;
    };
    expect(await thoughtsOf({}, reasoning)).toBeUndefined();
    expect(await thoughtsOf({ reasoning_effort: 'none' }, reasoning)).toBeUndefined();
    expect(await thoughtsOf({ reasoning_effort: 'low' }, { ...reasoning, showsReasoning: false })).toBeUndefined();
    const shown = await thoughtsOf({ reasoning_effort: 'low' }, reasoning);
    expect(shown).toMatch(/^\[thinking\]/);
    let streamed = '';
    const params = { ...ask, reasoning_effort: 'low' as const, stream: true as const };
    for await (const { choices } of await openai.chat.completions.create(params, withBehaviour(reasoning))) {
      streamed += (choices[0]?.delta as { reasoning_content?: string }).reasoning_content ?? '';
    }
    expect(streamed).toBe(shown);
  });
});

describe('errors, as the SDK raises them', () => {
  test.each([
    [400, BadRequestError],
    [401, AuthenticationError],
    [429, RateLimitError],
    [500, InternalServerError],
    [529, InternalServerError],
  ])('%d', async (status, raised) => {
    const failing = openai.chat.completions.create(ask, withBehaviour({ errors: [{ status, rate: 1 }] }));
    await expect(failing).rejects.toThrow(raised);
    await expect(failing).rejects.toMatchObject({ status });
  });

  test('in the middle of a stream', async () => {
    const options = withBehaviour({ streamError: { afterTokens: 3, status: 500, message: 'worn out' } });
    let seen = '';
    const reading = (async () => {
      for await (const chunk of await openai.chat.completions.create({ ...ask, stream: true }, options)) {
        seen += chunk.choices[0]?.delta.content ?? '';
      }
    })();
    await expect(reading).rejects.toThrow(APIError);
    await expect(reading).rejects.toThrow('worn out');
    expect(seen).not.toBe('');
  });

  const call = { id: 'c1', type: 'function' as const, function: { name: 'f', arguments: '{}' } };
  test.each<[string, object]>([
    ['messages[0].role', { messages: [{ role: 'robot', content: 'x' }] }],
    ['messages[0].content[0].type', { messages: [{ role: 'user', content: [{ type: 'smell' }] }] }],
    ['messages[0].content[0].type', { messages: [{ role: 'system', content: [{ type: 'image_url' }] }] }],
    ['messages[1].role', { messages: [...ask.messages, { role: 'tool', tool_call_id: 'c1', content: 'x' }] }],
    ['messages[2].role', { messages: [...ask.messages, { role: 'assistant', tool_calls: [call] }, ...ask.messages] }],
    ['messages[2].role', { messages: [...ask.messages, { role: 'assistant', tool_calls: [call] }] }],
    ['tools[0].function.name', { tools: [{ type: 'function', function: {} }] }],
    ['tool_choice', { tool_choice: 'required' }],
    ['parallel_tool_calls', { parallel_tool_calls: true }],
    ['top_logprobs', { top_logprobs: 2 }],
    ['temperature', { temperature: 3 }],
    [
      'response_format.json_schema.name',
      { response_format: { type: 'json_schema', json_schema: { name: 'a b', schema: {} } } },
    ],
  ])('%s', async (param, more) => {
    const refused = openai.chat.completions.create({ ...ask, ...more } as Params);
    await expect(refused).rejects.toMatchObject({ status: 400, param });
  });
});

describe('the AI SDK', () => {
  const model = (behaviour: BehaviourInput) => {
    const provider = createOpenAI({ apiKey: 'sk-test', baseURL, ...withBehaviour(behaviour) });
    return { model: provider.chat('gpt-5'), prompt: 'How is the weather?', maxRetries: 0 };
  };
  const tools = {
    get_weather: tool({ inputSchema: jsonSchema(PARAMETERS as Parameters<typeof jsonSchema>[0]), execute: () => '21' }),
  };

  test('plain, streamed', async () => {
    const plain = await generateText(model({}));
    const streamed = streamText(model({}));
    expect(await streamed.text).toBe(plain.text);
    expect(plain).toMatchObject({ finishReason: 'stop', text: expect.stringMatching(/^\[gpt-5\]/) });
    expect((await streamed.usage).outputTokens).toBe(plain.usage.outputTokens);
  });

  test('calls of tools', async () => {
    const plain = await generateText({ ...model({ toolCalls: 2 }), tools });
    const streamed = streamText({ ...model({ toolCalls: 2 }), tools });
    expect(plain.toolCalls.map(({ toolName, input }) => [toolName, input])).toEqual(
      Array(2).fill(['get_weather', { city: expect.any(String), days: expect.any(Number) }]),
    );
    expect((await streamed.toolCalls).map(({ toolCallId, input }) => [toolCallId, input])).toEqual(
      plain.toolCalls.map(({ toolCallId, input }) => [toolCallId, input]),
    );
    expect(plain.finishReason).toBe('tool-calls');
  });
});

describe('LangChain', () => {
  const chat = (behaviour: BehaviourInput) =>
    new ChatOpenAI({
      model: 'gpt-5',
      apiKey: 'sk-test',
      maxRetries: 0,
      useResponsesApi: false,
      configuration: { baseURL, defaultHeaders: withBehaviour(behaviour).headers },
    });

  test('plain, streamed', async () => {
    const plain = await chat({}).invoke('How is the weather?');
    let text = '';
    for await (const { content } of await chat({}).stream('How is the weather?')) text += content;
    expect(plain.content).toMatch(/^\[gpt-5\]/);
    expect(text).toBe(plain.content);
    expect(plain).toMatchObject({ usage_metadata: { output_tokens: 32 } });
  });

  test('calls of tools', async () => {
    const bound = chat({ toolCalls: 2 }).bindTools([weather(), weather('get_tide')]);
    const plain = await bound.invoke('How is the weather?');
    const chunks = [];
    for await (const chunk of await bound.stream('How is the weather?')) chunks.push(chunk);
    const streamed = chunks.reduce((all, chunk) => all.concat(chunk));
    expect(plain.tool_calls?.map(({ name }) => name)).toEqual(['get_weather', 'get_tide']);
    expect(streamed.tool_calls).toEqual(plain.tool_calls);
  });
});
