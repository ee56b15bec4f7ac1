import {
  BedrockRuntimeClient,
  type BedrockRuntimeClientConfig,
  type ContentBlock,
  ConverseCommand,
  type ConverseCommandInput,
  type ConverseResponse,
  ConverseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BehaviourInput } from '#simulator/behaviour.ts';
import { createSimulator, type Simulator, type SimulatorOptions } from '#simulator/server.ts';
import { overHttp1 } from '#tests/support/aws-over-http1.ts';

/** The official SDK of the Bedrock Runtime against the simulator, without a gateway between them. */
const MODEL = 'anthropic.claude-sonnet-4-5-20250929-v1:0';
const KEY = { accessKeyId: 'AKIDSIMULATED', secretAccessKey: 'a-secret/of+the:simulator' };

let simulator: Simulator;
let origin: string;
let client: BedrockRuntimeClient;

async function start(options: SimulatorOptions = {}, config: BedrockRuntimeClientConfig = {}) {
  simulator = createSimulator(options);
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  origin = `http://${host}:${port}`;
  client = connect(config);
}

function connect(config: BedrockRuntimeClientConfig = {}) {
  return new BedrockRuntimeClient({
    endpoint: origin,
    region: 'eu-west-1',
    credentials: KEY,
    maxAttempts: 1,
    requestHandler: overHttp1(),
    ...config,
  });
}

beforeEach(() => start());
afterEach(async () => {
  client.destroy();
  await simulator.close();
});

const ask: ConverseCommandInput = {
  modelId: MODEL,
  system: [{ text: 'Be brief.' }],
  messages: [{ role: 'user', content: [{ text: 'Who are you?' }] }],
};
const WEATHER = {
  toolSpec: {
    name: 'weather',
    inputSchema: { json: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } } },
  },
};
const TIME = { toolSpec: { name: 'time', inputSchema: { json: { type: 'object', properties: {} } } } };

const converse = (input: Partial<ConverseCommandInput> = {}) => client.send(new ConverseCommand({ ...ask, ...input }));
const behave = (behaviour: BehaviourInput) => simulator.setBehaviour(MODEL, behaviour);

/** Puts the events of a stream together as the API reference tells clients to. */
async function accumulate(input: Partial<ConverseCommandInput> = {}): Promise<Omit<ConverseResponse, 'metrics'>> {
  const { stream } = await client.send(new ConverseStreamCommand({ ...ask, ...input }));
  const content: ContentBlock[] = [];
  let text: Record<number, string> = {};
  let made: Partial<ConverseResponse> = {};
  for await (const event of stream!) {
    const { contentBlockStart: begun, contentBlockDelta: more, contentBlockStop: ended } = event;
    if (event.messageStart) text = {};
    if (begun) content[begun.contentBlockIndex!] = { toolUse: { ...begun.start!.toolUse!, input: {} } };
    if (more) {
      const at = more.contentBlockIndex!;
      const { text: words, toolUse, reasoningContent } = more.delta!;
      text[at] = (text[at] ?? '') + (words ?? toolUse?.input ?? reasoningContent?.text ?? '');
      if (words !== undefined) content[at] = { text: text[at] };
      if (reasoningContent) {
        const signature = reasoningContent.signature;
        content[at] = { reasoningContent: { reasoningText: { text: text[at], ...(signature ? { signature } : {}) } } };
      }
    }
    const tool = ended && content[ended.contentBlockIndex!]?.toolUse;
    if (tool) tool.input = JSON.parse(text[ended.contentBlockIndex!]!);
    if (event.messageStop) made = { ...made, stopReason: event.messageStop.stopReason };
    if (event.metadata) made = { ...made, usage: event.metadata.usage };
  }
  return { ...made, output: { message: { role: 'assistant', content } } } as ConverseResponse;
}

const essence = ({ output, stopReason, usage }: Omit<ConverseResponse, 'metrics'>) => ({ output, stopReason, usage });

