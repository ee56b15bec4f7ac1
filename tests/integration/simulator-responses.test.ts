import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, Output, streamText, type ToolSet, tool } from 'ai';
import OpenAI, { APIError, AuthenticationError, BadRequestError, InternalServerError, RateLimitError } from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { BehaviourInput } from '#simulator/behaviour.ts';
import { createSimulator, type Simulator } from '#simulator/server.ts';

type Params = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'stream'>;

let simulator: Simulator;
let client: OpenAI;
let baseURL: string;

beforeAll(async () => {
  simulator = createSimulator();
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  baseURL = `http://${host}:${port}/v1`;
  client = new OpenAI({ apiKey: 'sk-test', baseURL, maxRetries: 0 });
});
afterAll(() => simulator.close());
afterEach(() => void simulator.removeBehaviour('gpt-5'));

const ask: Params = { model: 'gpt-5', input: 'Who are you, and why?' };
const behave = (behaviour: BehaviourInput) => simulator.setBehaviour('gpt-5', behaviour);
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const functionTool = (name: string) => ({ type: 'function', name, parameters, strict: true }) as const;

/** What a stream is accumulated to, and the plain answer: alike but for what is drawn anew for each request. */
async function bothWays(params: Params) {
  const plain = await client.responses.create(params);
  const streamed = await client.responses.stream(params).finalResponse();
  const comparable = (response: OpenAI.Responses.Response) => {
    const skipped = ['id', 'call_id', 'encrypted_content', 'created_at', 'parsed', 'parsed_arguments', 'output_parsed'];
    return JSON.parse(JSON.stringify(response, (key, value) => (skipped.includes(key) ? undefined : value)));
  };
  expect(comparable(streamed)).toEqual(comparable(plain));
  return plain;
}

