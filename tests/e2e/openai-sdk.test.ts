import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Stack, startStack, waitForInferences } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** The official client, with nothing but `baseURL` and `apiKey`, through a real gateway to the simulator. */
let stack: Stack;
let client: OpenAI;
let key: string;
const hello = { model: 'chat', messages: [{ role: 'user' as const, content: 'Tell me about gateways' }] };

beforeAll(async () => {
  stack = await startStack();
  key = await stack.createGroup('chat', { 'sim-a': 10_000 });
  client = new OpenAI({ baseURL: `${stack.gatewayUrl}/v1`, apiKey: key, maxRetries: 0 });
});
afterAll(() => stack.stop());

const simulate = (model: string, behaviour: object) =>
  fetch(`${stack.simulatorUrl}/_sim/models/${model}`, { method: 'PUT', body: JSON.stringify(behaviour) });
const upstreamRequests = async () =>
  (await (await fetch(`${stack.simulatorUrl}/_sim/requests?model=sim-a`)).json()) as {
    items: { body: string; headers: Record<string, string>; aborted: boolean; path: string }[];
  };

describe('answers', () => {
  test('a chat completion, with the headers that say what Ringside did', async () => {
    const { data, response, request_id } = await client.chat.completions
      .create({ ...hello, user: 'ann' })
      .withResponse();
    expect(data.choices[0]!.message.content).toContain('sim-a');
    expect(data.usage!.total_tokens).toBeGreaterThan(0);
    expect(request_id).toBe(response.headers.get('x-ringside-inference-id'));
    expect(response.headers.get('x-ringside-group')).toBe('chat');
    expect(response.headers.get('x-ringside-variant')).toBe('sim-a');
    expect(Number(response.headers.get('x-ringside-config-version'))).toBeGreaterThan(0);
    expect(response.headers.get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  });

  test('a stream accumulates to what the plain answer says; usage is recorded though the caller did not ask', async () => {
    const plain = await client.chat.completions.create(hello);
    const { data, response } = await client.chat.completions.create({ ...hello, stream: true }).withResponse();
    let text = '';
    let finish: string | null = null;
    for await (const chunk of data) {
      expect(chunk.choices.length).toBe(1);
      text += chunk.choices[0]!.delta.content ?? '';
      finish = chunk.choices[0]!.finish_reason ?? finish;
    }
    expect(text).toBe(plain.choices[0]!.message.content);
    expect(finish).toBe(plain.choices[0]!.finish_reason);
    const id = response.headers.get('x-ringside-inference-id');
    const row = await waitFor('the row of the stream', async () => {
      const answer = await stack.api<{ timings: { firstTokenMs: number } }>('GET', `/inferences/${id}`);
      return answer.status === 200 ? answer.body : undefined;
    });
    expect(row).toMatchObject({
      streamed: true,
      endReason: 'terminal_event',
      finishReason: finish,
      usage: { inputTokens: plain.usage!.prompt_tokens, outputTokens: plain.usage!.completion_tokens },
    });
    expect(row.timings.firstTokenMs).toBeGreaterThan(0);
  });

  test('usage reaches a caller who asked for it, once', async () => {
    const stream = await client.chat.completions.create({
      ...hello,
      stream: true,
      stream_options: { include_usage: true },
    });
    const usages: unknown[] = [];
    for await (const chunk of stream) if (chunk.usage) usages.push(chunk.usage);
    expect(usages.length).toBe(1);
  });

  test.each([1, 7, 64])('a stream in pieces of %i bytes is the same stream', async (bytes) => {
    const whole = await client.chat.completions.create(hello);
    await simulate('sim-a', { chunking: { bytes } });
    const runner = client.chat.completions.stream(hello);
    expect((await runner.finalChatCompletion()).choices[0]!.message.content).toBe(whole.choices[0]!.message.content);
    await simulate('sim-a', {});
  });

  test('completions, embeddings, models', async () => {
    const completion = await client.completions.create({ model: 'chat', prompt: 'Once' });
    expect(completion.choices[0]!.text).not.toBe('');
    const embedding = await client.embeddings.create({ model: 'chat', input: ['a', 'b'] });
    expect(embedding.data.length).toBe(2);
    expect((await client.models.list()).data.map((model) => model.id)).toEqual(['chat']);
    expect((await client.models.retrieve('chat')).object).toBe('model');
    await expect(client.models.retrieve('nope')).rejects.toThrow(OpenAI.NotFoundError);
  });

  test('what reaches the upstream: its own credentials and model, none of ours', async () => {
    const before = (await upstreamRequests()).items.length;
    await client.chat.completions.create(
      { ...hello, user: 'bob' },
      { headers: { cookie: 'a=b', 'x-ringside-unit': 'u1' } },
    );
    const request = (await upstreamRequests()).items.at(-1)!;
    expect((await upstreamRequests()).items.length).toBe(Math.min(before + 1, 100));
    expect(request.headers['authorization']).toBe('Bearer sk-planted-canary');
    expect(JSON.stringify(request.headers)).not.toContain(key);
    expect(request.headers['cookie']).toBeUndefined();
    expect(request.headers['x-ringside-unit']).toBeUndefined();
    expect(request.headers['traceparent']).toMatch(/^00-/);
    expect(JSON.parse(request.body)).toEqual({ ...hello, model: 'sim-a', user: 'bob' });
  });
});

describe('errors are the classes that the SDK knows', () => {
  test('wrong key, unknown group, bad body', async () => {
    const stranger = new OpenAI({ baseURL: `${stack.gatewayUrl}/v1`, apiKey: 'rsk_wrong', maxRetries: 0 });
    await expect(stranger.chat.completions.create(hello)).rejects.toThrow(OpenAI.AuthenticationError);
    const unknown = client.chat.completions.create({ ...hello, model: 'nope' });
    await expect(unknown).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    const refused = client.chat.completions.create({ ...hello, models: ['x'] } as never);
    await expect(refused).rejects.toMatchObject({ status: 400, code: 'unsupported_parameter', param: 'models' });
  });

  test.each([
    [400, OpenAI.BadRequestError],
    [401, OpenAI.InternalServerError],
    [404, OpenAI.InternalServerError],
    [422, OpenAI.UnprocessableEntityError],
    [429, OpenAI.RateLimitError],
    [500, OpenAI.InternalServerError],
    [503, OpenAI.InternalServerError],
  ])('an upstream %i, without a trace of its secret', async (status, ErrorClass) => {
    const message = 'Incorrect API key provided: sk-planted-canary';
    await simulate('sim-a', { errors: [{ status, rate: 1, message }] });
    const error = await client.chat.completions.create(hello).catch((reason: unknown) => reason);
    await simulate('sim-a', {});
    expect(error).toBeInstanceOf(ErrorClass);
    expect(JSON.stringify([(error as Error).message, (error as { error: unknown }).error])).not.toContain('planted');
  });

  test('an upstream that resets: before the head 502, inside the stream an error and never a clean end', async () => {
    await simulate('sim-a', { resetBeforeHeadersRate: 1 });
    await expect(client.chat.completions.create(hello)).rejects.toMatchObject({
      status: 502,
      code: 'upstream_unreachable',
    });
    await simulate('sim-a', { resetRate: 1, resetAfterTokens: 3 });
    await expect(client.chat.completions.create(hello)).rejects.toMatchObject({ status: 502 });
    const stream = await client.chat.completions.create({ ...hello, stream: true });
    const drain = async () => {
      for await (const _ of stream);
    };
    await expect(drain()).rejects.toThrow(OpenAI.APIError);
    await simulate('sim-a', {});
    const rows = await waitForInferences(stack, 'chat', 1);
    await waitFor('the partial row', async () =>
      (await waitForInferences(stack, 'chat', rows.length)).some(
        (row) => row['streamed'] === true && row['outcome'] === 'failed' && row['errorCode'] === 'upstream_unreachable',
      ),
    );
  });
});

describe('a caller that leaves', () => {
  test('cancels the upstream call, and the row says so', async () => {
    await simulate('sim-a', { tokensPerSecond: 5, answerTokens: 500 });
    const stream = await client.chat.completions.create({ ...hello, stream: true, user: 'leaver' });
    for await (const _ of stream) break;
    stream.controller.abort();
    await waitFor(
      'the upstream to see the abort',
      async () => (await upstreamRequests()).items.at(-1)?.aborted === true,
    );
    await simulate('sim-a', {});
    await waitFor('the row', async () =>
      (await waitForInferences(stack, 'chat', 1)).some(
        (row) => row['unit'] === 'leaver' && row['outcome'] === 'client_closed',
      ),
    );
  });

  test('before the first byte, too', async () => {
    await simulate('sim-a', { blackHoleRate: 1 });
    const abort = new AbortController();
    const pending = client.chat.completions.create({ ...hello, user: 'early' }, { signal: abort.signal });
    await waitFor('the upstream to have the call', async () =>
      (await upstreamRequests()).items.at(-1)?.body.includes('"early"'),
    );
    abort.abort();
    await expect(pending).rejects.toThrow(OpenAI.APIUserAbortError);
    await waitFor(
      'the upstream to see the abort',
      async () => (await upstreamRequests()).items.at(-1)?.aborted === true,
    );
    await simulate('sim-a', {});
  });
});
