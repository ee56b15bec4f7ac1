import OpenAI, { AzureOpenAI, BadRequestError } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { azureChat } from '#gateway/providers/azure-openai/chat.ts';
import { readError } from '#gateway/providers/azure-openai/errors.ts';
import { MODELS } from '#gateway/providers/azure-openai/models.ts';
import { createSimulator } from '#simulator/server.ts';
import { chatRequest } from '#tests/support/chat-request.ts';
import { describeSdk, describeTranslation, reply, type Server, send } from '#tests/support/openai-like.ts';

const simulator = createSimulator({ behaviours: { 'gpt-5': {} } });
let origin: string;

beforeAll(async () => {
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  origin = `http://${host}:${port}`;
});
afterAll(() => simulator.close());

const dated: Server = {
  kind: 'azure-openai',
  model: 'gpt-5',
  client: () => new AzureOpenAI({ endpoint: origin, apiKey: 'az-key', apiVersion: '2024-10-21' }),
  chatUrl: () => `${origin}/openai/deployments/gpt-5/chat/completions?api-version=2024-10-21`,
  translation: azureChat,
  schemaParameter: (schema) => ({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } }),
  finishOfCalls: 'tool_calls',
  streamOptions: true,
  sdkSeesUsage: true,
};
const current: Server = {
  ...dated,
  client: () => new OpenAI({ baseURL: `${origin}/openai/v1`, apiKey: 'az-key' }),
  chatUrl: () => `${origin}/openai/v1/chat/completions`,
};

describe('the dated API', () => {
  describeSdk(dated);
  describeTranslation(dated);

  test('wants its version', async () => {
    const answer = await fetch(`${origin}/openai/deployments/gpt-5/chat/completions`, { method: 'POST', body: '{}' });
    expect(answer.status).toBe(404);
  });
});

describe('the API without versions', () => {
  describeSdk(current);
  describeTranslation(current);
});

test('filters: what they found of an answer, and a prompt that they stop', async () => {
  const plain = await current
    .client()
    .chat.completions.create({ model: 'gpt-5', messages: [{ role: 'user', content: 'Hi.' }] });
  expect(plain).toMatchObject({ choices: [{ content_filter_results: { hate: { filtered: false } } }] });
  const filtered = await reply(current, chatRequest(), { finish: 'content_filter' });
  expect(filtered.candidates[0]!.finish).toBe('content_filter');
  const refused = await reply(current, chatRequest(), { finish: 'refusal' });
  expect(refused.candidates[0]).toMatchObject({ finish: 'refusal', parts: [{ type: 'refusal' }] });

  const errors = [{ status: 400, rate: 1 }];
  const headers = { 'x-sim-behaviour': JSON.stringify({ errors }) };
  const call = current
    .client()
    .chat.completions.create({ model: 'gpt-5', messages: [{ role: 'user', content: 'Hi.' }] }, { headers });
  await expect(call).rejects.toThrow(BadRequestError);
  const { status, body } = await send(current, chatRequest(), { errors });
  const error = readError(status, body, undefined, { providerName: 'azure', secrets: [] });
  expect(error).toMatchObject({ code: 'upstream_rejected', status: 400, param: 'prompt' });
  expect(error.message).toContain('(filtered: violence)');
});

test('log probabilities and several answers are read alike in both forms', async () => {
  const settings = { logprobs: true, topLogprobs: 2, candidates: 2 };
  const { candidates } = await reply(current, chatRequest({ settings }));
  expect(candidates).toHaveLength(2);
  expect(candidates[1]!.logprobs![0]!.top).toHaveLength(2);
});

test('takes the key in either header, and lists its models', async () => {
  const strict = createSimulator({ requiredApiKey: 'az-key', behaviours: { 'gpt-5': {} } });
  const { host, port } = await strict.listen('127.0.0.1', 0);
  try {
    const models = (headers: Record<string, string>) =>
      fetch(`http://${host}:${port}/openai/v1${MODELS.path}`, { headers });
    expect((await models({})).status).toBe(401);
    expect((await models({ authorization: 'Bearer az-key' })).status).toBe(200);
    const listed = await models({ 'api-key': 'az-key' });
    expect(MODELS.read(Buffer.from(await listed.arrayBuffer()))).toMatchObject([{ id: 'gpt-5' }]);
  } finally {
    await strict.close();
  }
});