async function expectSameStreamed(input: Partial<ConverseCommandInput> = {}) {
  const plain = await converse(input);
  expect(essence(await accumulate(input))).toEqual(essence(plain));
  return plain;
}

describe('answers', () => {
  test('plain, with usage and a request id', async () => {
    const answer = await converse();
    expect(answer.output?.message).toEqual({
      role: 'assistant',
      content: [{ text: expect.stringContaining(MODEL.slice(0, 9)) }],
    });
    expect(answer.stopReason).toBe('end_turn');
    expect(answer.usage).toMatchObject({ outputTokens: 32, cacheReadInputTokens: 0 });
    expect(answer.$metadata.requestId).toHaveLength(36);
  });

  test('streamed, the same', async () => {
    await expectSameStreamed();
  });

  test('streamed in pieces that cut through frames, the same', async () => {
    behave({ chunking: { bytes: 7 }, answerTokens: 5 });
    await expectSameStreamed();
  });

  test('one tool call, and several', async () => {
    behave({ toolCalls: 1 });
    const one = await expectSameStreamed({ toolConfig: { tools: [WEATHER, TIME], toolChoice: { any: {} } } });
    expect(one.stopReason).toBe('tool_use');
    expect(one.output?.message?.content).toMatchObject([
      { toolUse: { name: 'weather', input: { days: expect.any(Number) } } },
    ]);
    behave({ toolCalls: 3 });
    const three = await expectSameStreamed({ toolConfig: { tools: [WEATHER, TIME] } });
    const names = three.output?.message?.content?.map(({ toolUse }) => toolUse?.name);
    expect(names).toEqual(['weather', 'time', 'weather']);
  });

  test('text after the results of tools', async () => {
    behave({ toolCalls: 1 });
    const messages: ConverseCommandInput['messages'] = [
      ...ask.messages!,
      { role: 'assistant', content: [{ toolUse: { toolUseId: 'tooluse_1', name: 'time', input: {} } }] },
      {
        role: 'user',
        content: [{ toolResult: { toolUseId: 'tooluse_1', content: [{ text: 'noon' }, { json: { hour: 12 } }] } }],
      },
    ];
    const answer = await expectSameStreamed({ messages, toolConfig: { tools: [TIME] } });
    expect(answer.stopReason).toBe('end_turn');
  });

  test('JSON of a schema', async () => {
    const schema = JSON.stringify({ type: 'object', properties: { colour: { enum: ['red', 'blue'] } } });
    const outputConfig: ConverseCommandInput['outputConfig'] = {
      textFormat: { type: 'json_schema', structure: { jsonSchema: { schema, name: 'colour' } } },
    };
    const answer = await expectSameStreamed({ outputConfig });
    expect(JSON.parse(answer.output!.message!.content![0]!.text!)).toEqual({ colour: 'red' });
  });

  test('thoughts with their signature, where they are asked for', async () => {
    behave({ reasoningTokens: 6 });
    const thinking = { type: 'enabled', budget_tokens: 1024 };
    const answer = await expectSameStreamed({ additionalModelRequestFields: { thinking } });
    expect(answer.output!.message!.content).toMatchObject([
      { reasoningContent: { reasoningText: { signature: expect.any(String) } } },
      { text: expect.any(String) },
    ]);
    expect((await converse()).output!.message!.content).toHaveLength(1);
  });

  test('ends at a stop text and says which, ends at the limit', async () => {
    behave({ answerText: 'one two three four' });
    const stopped = await converse({
      inferenceConfig: { stopSequences: ['three'] },
      additionalModelResponseFieldPaths: ['/stop_sequence'],
    });
    expect(stopped).toMatchObject({
      stopReason: 'stop_sequence',
      additionalModelResponseFields: { stop_sequence: 'three' },
      output: { message: { content: [{ text: 'one two' }] } },
    });
    const cut = await expectSameStreamed({ inferenceConfig: { maxTokens: 2 } });
    expect(cut.stopReason).toBe('max_tokens');
  });

  test('images and documents count', async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const more = await converse({
      messages: [
        {
          role: 'user',
          content: [
            { text: 'Who are you?' },
            { image: { format: 'png', source: { bytes } } },
            { document: { format: 'pdf', name: 'a', source: { bytes } } },
          ],
        },
      ],
    });
    expect(more.usage!.inputTokens).toBe((await converse()).usage!.inputTokens! + 2 * 85);
  });

  test('what is cached is no part of the input', async () => {
    const before = (await converse()).usage!;
    behave({ cachedPromptTokens: 4 });
    expect((await converse()).usage).toMatchObject({
      inputTokens: before.inputTokens! - 4,
      cacheReadInputTokens: 4,
      totalTokens: before.totalTokens,
    });
  });
});

