import { AIMessageChunk } from '@langchain/core/messages';
import { generateText, jsonSchema, streamText, type ToolSet, tool } from 'ai';
import type OpenAI from 'openai';
import { APIError, BadRequestError } from 'openai';
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { called, replyOf, said, thought } from '#tests/support/model-parts.ts';
import { anthropic, gateway, REPLIES, url } from '#tests/support/responses-clients.ts';

const ask = { model: 'group', input: 'Who are you?' };
const weather = {
  type: 'function',
  name: 'weather',
  parameters: { type: 'object', properties: {} },
  strict: false,
} as const;
describe('openai', () => {
  test.each(Object.entries(REPLIES))('a stream of %s is accumulated to the plain answer', async (_, reply) => {
    const { openai } = gateway(reply);
    const body = { ...ask, tools: [weather], include: ['message.output_text.logprobs' as const] };
    const plain = await openai.responses.create(body);
    const stream = openai.responses.stream(body);
    const types: string[] = [];
    const numbers: number[] = [];
    for await (const event of stream) {
      types.push(event.type);
      numbers.push(event.sequence_number);
    }
    const final = await stream.finalResponse();
    const { output_parsed: _parsed, ...streamed } = final;
    const withoutParsed = JSON.parse(
      JSON.stringify(streamed, (key, value) => (key === 'parsed' || key === 'parsed_arguments' ? undefined : value)),
    );
    expect(withoutParsed).toEqual(JSON.parse(JSON.stringify(plain)));
    expect(numbers).toEqual(numbers.map((_, index) => index));
    expect(types.slice(0, 2)).toEqual(['response.created', 'response.in_progress']);
    expect(types.at(-1)).toBe(`response.${plain.status}`);
  });

  test('events come in the order of the reference', async () => {
    const reply = replyOf([
      thought('Hmm', { signature: anthropic('s') }),
      said('Hello', { citations: [url] }),
      called('f', '{}'),
    ]);
    const types: string[] = [];
    for await (const event of await gateway(reply).openai.responses.create({ ...ask, stream: true }))
      types.push(event.type);
    expect(types).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.reasoning_summary_part.added',
      'response.reasoning_summary_text.delta',
      'response.reasoning_summary_text.done',
      'response.reasoning_summary_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.annotation.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ]);
  });

  test('structured output is parsed, plain and streamed', async () => {
    const { openai, requests } = gateway(replyOf([said('{"rounds":12}')]));
    const format = { type: 'json_schema', name: 'bout', schema: { type: 'object' }, strict: true } as const;
    const body = { ...ask, text: { format } };
    expect((await openai.responses.parse(body)).output_parsed).toEqual({ rounds: 12 });
    expect((await openai.responses.stream(body).finalResponse()).output_parsed).toEqual({ rounds: 12 });
    expect(requests[0]?.settings.output).toMatchObject({ kind: 'json_schema', name: 'bout', strict: true });
  });

  test('the output sent back says the same again: ids, arguments, signatures byte for byte', async () => {
    const signature = { origin: 'google', value: 'c2ln.x' } as const;
    const parts = [
      thought('Let me see.', { signature: anthropic('sig==') }),
      thought('', { redacted: anthropic('enc') }),
      said('Looking.'),
      called('a', '{"x": 1}', { id: 'toolu_1', signature }),
      called('b', '{broken', { id: 'toolu_2' }),
    ];
    const { openai, requests } = gateway(replyOf(parts, { finish: 'tool_calls' }));
    const { output } = await openai.responses.create(ask);
    const results = ['toolu_2', 'toolu_1'].map((call_id) => {
      return { type: 'function_call_output', call_id, output: `result of ${call_id}` } as const;
    });
    const history = [{ role: 'user', content: 'Go' }, ...output, ...results] as OpenAI.Responses.ResponseInput;
    await openai.responses.create({ ...ask, input: history });
    const [user, assistant, tools] = requests[1]?.messages ?? [];
    expect(user).toMatchObject({ role: 'user', parts: [{ text: 'Go' }] });
    expect(assistant?.parts.map(({ at: _, ...part }) => part)).toEqual(parts.map(({ at: _, ...part }) => part));
    expect(tools?.parts).toMatchObject([
      { type: 'tool_result', callId: 'toolu_2', name: 'b', parts: [{ text: 'result of toolu_2' }] },
      { type: 'tool_result', callId: 'toolu_1', name: 'a' },
    ]);
  });

  test('errors, before a stream and inside one', async () => {
    const limited = new RingsideError('upstream_rate_limited', 'Slow down.', { param: 'input' });
    const { openai } = gateway(limited);
    await expect(openai.responses.create(ask)).rejects.toMatchObject({ status: 429, code: 'upstream_rate_limited' });
    await expect(openai.responses.create({ ...ask, previous_response_id: 'resp_1' })).rejects.toThrow(BadRequestError);
    const failure = await openai.responses
      .stream(ask)
      .finalResponse()
      .catch((reason: unknown) => reason);
    expect(failure).toBeInstanceOf(APIError);
    expect(failure).toMatchObject({ code: 'upstream_rate_limited', type: 'rate_limit_error', param: 'input' });
  });
});

