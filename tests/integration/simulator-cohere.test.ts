import { type Cohere, CohereClientV2, CohereError, CohereTimeoutError } from 'cohere-ai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cohereChat } from '#gateway/providers/cohere/chat.ts';
import { MODELS } from '#gateway/providers/cohere/models.ts';
import type { BehaviourInput } from '#simulator/behaviour.ts';
import { createSimulator } from '#simulator/server.ts';
import { chatRequest, textPart, userTurn } from '#tests/support/chat-request.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import type { ChatRequest } from '#translation/chat/request.ts';

const simulator = createSimulator({ behaviours: { 'command-a-03-2025': {} } });
let origin: string;
let client: CohereClientV2;

beforeAll(async () => {
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  origin = `http://${host}:${port}/cohere`;
  client = new CohereClientV2({ token: 'co-key', environment: origin });
});
afterAll(() => simulator.close());

const withBehaviour = (behaviour: BehaviourInput) => ({
  maxRetries: 0,
  headers: { 'x-sim-behaviour': JSON.stringify(behaviour) },
});
type Ask = Cohere.V2ChatRequest;
const ask = (more: Partial<Ask> = {}): Ask => ({
  model: 'command-a-03-2025',
  messages: [{ role: 'user', content: 'Who rings?' }],
  ...more,
});
const LOOK: Cohere.ToolV2 = {
  type: 'function',
  function: {
    name: 'look',
    description: 'Looks.',
    parameters: { type: 'object', properties: { at: { type: 'integer' } }, required: ['at'] },
  },
};

/** The SDK has no accumulator: events put together as its own types describe them. */
async function stream(request: Ask, behaviour: BehaviourInput = {}): Promise<Cohere.V2ChatResponse> {
  let [id, finishReason]: [string, Cohere.ChatFinishReason | undefined] = ['', undefined];
  let usage: Cohere.Usage | undefined;
  const content: Cohere.AssistantMessageResponseContentItem[] = [];
  const toolCalls: Cohere.ToolCallV2[] = [];
  const citations: Cohere.Citation[] = [];
  const logprobs: Cohere.LogprobItem[] = [];
  let toolPlan = '';
  for await (const event of await client.chatStream(request, withBehaviour(behaviour))) {
    switch (event.type) {
      case 'message-start':
        id = event.id ?? '';
        break;
      case 'content-start':
        content[event.index!] =
          event.delta?.message?.content?.type === 'thinking'
            ? { type: 'thinking', thinking: '' }
            : { type: 'text', text: '' };
        break;
      case 'content-delta': {
        const block = content[event.index!]!;
        const added = event.delta?.message?.content;
        if (block.type === 'text') block.text += added?.text ?? '';
        else block.thinking += added?.thinking ?? '';
        if (event.logprobs) logprobs.push(event.logprobs);
        break;
      }
      case 'tool-plan-delta':
        toolPlan += event.delta?.message?.toolPlan ?? '';
        break;
      case 'tool-call-start':
        toolCalls[event.index!] = event.delta!.message!.toolCalls!;
        break;
      case 'tool-call-delta':
        toolCalls[event.index!]!.function!.arguments += event.delta?.message?.toolCalls?.function?.arguments ?? '';
        break;
      case 'citation-start':
        citations.push(event.delta!.message!.citations!);
        break;
      case 'message-end':
        finishReason = event.delta?.finishReason;
        usage = event.delta?.usage;
        break;
      default:
    }
  }
  return {
    id,
    finishReason: finishReason!,
    message: {
      role: 'assistant',
      ...(content.length > 0 ? { content } : {}),
      ...(toolCalls.length > 0 ? { toolCalls, toolPlan } : {}),
      ...(citations.length > 0 ? { citations } : {}),
    },
    ...(usage === undefined ? {} : { usage }),
    ...(logprobs.length > 0 ? { logprobs } : {}),
  };
}

/** The same request plain and as a stream: the same answer but for its id. */
async function both(request: Ask, behaviour: BehaviourInput = {}): Promise<Cohere.V2ChatResponse> {
  const plain = await client.chat(request, withBehaviour(behaviour));
  expect({ ...(await stream(request, behaviour)), id: plain.id }).toEqual(plain);
  return plain;
}

