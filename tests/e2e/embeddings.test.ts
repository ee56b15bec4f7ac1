import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Stack, startStack, waitForInferences } from '../support/stack.ts';

/** Embeddings in two dialects, through a real gateway to providers of four. */
const KINDS = [
  { kind: 'openai', path: '/v1' },
  { kind: 'google', path: '/v1beta' },
  { kind: 'cohere', path: '/cohere' },
  { kind: 'mistral', path: '/mistral/v1' },
  { kind: 'anthropic', path: '/v1' },
];
const ABLE = ['openai', 'google', 'cohere', 'mistral'];

let stack: Stack;
let openai: OpenAI;
let genai: GoogleGenAI;
let key: string;

beforeAll(async () => {
  stack = await startStack({ workers: 1 });
  for (const { kind, path } of KINDS) {
    const baseUrl = `${stack.simulatorUrl}${path}`;
    const made = [
      await stack.api('POST', '/providers', { name: kind, kind, baseUrl, apiKey: 'sk-planted-canary' }),
      await stack.api('POST', '/models', { name: kind, provider: kind, upstreamModel: `sim-${kind}` }),
      await stack.api('POST', '/groups', { name: kind }),
      await stack.api('PUT', `/groups/${kind}/variants`, [{ model: kind, role: 'champion', weightBp: 10_000 }]),
    ];
    expect(made.map(({ status }) => status)).toEqual([201, 201, 201, 200]);
  }
  key = (await stack.api<{ key: string }>('POST', '/keys', { name: 'embeddings' })).body.key;
  openai = new OpenAI({ baseURL: `${stack.gatewayUrl}/v1`, apiKey: key, maxRetries: 0 });
  genai = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: stack.gatewayUrl } });
});
afterAll(() => stack.stop());

describe.each(ABLE)('%s', (model) => {
  test('answers the OpenAI client', async () => {
    const input = ['red gloves', 'blue gloves'];
    const { data, usage } = await openai.embeddings.create({ model, input, dimensions: 256, user: 'ann' });
    const floats = await openai.embeddings.create({ model, input, dimensions: 256, encoding_format: 'float' });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([256, 256]);
    expect(data[0]!.embedding).not.toEqual(data[1]!.embedding);
    for (const [index, { embedding }] of floats.data.entries()) {
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 4);
      for (const [place, value] of embedding.entries()) {
        expect(data[index]!.embedding[place]).toBeCloseTo(value, 6);
      }
    }
    if (model !== 'google') expect(usage.prompt_tokens).toBeGreaterThan(0);
    const [row] = await waitForInferences(stack, model, 2);
    const inputTokens = model === 'google' ? null : usage.prompt_tokens;
    expect(row).toMatchObject({ operation: 'embeddings', outcome: 'completed', usage: { inputTokens } });
  });

  test('answers the Gemini client', async () => {
    const { embeddings } = await genai.models.embedContent({
      model,
      contents: ['a', 'b'],
      config: { outputDimensionality: 256 },
    });
    expect(embeddings!.map(({ values }) => values!.length)).toEqual([256, 256]);
  });

  test('refuses what it cannot express, naming it', async () => {
    const tokens = openai.embeddings.create({ model, input: [[1, 2]] });
    if (model === 'openai') expect((await tokens).data.length).toBe(1);
    else await expect(tokens).rejects.toMatchObject({ status: 400, code: 'unsupported_parameter', param: 'input[0]' });
  });
});

test('a provider without embeddings says so', async () => {
  await expect(openai.embeddings.create({ model: 'anthropic', input: 'a' })).rejects.toMatchObject({
    status: 400,
    code: 'unsupported_operation',
  });
});

test('errors of the upstream are told in the dialect of the caller, without its secret', async () => {
  const message = 'bad sk-planted-canary';
  const behaviour = { errors: [{ status: 400, rate: 1, message }] };
  await fetch(`${stack.simulatorUrl}/_sim/models/sim-cohere`, { method: 'PUT', body: JSON.stringify(behaviour) });
  const error = await openai.embeddings.create({ model: 'cohere', input: 'a' }).catch((reason: unknown) => reason);
  await fetch(`${stack.simulatorUrl}/_sim/models/sim-cohere`, {
    method: 'PUT',
    body: JSON.stringify({ htmlAnswer: true }),
  });
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  expect((error as Error).message).not.toContain('planted');
  await expect(openai.embeddings.create({ model: 'cohere', input: 'a' })).rejects.toMatchObject({
    status: 502,
    code: 'upstream_protocol',
  });
});

test('models are listed as Google lists them, in pages', async () => {
  const listed: string[] = [];
  for await (const model of await genai.models.list({ config: { pageSize: 2 } })) listed.push(model.name!);
  expect(listed).toEqual(KINDS.map(({ kind }) => `models/${kind}`).toSorted());
  expect(await genai.models.get({ model: 'cohere' })).toMatchObject({ name: 'models/cohere', displayName: 'cohere' });
  await expect(genai.models.get({ model: 'nope' })).rejects.toMatchObject({ status: 404 });
  const stranger = new GoogleGenAI({ apiKey: 'rsk_wrong', httpOptions: { baseUrl: stack.gatewayUrl } });
  await expect(stranger.models.list()).rejects.toMatchObject({ status: 401 });
  const answer = await fetch(`${stack.gatewayUrl}/v1beta/models?key=${key}&pageSize=x`);
  expect(await answer.json()).toMatchObject({ error: { code: 400, status: 'INVALID_ARGUMENT' } });
  const files = await fetch(`${stack.gatewayUrl}/v1beta/files?key=${key}`);
  expect(await files.json()).toMatchObject({ error: { code: 400 } });
});
