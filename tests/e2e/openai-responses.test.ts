import OpenAI, { APIError, BadRequestError } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** The official client's Responses API through a real gateway to a provider that speaks it, too. */
let stack: Stack;
let client: OpenAI;
const ask = { model: 'responses', input: 'Tell me about gateways' };

beforeAll(async () => {
  stack = await startStack();
  const apiKey = await stack.createGroup('responses', { 'sim-r': 10_000 });
  client = new OpenAI({ baseURL: `${stack.gatewayUrl}/v1`, apiKey, maxRetries: 0 });
});
afterAll(() => stack.stop());

const simulate = (behaviour: object) =>
  fetch(`${stack.simulatorUrl}/_sim/models/sim-r`, { method: 'PUT', body: JSON.stringify(behaviour) });
const lastBody = async () => {
  const answer = await fetch(`${stack.simulatorUrl}/_sim/requests?model=sim-r`);
  const { items } = (await answer.json()) as { items: { body: string; path: string }[] };
  return { path: items.at(-1)!.path, ...JSON.parse(items.at(-1)!.body) };
};
const recorded = (id: string | null) =>
  waitFor('the row', async () => {
    const answer = await stack.api<{ timings: { firstTokenMs: number | null } }>('GET', `/inferences/${id}`);
    return answer.status === 200 ? answer.body : undefined;
  });

describe('a provider of the same dialect', () => {
  test('gets the caller’s bytes, and its answer is recorded', async () => {
    await simulate({ reasoningTokens: 4, cachedPromptTokens: 2 });
    const asked = { ...ask, instructions: 'Be brief', user: 'ann', metadata: { team: 'a' }, store: false };
    const { data, response } = await client.responses.create(asked).withResponse();
    expect(data).toMatchObject({ model: 'sim-r', status: 'completed', metadata: { team: 'a' } });
    expect(await lastBody()).toEqual({ path: '/v1/responses', ...asked, model: 'sim-r' });
    expect(await recorded(response.headers.get('x-ringside-inference-id'))).toMatchObject({
      operation: 'chat',
      streamed: false,
      finishReason: 'completed',
      usage: {
        inputTokens: data.usage!.input_tokens,
        outputTokens: data.usage!.output_tokens,
        cachedTokens: 2,
        reasoningTokens: 4,
      },
    });
  });

  test.each([
    'event',
    { bytes: 1 },
    { bytes: 64 },
  ])('streams what it answers plain, in pieces of %j', async (chunking) => {
    await simulate({ chunking });
    const plain = await client.responses.create({ ...ask, max_output_tokens: 20 });
    const { data, response } = await client.responses
      .create({ ...ask, max_output_tokens: 20, stream: true })
      .withResponse();
    const events: OpenAI.Responses.ResponseStreamEvent[] = [];
    for await (const event of data) events.push(event);
    const last = events.at(-1)!;
    expect(last).toMatchObject({ type: 'response.incomplete', response: { usage: plain.usage } });
    const row = await recorded(response.headers.get('x-ringside-inference-id'));
    expect(row).toMatchObject({
      streamed: true,
      endReason: 'terminal_event',
      finishReason: 'max_output_tokens',
      usage: { inputTokens: plain.usage!.input_tokens, outputTokens: 20 },
    });
    expect(row.timings.firstTokenMs).toBeGreaterThan(0);
  });

  test('gets no thoughts that another provider signed: the chat is translated', async () => {
    await simulate({});
    const input: OpenAI.Responses.ResponseInput = [
      { role: 'user', content: 'Hello' },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'rs1r.anthropic.opaque' },
      { role: 'user', content: 'Go on' },
    ];
    const { data, response } = await client.responses.create({ ...ask, input }).withResponse();
    expect(data.output_text).not.toBe('');
    expect(response.headers.get('x-ringside-dropped')).toBe('input[1]');
    expect(await lastBody()).toMatchObject({ path: '/v1/chat/completions', messages: expect.any(Array) });
    expect(JSON.stringify(await lastBody())).not.toContain('opaque');
  });

  test('its failures are raised as the SDK expects them', async () => {
    await simulate({ streamError: { afterTokens: 2, status: 429, message: 'Slow down.' } });
    const failure = await client.responses
      .stream(ask)
      .finalResponse()
      .catch((reason: unknown) => reason);
    expect(failure).toBeInstanceOf(APIError);
    expect(failure).toMatchObject({ code: 'upstream_rate_limited', message: expect.stringContaining('Slow down.') });
    await simulate({});
    await expect(client.responses.create({ ...ask, previous_response_id: 'resp_1' })).rejects.toThrow(
      /Previous response with id 'resp_1' not found/,
    );
    await expect(client.responses.create({ ...ask, background: true })).rejects.toThrow(BadRequestError);
    await expect(client.responses.create({ ...ask, model: 'nope' })).rejects.toThrow(OpenAI.NotFoundError);
  });
});
