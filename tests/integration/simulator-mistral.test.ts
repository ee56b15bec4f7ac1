import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mistralChat } from '#gateway/providers/mistral/chat.ts';
import { readError } from '#gateway/providers/mistral/errors.ts';
import { MODELS } from '#gateway/providers/mistral/models.ts';
import { createSimulator } from '#simulator/server.ts';
import { chatRequest, textPart, userTurn } from '#tests/support/chat-request.ts';
import { describeSdk, describeTranslation, reply, type Server, send } from '#tests/support/openai-like.ts';

const MODEL = 'mistral-large-latest';
const simulator = createSimulator({ behaviours: { [MODEL]: {}, 'mistral-embed': {} } });
let origin: string;

beforeAll(async () => {
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  origin = `http://${host}:${port}/mistral/v1`;
});
afterAll(() => simulator.close());

/** Mistral's own SDK is generated from the same description; OpenAI's is the client that most callers have. */
const server: Server = {
  kind: 'mistral',
  model: MODEL,
  client: () => new OpenAI({ baseURL: origin, apiKey: 'mi-key' }),
  chatUrl: () => `${origin}/chat/completions`,
  translation: mistralChat,
  schemaParameter: (schema) => ({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } }),
  finishOfCalls: 'tool_calls',
  streamOptions: false,
  sdkSeesUsage: true,
};

describeSdk(server);
describeTranslation(server);

describe('what only Mistral has', () => {
  test('thoughts come as chunks, and go back so', async () => {
    const reasoning = { effort: 'high', budgetTokens: null, show: true, adaptive: false } as const;
    const first = await reply(server, chatRequest({ settings: { reasoning } }), { reasoningTokens: 4 });
    const { parts } = first.candidates[0]!;
    expect(parts.map(({ type }) => type)).toEqual(['reasoning', 'text']);
    const turn = { role: 'assistant' as const, at: 'messages[1]', name: null, parts };
    const second = await reply(server, chatRequest({ messages: [userTurn('Hi.'), turn, userTurn('And?')] }));
    expect(second.candidates[0]!.finish).toBe('stop');
  });

  test('an answer at the end is gone on with', async () => {
    const turn = { role: 'assistant' as const, at: 'messages[1]', name: null, parts: [textPart('Once upon')] };
    const { candidates } = await reply(server, chatRequest({ messages: [userTurn('A tale.'), turn] }));
    expect(candidates[0]!.finish).toBe('stop');
  });

  test('several answers', async () => {
    expect((await reply(server, chatRequest({ settings: { candidates: 2 } }))).candidates).toHaveLength(2);
  });

  test('faults in a body are told with their place', async () => {
    const answer = await fetch(server.chatUrl(), {
      method: 'POST',
      body: JSON.stringify({ model: MODEL, messages: [] }),
    });
    const body = Buffer.from(await answer.arrayBuffer());
    const error = readError(answer.status, body, undefined, { providerName: 'm', secrets: [] });
    expect(error).toMatchObject({ code: 'upstream_rejected', status: 422, param: 'messages' });
  });

  test('an error in the stream', async () => {
    const request = chatRequest({ stream: true });
    const { body } = await send(server, request, { streamError: { afterTokens: 2, status: 429 } });
    const types: string[] = [];
    mistralChat.openReader().push(body, ({ type }) => types.push(type));
    expect(types.at(-1)).toBe('error');
  });

  test('lists its models but for those that do not chat', async () => {
    const answer = await fetch(`${origin}${MODELS.path}`);
    expect(MODELS.read(Buffer.from(await answer.arrayBuffer()))).toEqual([
      { id: MODEL, displayName: MODEL, contextTokens: 131_072, createdUnixS: 1_735_689_600 },
    ]);
  });
});
