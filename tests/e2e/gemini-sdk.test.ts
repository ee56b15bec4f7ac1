import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { ApiError, type GenerateContentResponse, GoogleGenAI } from '@google/genai';
import { embed, embedMany, streamText } from 'ai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** Gemini's official clients through a real gateway to a provider that speaks it, too, and to one that does not. */
let stack: Stack;
let key: string;
let genai: GoogleGenAI;
const SECRET = 'AIza-planted-canary';

beforeAll(async () => {
  stack = await startStack({ workers: 1 });
  for (const [kind, path] of [
    ['google', '/v1beta'],
    ['openai', '/v1'],
  ] as const) {
    await must('POST', '/providers', { name: kind, kind, baseUrl: `${stack.simulatorUrl}${path}`, apiKey: SECRET });
    await must('POST', '/models', { name: kind, provider: kind, upstreamModel: `sim-${kind}` });
    await must('POST', '/groups', { name: kind });
    await must('PUT', `/groups/${kind}/variants`, [{ model: kind, role: 'champion', weightBp: 10_000 }]);
  }
  key = (await must<{ key: string }>('POST', '/keys', { name: 'gemini' })).key;
  genai = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: stack.gatewayUrl } });
  // Keys and groups reach the gateway by themselves.
  await waitFor('the group', async () => {
    const answer = await post('google:countTokens', { contents: [{ parts: [{ text: 'Hi' }] }] });
    return answer.status === 200 ? answer : undefined;
  });
});
afterAll(() => stack.stop());

async function must<Body>(method: string, path: string, body: unknown): Promise<Body> {
  const answer = await stack.api<Body>(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}
const post = (path: string, body: object, headers: Record<string, string> = { 'x-goog-api-key': key }) =>
  fetch(`${stack.gatewayUrl}/v1beta/models/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
const behave = (kind: string, behaviour: object) =>
  fetch(`${stack.simulatorUrl}/_sim/models/sim-${kind}`, { method: 'PUT', body: JSON.stringify(behaviour) });
const contents = [{ role: 'user', parts: [{ text: 'Tell me about gateways' }] }];
const recorded = (answer: Response) =>
  waitFor('the row', async () => {
    const row = await stack.api<object>('GET', `/inferences/${answer.headers.get('x-ringside-inference-id')}`);
    return row.status === 200 ? row.body : undefined;
  });
const textOf = (responses: readonly GenerateContentResponse[]) =>
  responses
    .flatMap((response) => response.candidates?.[0]?.content?.parts ?? [])
    .map((part) => part.text)
    .join('');

describe('a provider of the same dialect', () => {
  test('counts tokens and embeds, one text or many', async () => {
    const { totalTokens } = await genai.models.countTokens({ model: 'google', contents: 'one two three' });
    expect(totalTokens).toBeGreaterThan(2);
    const { embeddings } = await genai.models.embedContent({ model: 'google', contents: ['one', 'two'] });
    expect(embeddings).toHaveLength(2);
    const model = createGoogleGenerativeAI({ apiKey: key, baseURL: `${stack.gatewayUrl}/v1beta` }).textEmbeddingModel(
      'google',
    );
    const one = await embed({ model, value: 'one' });
    const many = await embedMany({ model, values: ['one', 'two'] });
    expect(many.embeddings[0]).toEqual(one.embedding);
    expect(many.embeddings[1]).toEqual(embeddings![1]!.values);
  });

  test('takes the key from the query, and does not see it', async () => {
    await behave('google', {});
    const answer = await post(`google:generateContent?key=${key}`, { model: 'models/google', contents }, {});
    expect(answer.status).toBe(200);
    expect(await recorded(answer)).toMatchObject({ operation: 'chat', streamed: false, finishReason: 'STOP' });
    const seen = await (await fetch(`${stack.simulatorUrl}/_sim/requests?model=sim-google`)).text();
    expect(seen).not.toContain(key);
    expect(seen).toContain('\\"model\\":null');
  });

  test.each(['event', { bytes: 7 }])('streams a JSON array, in pieces of %j', async (chunking) => {
    await behave('google', { chunking, reasoningTokens: 3 });
    const plain = (await (await post('google:generateContent', { contents })).json()) as GenerateContentResponse;
    const answer = await post('google:streamGenerateContent', { contents });
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    const responses = (await answer.json()) as GenerateContentResponse[];
    expect(textOf(responses)).toBe(textOf([plain]));
    expect(await recorded(answer)).toMatchObject({
      ...{ streamed: true, endReason: 'terminal_event', finishReason: 'STOP' },
      usage: { outputTokens: 35, reasoningTokens: 3 },
    });
  });

  test('ends a JSON array that fails with an element that says so', async () => {
    for (const afterTokens of [0, 3]) {
      await behave('google', { streamError: { afterTokens, status: 503 } });
      const answer = await post('google:streamGenerateContent', { contents });
      // The connection closes behind it, which is no clean end.
      let text = '';
      try {
        for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) text += chunk;
      } catch {}
      const responses = JSON.parse(text) as { error?: { code: number; status: string } }[];
      expect(responses).toHaveLength(afterTokens + 1);
      expect(responses.at(-1)?.error).toMatchObject({ code: 503, status: 'UNAVAILABLE' });
    }
  });

  test('may not be told another model', async () => {
    const routed = { contents, generationConfig: { routingConfig: { manualMode: { modelName: 'other' } } } };
    for (const [body, param] of [
      [routed, 'routingConfig'],
      [{ contents, model: 'models/openai' }, 'model'],
    ] as const) {
      const answer = await post('google:generateContent', body);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({
        error: {
          status: 'INVALID_ARGUMENT',
          details: expect.arrayContaining([
            expect.objectContaining({ fieldViolations: [expect.objectContaining({ field: param })] }),
          ]),
        },
      });
    }
  });
});

describe('a provider of another dialect', () => {
  test('answers in both framings', async () => {
    await behave('openai', {});
    const plain = (await (await post('openai:generateContent', { contents })).json()) as GenerateContentResponse;
    const array = (await (
      await post('openai:streamGenerateContent', { contents })
    ).json()) as GenerateContentResponse[];
    expect(textOf(array)).toBe(textOf([plain]));
    expect(array.at(-1)).toMatchObject({ candidates: [{ finishReason: 'STOP' }], usageMetadata: plain.usageMetadata });
    const model = createGoogleGenerativeAI({ apiKey: key, baseURL: `${stack.gatewayUrl}/v1beta` })('openai');
    const stream = streamText({ model, prompt: 'Tell me about gateways' });
    expect(await stream.text).toBe(textOf([plain]));
  });

  test('has no tokens to count', async () => {
    const refused: unknown = await genai.models
      .countTokens({ model: 'openai', contents: 'Hi' })
      .catch((error) => error);
    expect(refused).toBeInstanceOf(ApiError);
    expect(refused).toMatchObject({ status: 400, message: expect.stringContaining('count-tokens') });
  });
});

test('errors are Google’s, and speak of no secret', async () => {
  const stranger = await post('google:generateContent', { contents }, { 'x-goog-api-key': 'nobody' });
  expect(stranger.status).toBe(401);
  expect(await stranger.json()).toMatchObject({ error: { code: 401, status: 'UNAUTHENTICATED' } });
  const nowhere = await post('google:explode', {});
  expect(nowhere.status).toBe(404);
  expect(await nowhere.json()).toMatchObject({ error: { code: 404, status: 'NOT_FOUND' } });
});
