import type OpenAI from 'openai';
import { APIError } from 'openai';
import { describe, expect, test } from 'vitest';
import type { BehaviourInput } from '#simulator/behaviour.ts';
import { chatRequest, textPart, userTurn } from '#tests/support/chat-request.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatTranslation } from '#translation/chat/provider.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import type { ChatReply } from '#translation/chat/reply.ts';
import type { ChatRequest } from '#translation/chat/request.ts';

/** A server with OpenAI's chat completions, as the simulator speaks it, and what it has otherwise. */
export interface Server {
  readonly kind: string;
  readonly model: string;
  /** Ready when the tests run. */
  client(): OpenAI;
  chatUrl(): string;
  readonly translation: ChatTranslation;
  /** Not what the SDK would send by itself: parameters and ids. */
  readonly schemaParameter: (schema: Record<string, unknown>) => object;
  readonly finishOfCalls: 'tool_calls' | 'stop';
  readonly streamOptions: boolean;
  /** Whether the SDK's accumulator sees the stream's usage: it passes over chunks without an id. */
  readonly sdkSeesUsage: boolean;
}

type Create = OpenAI.ChatCompletionCreateParamsNonStreaming;

const withBehaviour = (behaviour: BehaviourInput) => ({
  maxRetries: 0,
  headers: { 'x-sim-behaviour': JSON.stringify(behaviour) },
});
const parameters = { type: 'object', properties: { at: { type: 'integer' } }, required: ['at'] };
const LOOK: OpenAI.ChatCompletionFunctionTool = { type: 'function', function: { name: 'look', parameters } };

/** The official SDK against the simulator directly: its accumulator gives what the plain answer is. */
export function describeSdk(server: Server): void {
  const ask = (more: Partial<Create> = {}): Create => ({
    model: server.model,
    messages: [{ role: 'user', content: 'Who rings?' }],
    ...more,
  });

  async function both(request: Create, behaviour: BehaviourInput = {}): Promise<OpenAI.ChatCompletion> {
    const options = withBehaviour(behaviour);
    const plain = await server.client().chat.completions.create(request, options);
    const usage = server.streamOptions ? { stream_options: { include_usage: true } } : {};
    const stream = server.client().chat.completions.stream({ ...request, ...usage, stream: true }, options);
    const streamed = await stream.finalChatCompletion();
    const said = ({ choices, model, usage }: OpenAI.ChatCompletion) => ({
      model,
      usage: server.sdkSeesUsage ? usage : null,
      choices: choices.map(({ message, finish_reason, index }) => ({
        index,
        finish_reason,
        content: message.content ?? '',
        calls: (message.tool_calls ?? []).map((call) => ({ id: call.id, type: call.type, ...functionOf(call) })),
      })),
    });
    expect(said(streamed)).toEqual(said(plain));
    return plain;
  }

  describe('the official SDK', () => {
    test('chats', async () => {
      const { choices, usage } = await both(ask());
      expect(choices[0]).toMatchObject({ index: 0, finish_reason: 'stop' });
      expect(choices[0]!.message.content).toMatch(new RegExp(`^\\[${server.model}\\]`));
      expect(usage).toMatchObject({ completion_tokens: 32 });
    });

    test('calls tools in parallel, and gives their results back', async () => {
      const { choices } = await both(ask({ tools: [LOOK] }), { toolCalls: 2 });
      const { message, finish_reason } = choices[0]!;
      expect(finish_reason).toBe(server.finishOfCalls);
      expect(message.tool_calls!.map((call) => Object.keys(JSON.parse(functionOf(call).arguments)))).toEqual([
        ['at'],
        ['at'],
      ]);
      const calls = message.tool_calls!.map((call) => ({
        id: call.id,
        type: 'function' as const,
        function: functionOf(call),
      }));
      const results = calls.map(({ id }) => ({ role: 'tool' as const, tool_call_id: id, content: '{"seen":true}' }));
      const messages: Create['messages'] = [
        { role: 'user', content: 'Look.' },
        { role: 'assistant', content: null, tool_calls: calls },
        ...results,
      ];
      expect((await both(ask({ tools: [LOOK], messages }))).choices[0]!.finish_reason).toBe('stop');
    });

    test('gets JSON of its schema', async () => {
      const schema = { type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer' } } };
      const request = { ...ask(), ...server.schemaParameter(schema) } as Create;
      const { choices } = await server.client().chat.completions.create(request, withBehaviour({}));
      expect(Object.keys(JSON.parse(choices[0]!.message.content!))).toEqual(['name', 'age']);
    });

    test('stops at a text, and at its limit', async () => {
      const behaviour = { answerText: 'one two three' };
      const stopped = await both(ask({ stop: [' two'] }), behaviour);
      expect(stopped.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'one' } });
      const short = await both(ask({ max_tokens: 2 }), behaviour);
      expect(short.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'one two' } });
    });

    test.each([400, 401, 429, 500, 529])('gets the error %i', async (status) => {
      const options = withBehaviour({ errors: [{ status, rate: 1 }] });
      for (const stream of [false, true]) {
        const error = await server
          .client()
          .chat.completions.create({ ...ask(), stream }, options)
          .then(
            () => null,
            (reason: unknown) => reason,
          );
        expect(error).toBeInstanceOf(APIError);
        expect(error).toMatchObject({ status });
      }
    });

    test('gets an error in the stream', async () => {
      const options = withBehaviour({ streamError: { afterTokens: 2, status: 500, message: 'out of memory' } });
      const stream = await server.client().chat.completions.create({ ...ask(), stream: true }, options);
      let text = '';
      const read = async () => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
      };
      await expect(read()).rejects.toThrow('out of memory');
      expect(text).not.toBe('');
    });
  });
}