describe('the official SDK', () => {
  test('chats', async () => {
    const answer = await both(ask());
    expect(answer).toMatchObject({
      finishReason: 'COMPLETE',
      message: {
        role: 'assistant',
        content: [{ type: 'text', text: expect.stringMatching(/^\[command-a-03-2025\]/) }],
      },
      usage: { billedUnits: { outputTokens: 32 }, tokens: { outputTokens: 32 }, cachedTokens: 0 },
    });
    const { billedUnits, tokens } = answer.usage!;
    expect(tokens!.inputTokens! - billedUnits!.inputTokens!).toBe(64);
  });

  test('sees thoughts, unless it does not want them', async () => {
    const thinking = { reasoningTokens: 3 };
    const answer = await both(ask({ thinking: { type: 'enabled', tokenBudget: 1000 } }), thinking);
    expect(answer.message.content!.map(({ type }) => type)).toEqual(['thinking', 'text']);
    expect((await both(ask({ thinking: { type: 'disabled' } }), thinking)).message.content).toHaveLength(1);
  });

  test('calls tools in parallel, with their plan, and gives their results back', async () => {
    const first = await both(ask({ tools: [LOOK] }), { toolCalls: 2 });
    expect(first.finishReason).toBe('TOOL_CALL');
    const { toolCalls = [], toolPlan = '' } = first.message;
    expect(toolPlan).toBe('I will use look and look.');
    expect(toolCalls.map((call) => Object.keys(JSON.parse(call.function!.arguments!)))).toEqual([['at'], ['at']]);
    const second = await both(
      ask({
        tools: [LOOK],
        messages: [
          { role: 'user', content: 'Look.' },
          { role: 'assistant', toolCalls, toolPlan },
          ...toolCalls.map(({ id }) => ({ role: 'tool' as const, toolCallId: id, content: '{"seen":true}' })),
        ],
      }),
    );
    expect(second.finishReason).toBe('COMPLETE');
    expect(second.message.citations![0]!.sources![0]).toMatchObject({ type: 'tool', id: `${toolCalls[0]!.id}:0` });
    expect((await both(ask({ tools: [LOOK], toolChoice: 'REQUIRED' }))).message.toolCalls).toHaveLength(1);
    expect(
      (await both(ask({ tools: [LOOK], toolChoice: 'NONE' }), { toolCalls: 1 })).message.toolCalls,
    ).toBeUndefined();
  });

  test('gets JSON of its schema', async () => {
    const jsonSchema = { type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer' } } };
    const answer = await both(ask({ responseFormat: { type: 'json_object', jsonSchema } }));
    const [content] = answer.message.content!;
    expect(Object.keys(JSON.parse((content as { text: string }).text))).toEqual(['name', 'age']);
  });

  test('gets citations of its documents', async () => {
    const documents = [{ id: 'bells', data: { title: 'Bells', text: 'Bells ring.' } }];
    const answer = await both(ask({ documents }));
    expect(answer.message.citations![0]).toMatchObject({
      start: 0,
      sources: [{ type: 'document', id: 'bells', document: { title: 'Bells' } }],
    });
    const without = await both(ask({ documents, citationOptions: { mode: 'OFF' } }));
    expect(without.message.citations).toBeUndefined();
  });

  test('stops at a text, and at its limit', async () => {
    const answerText = 'one two three';
    const stopped = await both(ask({ stopSequences: [' two'] }), { answerText });
    expect(stopped).toMatchObject({ finishReason: 'STOP_SEQUENCE', message: { content: [{ text: 'one' }] } });
    const short = await both(ask({ maxTokens: 2 }), { answerText });
    expect(short).toMatchObject({ finishReason: 'MAX_TOKENS', message: { content: [{ text: 'one two' }] } });
  });

  test('gets log probabilities', async () => {
    const { logprobs = [], message } = await both(ask({ logprobs: true }));
    const [content] = message.content!;
    expect(logprobs.map(({ text }) => text).join('')).toBe((content as { text: string }).text);
  });

  test.each([400, 401, 429, 500, 529])('gets the error %i', async (status) => {
    const errors = [{ status, rate: 1 }];
    for (const call of [
      () => client.chat(ask(), withBehaviour({ errors })),
      () => client.chatStream(ask(), withBehaviour({ errors })),
    ]) {
      const error = await call().then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(CohereError);
      expect(error).not.toBeInstanceOf(CohereTimeoutError);
      expect(error).toMatchObject({ statusCode: status, body: { message: expect.any(String) } });
    }
  });

  test('gets an error in the stream', async () => {
    const events = await client.chatStream(
      ask(),
      withBehaviour({ streamError: { afterTokens: 2, status: 500, message: 'out of memory' } }),
    );
    const seen: Cohere.V2ChatStreamResponse[] = [];
    for await (const event of events) seen.push(event);
    expect(seen.filter(({ type }) => type === 'content-delta')).toHaveLength(2);
    expect(seen.at(-1)).toMatchObject({
      type: 'message-end',
      delta: { finishReason: 'ERROR', error: 'out of memory' },
    });
  });
});

describe("the gateway's translation", () => {
  const MODEL = { upstreamModel: 'command-a-03-2025', defaultMaxTokens: 4096 };

  async function send(request: ChatRequest, behaviour: BehaviourInput = {}): Promise<Buffer> {
    const answer = await fetch(`${origin}/v2/chat`, {
      method: 'POST',
      body: cohereChat.writeRequest(request, MODEL, createRefusals('cohere', false)),
      headers: { 'x-sim-behaviour': JSON.stringify(behaviour) },
    });
    const body = Buffer.from(await answer.arrayBuffer());
    expect({ status: answer.status, body: body.toString() }).toMatchObject({ status: 200 });
    return body;
  }

  const schema = { type: 'object', properties: { name: { type: 'string' } } };
  const parameters = { type: 'object', properties: { at: { type: 'integer' } } };
  const tools = [{ at: 'tools[0]', name: 'look', description: null, parameters, strict: true, cache: null }];
  const document = { at: '', cache: null, source: { kind: 'text', text: 'Bells ring.' }, title: 'Bells' } as const;

  test.each<[string, Parameters<typeof chatRequest>[0], BehaviourInput, string]>([
    ['text', { system: [textPart('Be brief.'), textPart('Be kind.')] }, {}, 'stop'],
    ['thoughts', {}, { reasoningTokens: 4 }, 'stop'],
    ['tools', { tools, settings: { toolChoice: { kind: 'required' } } }, { toolCalls: 2 }, 'tool_calls'],
    ['a schema', { settings: { output: { kind: 'json' } } }, {}, 'stop'],
    [
      'a schema with a name',
      { settings: { output: { kind: 'json_schema', name: 'x', description: null, schema, strict: true } } },
      {},
      'stop',
    ],
    ['a limit', { settings: { maxTokens: 3 } }, {}, 'length'],
    ['a stop text', { settings: { stop: [' two'] } }, { answerText: 'one two' }, 'stop_sequence'],
    ['log probabilities', { settings: { logprobs: true, seed: 1, topP: 1, topK: 40 } }, {}, 'stop'],
    ['documents', { messages: [userTurn('Who?', { type: 'document', citations: true, ...document })] }, {}, 'stop'],
    ['zero usage', {}, { usage: 'zero' }, 'stop'],
    ['no usage', {}, { usage: 'missing' }, 'stop'],
  ])('%s: the stream is the plain answer', async (_, request, behaviour, finish) => {
    const plain = cohereChat.readReply(await send(chatRequest(request), behaviour));
    const collector = new ReplyCollector();
    const reader = cohereChat.openReader();
    reader.push(await send(chatRequest({ ...request, stream: true }), behaviour), (event) => collector.take(event));
    reader.close((event) => collector.take(event));
    expect({ ...collector.reply(), id: plain.id }).toEqual(plain);
    expect(plain.candidates[0]!.finish).toBe(finish);
  });

  test('reads the list of models', async () => {
    const answer = await fetch(`${origin}${MODELS.path}`);
    expect(MODELS.read(Buffer.from(await answer.arrayBuffer()))).toEqual([
      { id: 'command-a-03-2025', displayName: null, contextTokens: 256_000, createdUnixS: null },
    ]);
  });
});