describe('openai', () => {
  test('a text', async () => {
    const response = await bothWays(ask);
    expect(response).toMatchObject({ object: 'response', status: 'completed', store: true, error: null });
    expect(response.id).toMatch(/^resp_/);
    expect(response.output_text).toMatch(/^\[gpt-5\] /);
    expect(response.usage).toMatchObject({ output_tokens: 32, total_tokens: 32 + response.usage!.input_tokens });
  });

  test('the events of a stream, numbered, with the whole response in the last', async () => {
    behave({ answerTokens: 2 });
    const events: OpenAI.Responses.ResponseStreamEvent[] = [];
    for await (const event of await client.responses.create({ ...ask, stream: true })) events.push(event);
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
  });

  test('tools: one where it must, several at once where it may, a text after their results', async () => {
    const tools = [functionTool('weather'), functionTool('time')];
    const one = await bothWays({ ...ask, tools, tool_choice: 'required' });
    expect(one.output).toMatchObject([{ type: 'function_call', name: 'weather', status: 'completed' }]);
    behave({ toolCalls: 3 });
    const several = await bothWays({ ...ask, tools });
    expect(several.output.map((item) => 'name' in item && item.name)).toEqual(['weather', 'time', 'weather']);
    expect((await bothWays({ ...ask, tools, parallel_tool_calls: false })).output).toHaveLength(1);
    const only = {
      type: 'allowed_tools' as const,
      mode: 'required' as const,
      tools: [{ type: 'function', name: 'time' }],
    };
    expect((await bothWays({ ...ask, tools, tool_choice: only })).output[0]).toMatchObject({ name: 'time' });
    const results = several.output.flatMap((item) =>
      item.type === 'function_call'
        ? [{ type: 'function_call_output' as const, call_id: item.call_id, output: 'fine' }]
        : [],
    );
    const history = [{ role: 'user', content: 'Hi' }, ...several.output, ...results] as OpenAI.Responses.ResponseInput;
    expect((await bothWays({ ...ask, tools, input: history })).output_text).toMatch(/^\[gpt-5\]/);
    await expect(client.responses.create({ ...ask, tools, input: results })).rejects.toThrow(/No tool call found/);
  });

  test('structured output is parsed', async () => {
    const schema = { type: 'object', properties: { rounds: { type: 'integer' } }, required: ['rounds'] };
    const format = { type: 'json_schema', name: 'bout', schema, strict: true } as const;
    const parsed = await client.responses.parse({ ...ask, text: { format } });
    expect(parsed.output_parsed).toEqual({ rounds: expect.any(Number) });
    expect((await client.responses.stream({ ...ask, text: { format } }).finalResponse()).output_parsed).toEqual(
      parsed.output_parsed,
    );
    expect(JSON.parse((await bothWays({ ...ask, text: { format: { type: 'json_object' } } })).output_text)).toEqual({});
  });

  test('thoughts: shown where a summary is asked for, encrypted where that is asked for, and sent back', async () => {
    behave({ reasoningTokens: 5, answerTokens: 3 });
    const hidden = await bothWays(ask);
    expect(hidden.output[0]).toMatchObject({ type: 'reasoning', summary: [] });
    const shown = await bothWays({
      ...ask,
      store: false,
      reasoning: { effort: 'low', summary: 'auto' },
      include: ['reasoning.encrypted_content'],
    });
    expect(shown.output[0]).toMatchObject({
      summary: [{ type: 'summary_text', text: expect.stringMatching(/^\[thinking\]/) }],
      encrypted_content: expect.stringMatching(/^gAAAAA/),
    });
    expect(shown.usage).toMatchObject({ output_tokens: 8, output_tokens_details: { reasoning_tokens: 5 } });
    const history = [{ role: 'user', content: 'Hi' }, ...shown.output, { role: 'user', content: 'And?' }];
    await bothWays({ ...ask, input: history as OpenAI.Responses.ResponseInput });
    const foreign = { type: 'reasoning' as const, id: 'rs_1', summary: [], encrypted_content: 'rs1.anthropic.x' };
    await expect(client.responses.create({ ...ask, input: [foreign] })).rejects.toThrow(/could not be verified/);
  });

  test('limits, filters and refusals', async () => {
    const cut = await bothWays({ ...ask, max_output_tokens: 20 });
    expect(cut).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(cut.output).toMatchObject([{ type: 'message', status: 'incomplete' }]);
    behave({ reasoningTokens: 50 });
    expect((await bothWays({ ...ask, max_output_tokens: 20 })).output).toMatchObject([{ type: 'reasoning' }]);
    behave({ finish: 'content_filter' });
    expect(await bothWays(ask)).toMatchObject({ incomplete_details: { reason: 'content_filter' } });
    behave({ finish: 'refusal' });
    expect((await bothWays(ask)).output).toMatchObject([{ content: [{ type: 'refusal' }] }]);
  });

  test('log probabilities and images', async () => {
    behave({ answerTokens: 3 });
    const response = await bothWays({ ...ask, include: ['message.output_text.logprobs'], top_logprobs: 2 });
    const [message] = response.output;
    const [content] = message?.type === 'message' ? message.content : [];
    expect(content).toMatchObject({ logprobs: [{ top_logprobs: [{}, {}] }, {}, {}] });
    const image = { type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'auto' } as const;
    const text = { type: 'input_text', text: 'See' } as const;
    const counted = async (content: OpenAI.Responses.ResponseInputMessageContentList) =>
      (await bothWays({ ...ask, input: [{ role: 'user', content }] })).usage!.input_tokens;
    expect(await counted([text, image])).toBe((await counted([text])) + 85);
  });

  test('what would need a store is not found', async () => {
    await expect(client.responses.create({ ...ask, previous_response_id: 'resp_1' })).rejects.toThrow(
      /Previous response with id 'resp_1' not found/,
    );
    await expect(client.responses.create({ ...ask, conversation: 'conv_1' })).rejects.toThrow(/Conversation not found/);
    await expect(client.responses.create({ ...ask, prompt: { id: 'pmpt_1' } })).rejects.toThrow(/Prompt not found/);
    await expect(client.responses.create({ ...ask, stop: 'x' } as Params)).rejects.toThrow(/Unknown parameter: 'stop'/);
    const reference = { type: 'item_reference', id: 'msg_1' } as const;
    await expect(client.responses.create({ ...ask, input: [reference] })).rejects.toThrow(/'msg_1' not found/);
  });

  test.each([
    [400, BadRequestError],
    [401, AuthenticationError],
    [429, RateLimitError],
    [500, InternalServerError],
    [529, InternalServerError],
  ])('status %i', async (status, kind) => {
    behave({ errors: [{ status, rate: 1 }] });
    await expect(client.responses.create(ask)).rejects.toThrow(kind);
    await expect(client.responses.stream(ask).finalResponse()).rejects.toMatchObject({ status });
  });

  test('usage may be missing or zero, a stream may fail or break off', async () => {
    behave({ usage: 'missing' });
    expect((await bothWays(ask)).usage).toBeNull();
    behave({ usage: 'zero' });
    expect((await bothWays(ask)).usage?.total_tokens).toBe(0);
    behave({ streamError: { afterTokens: 3, status: 500, message: 'It broke.' } });
    const failure = await client.responses
      .stream(ask)
      .finalResponse()
      .catch((reason: unknown) => reason);
    expect(failure).toBeInstanceOf(APIError);
    expect(failure).toMatchObject({ message: expect.stringContaining('It broke.'), type: 'server_error' });
    behave({ omitDone: true });
    const types: string[] = [];
    for await (const { type } of await client.responses.create({ ...ask, stream: true })) types.push(type);
    expect(types.at(-1)).toBe('response.output_item.done');
  });
});

describe('@ai-sdk/openai', () => {
  const model = () => createOpenAI({ apiKey: 'sk-test', baseURL })('gpt-5');

  test('text, thoughts and tools, plain and streamed', async () => {
    behave({ reasoningTokens: 4, answerTokens: 6, toolCalls: 2 });
    const options = {
      model: model(),
      prompt: 'Hi',
      maxRetries: 0,
      providerOptions: { openai: { reasoningSummary: 'auto', store: false } },
    };
    const tools = { weather: tool({ inputSchema: jsonSchema(parameters as object) }) } as ToolSet;
    for (const more of [{}, { tools }]) {
      const plain = await generateText({ ...options, ...more });
      const streamed = streamText({ ...options, ...more });
      await streamed.consumeStream();
      expect(await streamed.text).toBe(plain.text);
      expect(await streamed.reasoningText).toBe(plain.reasoningText);
      expect(plain.reasoningText).toMatch(/^\[thinking\]/);
      const inputs = (calls: readonly { input: unknown }[]) => calls.map(({ input }) => input);
      expect(inputs(await streamed.toolCalls)).toEqual(inputs(plain.toolCalls));
      expect(plain.toolCalls).toHaveLength('tools' in more ? 2 : 0);
      expect(await streamed.finishReason).toBe(plain.finishReason);
    }
  });

  test('objects', async () => {
    const schema = jsonSchema<{ rounds: number }>({ type: 'object', properties: { rounds: { type: 'integer' } } });
    const { output } = await generateText({ model: model(), prompt: 'Hi', output: Output.object({ schema }) });
    expect(output).toEqual({ rounds: expect.any(Number) });
  });
});