describe('@ai-sdk/openai', () => {
  const weatherTool = { weather: tool({ inputSchema: jsonSchema({ type: 'object' }) }) } as ToolSet;

  test.each([
    'a text',
    'thoughts, signed',
    'parallel calls, one signed',
    'text cut by the limit',
    'a refusal',
  ])('%s reads the same plain and streamed', async (name) => {
    const { ai } = gateway(REPLIES[name]!);
    const options = { model: ai('group'), prompt: 'Hi', tools: weatherTool, maxRetries: 0 };
    const plain = await generateText(options);
    const streamed = streamText(options);
    await streamed.consumeStream();
    expect(await streamed.text).toBe(plain.text);
    expect(await streamed.reasoningText).toBe(plain.reasoningText);
    expect(await streamed.toolCalls).toEqual(plain.toolCalls);
    expect(await streamed.finishReason).toBe(plain.finishReason);
    expect(await streamed.usage).toEqual(plain.usage);
    expect((await streamed.usage).inputTokens).toBe(11);
  });

  test('an answer with tools, sent back without a store, is read', async () => {
    const { ai, requests } = gateway(
      replyOf([thought('Hm.', { signature: anthropic('s') }), called('weather', '{}')], { finish: 'tool_calls' }),
    );
    const providerOptions = { openai: { store: false } };
    const first = await generateText({ model: ai('group'), prompt: 'Hi', tools: weatherTool, providerOptions });
    const result = {
      type: 'tool-result',
      toolCallId: 'call_weather',
      toolName: 'weather',
      output: { type: 'text', value: 'rain' },
    } as const;
    const messages = [
      { role: 'user' as const, content: 'Hi' },
      ...first.response.messages,
      { role: 'tool' as const, content: [result] },
    ];
    await generateText({ model: ai('group'), messages, tools: weatherTool, providerOptions });
    expect(requests[1]?.messages).toMatchObject([
      { role: 'user' },
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'Hm.', signature: anthropic('s') },
          { type: 'tool_call', id: 'call_weather', name: 'weather', arguments: '{}' },
        ],
      },
      { role: 'user', parts: [{ type: 'tool_result', callId: 'call_weather', name: 'weather' }] },
    ]);
  });

  test('an error inside a stream is raised', async () => {
    const { ai } = gateway(new RingsideError('upstream_error', 'It broke.'));
    const errors: unknown[] = [];
    const result = streamText({
      model: ai('group'),
      prompt: 'Hi',
      onError: ({ error }) => void errors.push(error),
    });
    await result.consumeStream();
    expect(JSON.stringify(errors)).toContain('It broke.');
  });
});

describe('@langchain/openai', () => {
  test.each([
    'a text',
    'thoughts, signed',
    'parallel calls, one signed',
    'text cut by the limit',
    'a refusal',
  ])('%s reads the same plain and streamed', async (name) => {
    const { langchain } = gateway(REPLIES[name]!);
    const plain = await langchain.invoke('Hi');
    let streamed: AIMessageChunk | undefined;
    for await (const chunk of await langchain.stream('Hi')) streamed = streamed ? streamed.concat(chunk) : chunk;
    expect(streamed).toBeInstanceOf(AIMessageChunk);
    expect(streamed!.text).toBe(plain.text);
    const calls = (message: typeof plain) => message.tool_calls?.map(({ id, name, args }) => ({ id, name, args }));
    expect(calls(streamed!)).toEqual(calls(plain));
    expect(streamed!.usage_metadata).toMatchObject({ input_tokens: 11, output_tokens: 7 });
    expect(plain.usage_metadata).toMatchObject({ input_tokens: 11, output_tokens: 7 });
  });
});