function functionOf(call: OpenAI.ChatCompletionMessageToolCall): { name: string; arguments: string } {
  if (call.type !== 'function') throw new Error('no function was called');
  return { name: call.function.name, arguments: call.function.arguments };
}

/** Sends a neutral request to the simulator and gives back what came. */
export async function send(server: Server, request: ChatRequest, behaviour: BehaviourInput = {}) {
  const model = { upstreamModel: server.model, defaultMaxTokens: 4096 };
  const answer = await fetch(server.chatUrl(), {
    method: 'POST',
    body: server.translation.writeRequest(request, model, createRefusals(server.kind, false)),
    headers: { 'x-sim-behaviour': JSON.stringify(behaviour) },
  });
  return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
}

/** The same neutral request plain and as a stream: the same reply but for its id. */
export async function reply(server: Server, request: ChatRequest, behaviour: BehaviourInput = {}): Promise<ChatReply> {
  const plain = await send(server, request, behaviour);
  expect({ status: plain.status, body: plain.body.toString() }).toMatchObject({ status: 200 });
  const read = server.translation.readReply(plain.body);
  const collector = new ReplyCollector();
  const reader = server.translation.openReader();
  const streamed = await send(server, { ...request, stream: true, streamUsage: true }, behaviour);
  reader.push(streamed.body, (event) => collector.take(event));
  reader.close((event) => collector.take(event));
  expect({ ...collector.reply(), id: read.id }).toEqual(read);
  return read;
}

const schema = { type: 'object', properties: { name: { type: 'string' } } };
const tools = [{ at: 'tools[0]', name: 'look', description: null, parameters, strict: null, cache: null }];

/** What the gateway's translation says is what the simulator's server takes, and its answers are read alike in both forms. */
export function describeTranslation(server: Server): void {
  describe("the gateway's translation", () => {
    test.each<[string, Parameters<typeof chatRequest>[0], BehaviourInput, string]>([
      ['text', { system: [textPart('Be brief.'), textPart('Be kind.')] }, {}, 'stop'],
      ['tools', { tools, settings: { toolChoice: { kind: 'required' } } }, { toolCalls: 2 }, 'tool_calls'],
      ['one tool', { tools, settings: { toolChoice: { kind: 'tool', name: 'look' } } }, {}, 'tool_calls'],
      ['JSON', { settings: { output: { kind: 'json' } } }, {}, 'stop'],
      [
        'a schema',
        { settings: { output: { kind: 'json_schema', name: 'x', description: null, schema, strict: true } } },
        {},
        'stop',
      ],
      ['a limit', { settings: { maxTokens: 3 } }, {}, 'length'],
      [
        'settings',
        { settings: { temperature: 0.5, topP: 1, seed: 7, frequencyPenalty: 0.5, presencePenalty: 0 } },
        {},
        'stop',
      ],
      ['zero usage', {}, { usage: 'zero' }, 'stop'],
      ['no usage', {}, { usage: 'missing' }, 'stop'],
    ])('%s: the stream is the plain answer', async (_, request, behaviour, finish) => {
      const { candidates } = await reply(server, chatRequest(request), behaviour);
      expect(candidates[0]!.finish).toBe(finish);
    });

    test('results of tools follow their calls', async () => {
      const first = await reply(server, chatRequest({ tools }), { toolCalls: 2 });
      const { parts } = first.candidates[0]!;
      const calls = parts.filter((part) => part.type === 'tool_call');
      expect(calls).toHaveLength(2);
      const results = calls.map(({ id }) => ({
        type: 'tool_result' as const,
        at: '',
        cache: null,
        callId: id!,
        name: 'look',
        parts: [textPart('seen')],
        isError: false,
      }));
      const messages = [
        userTurn('Look.'),
        { role: 'assistant' as const, at: '', name: null, parts },
        userTurn(...results),
      ];
      const second = await reply(server, chatRequest({ tools, messages }));
      expect(second.candidates[0]!.finish).toBe('stop');
    });
  });
}
