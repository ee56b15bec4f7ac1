import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { huggingfaceChat } from '#gateway/providers/huggingface/chat.ts';
import { readError } from '#gateway/providers/huggingface/errors.ts';
import { MODELS } from '#gateway/providers/huggingface/models.ts';
import { createSimulator } from '#simulator/server.ts';
import { chatRequest } from '#tests/support/chat-request.ts';
import { describeSdk, describeTranslation, reply, type Server, send } from '#tests/support/openai-like.ts';
import type { ChatEvent } from '#translation/chat/events.ts';

const simulator = createSimulator({ behaviours: { 'openai/gpt-oss-120b': {} } });
let origin: string;

beforeAll(async () => {
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  origin = `http://${host}:${port}`;
});
afterAll(() => simulator.close());

const router: Server = {
  kind: 'huggingface',
  model: 'openai/gpt-oss-120b',
  client: () => new OpenAI({ baseURL: `${origin}/huggingface/v1`, apiKey: 'hf-key' }),
  chatUrl: () => `${origin}/huggingface/v1/chat/completions`,
  translation: huggingfaceChat,
  schemaParameter: (schema) => ({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } }),
  finishOfCalls: 'tool_calls',
  streamOptions: true,
  sdkSeesUsage: true,
};
const tgi: Server = {
  ...router,
  model: 'tgi',
  client: () => new OpenAI({ baseURL: `${origin}/tgi/v1`, apiKey: '-' }),
  chatUrl: () => `${origin}/tgi/v1/chat/completions`,
  schemaParameter: (value) => ({ response_format: { type: 'json', value } }),
  finishOfCalls: 'stop',
  sdkSeesUsage: false,
};

describe('the router', () => {
  describeSdk(router);
  describeTranslation(router);

  test('thoughts, and a suffix that chooses the provider', async () => {
    const reasoning = { effort: 'low', budgetTokens: null, show: true, adaptive: false } as const;
    const fastest = { ...router, model: `${router.model}:fastest` };
    const { candidates, model } = await reply(fastest, chatRequest({ settings: { reasoning } }), {
      reasoningTokens: 3,
    });
    expect(candidates[0]!.parts.map(({ type }) => type)).toEqual(['reasoning', 'text']);
    expect(model).toBe(router.model);
  });

  test('lists its models with the context that every provider of them has', async () => {
    const answer = await fetch(`${origin}/huggingface/v1${MODELS.path}`);
    expect(MODELS.read(Buffer.from(await answer.arrayBuffer()))).toEqual([
      { id: router.model, displayName: null, contextTokens: 32_768, createdUnixS: 1_735_689_600 },
    ]);
  });
});

describe('a server of Text Generation Inference', () => {
  describeSdk(tgi);
  describeTranslation(tgi);

  test('errors, plain and in the stream', async () => {
    const { status, body } = await send(tgi, chatRequest(), { errors: [{ status: 424, rate: 1 }] });
    const error = readError(status, body, undefined, { providerName: 'tgi', secrets: [] });
    expect(error).toMatchObject({ code: 'upstream_error' });
    expect(error.message).toContain('Request failed during generation');
    const streamed = await send(tgi, chatRequest({ stream: true }), { streamError: { afterTokens: 1, status: 429 } });
    const events: ChatEvent[] = [];
    huggingfaceChat.openReader().push(streamed.body, (event) => events.push(event));
    expect(events.at(-1)).toMatchObject({ type: 'error', status: 429 });
  });
});