describe('errors', () => {
  test.each([
    [400, 'ValidationException'],
    [401, 'UnrecognizedClientException'],
    [403, 'AccessDeniedException'],
    [404, 'ResourceNotFoundException'],
    [429, 'ThrottlingException'],
    [500, 'InternalServerException'],
    [503, 'ServiceUnavailableException'],
    [529, 'ServiceUnavailableException'],
  ])('%i is %s', async (status, name) => {
    behave({ errors: [{ status, rate: 1, message: 'as it was told' }] });
    const error = await converse().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name, message: 'as it was told', $metadata: { httpStatusCode: status } });
  });

  test.each([
    [429, 'ThrottlingException'],
    [500, 'InternalServerException'],
    [424, 'ModelStreamErrorException'],
  ])('inside a stream, %i is %s', async (status, name) => {
    behave({ streamError: { afterTokens: 2, status, message: 'no more' } });
    await expect(accumulate()).rejects.toMatchObject({ name, message: 'no more' });
  });

  test('conversations that are none', async () => {
    const [user] = ask.messages!;
    await expect(converse({ messages: [user!, user!] })).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining('alternate'),
    });
    await expect(converse({ messages: [{ role: 'user', content: [{ text: ' ' }] }] })).rejects.toMatchObject({
      message: expect.stringContaining('is blank'),
    });
  });
});

describe('signatures', () => {
  const restart = async (requiredApiKey: string, config: BedrockRuntimeClientConfig) => {
    await simulator.close();
    await start({ requiredApiKey }, config);
  };
  const required = `${KEY.accessKeyId}:${KEY.secretAccessKey}`;

  test('the SDK’s own is accepted, with a session token, too', async () => {
    await restart(required, {});
    expect((await converse()).stopReason).toBe('end_turn');
    client = connect({ credentials: { ...KEY, sessionToken: 'for-an-hour' } });
    expect((await accumulate()).stopReason).toBe('end_turn');
  });

  test('another secret’s is not, nor another key’s, nor none', async () => {
    await restart(required, { credentials: { ...KEY, secretAccessKey: 'another' } });
    await expect(converse()).rejects.toMatchObject({ name: 'InvalidSignatureException' });
    client = connect({ credentials: { ...KEY, accessKeyId: 'AKIDANOTHER' } });
    await expect(converse()).rejects.toMatchObject({ name: 'InvalidSignatureException' });
    const bare = await fetch(`${origin}/model/${encodeURIComponent(MODEL)}/converse`, { method: 'POST', body: '{}' });
    expect([bare.status, bare.headers.get('x-amzn-errortype')]).toEqual([403, 'MissingAuthenticationTokenException']);
  });

  test('a Bedrock API key goes as a bearer token', async () => {
    const token = { token: async () => ({ token: 'bedrock-api-key-1' }), authSchemePreference: ['httpBearerAuth'] };
    await restart('bedrock-api-key-1', token);
    expect((await converse()).stopReason).toBe('end_turn');
    client = connect({ ...token, token: async () => ({ token: 'bedrock-api-key-2' }) });
    await expect(converse()).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
  });
});
