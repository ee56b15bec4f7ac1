// Answers and errors as Microsoft's reference has them (learn.microsoft.com: Azure OpenAI REST reference, Content streaming, Guardrail
// annotations; read 2026-11).
import { describe, expect, test } from 'vitest';
import { azureChat } from '#gateway/providers/azure-openai/chat.ts';
import { readError } from '#gateway/providers/azure-openai/errors.ts';
import { chatRequest } from '#tests/support/chat-request.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { createRefusals } from '#translation/chat/refusals.ts';

const SAFE = { hate: { filtered: false, severity: 'safe' }, violence: { filtered: false, severity: 'safe' } };
const EMPTY = { id: '', object: '', created: 0, model: '' };
const identity = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-5' };
const chunk = (delta: object, finish: string | null = null) => ({
  ...identity,
  choices: [{ index: 0, delta, finish_reason: finish, content_filter_results: SAFE }],
});
const annotation = (finish: string | null) => ({
  ...EMPTY,
  choices: [
    {
      index: 0,
      finish_reason: finish,
      content_filter_results: SAFE,
      content_filter_offsets: { check_offset: 44, start_offset: 44, end_offset: 198 },
    },
  ],
});

function collect(...chunks: object[]) {
  const events: ChatEvent[] = [];
  const reader = azureChat.openReader();
  const text = chunks.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
  reader.push(Buffer.from(`${text}data: [DONE]\n\n`), (event) => events.push(event));
  const collector = new ReplyCollector();
  for (const event of events) collector.take(event);
  return { reply: collector.reply(), events };
}

describe('a stream', () => {
  const prompt = { ...EMPTY, choices: [], prompt_filter_results: [{ prompt_index: 0, content_filter_results: SAFE }] };

  test('what the filters say of the prompt, in between and behind the end is no part of the answer', () => {
    const { reply, events } = collect(
      prompt,
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'Bells' }),
      annotation(null),
      chunk({ content: ' ring.' }),
      chunk({}, 'stop'),
      annotation(null),
    );
    expect(events[0]).toMatchObject({ type: 'start', id: 'chatcmpl-1', model: 'gpt-5' });
    expect(reply.candidates).toMatchObject([{ finish: 'stop', parts: [{ type: 'text', text: 'Bells ring.' }] }]);
  });

  test('the filter may stop an answer in the middle, and when it has ended', () => {
    for (const before of [[], [chunk({}, 'stop')]]) {
      const { reply } = collect(prompt, chunk({ content: 'Bells' }), ...before, annotation('content_filter'));
      expect(reply).toMatchObject({ rawFinish: 'content_filter', candidates: [{ finish: 'content_filter' }] });
    }
  });
});

test('a request is one to OpenAI', () => {
  const settings = { maxTokens: 50, serviceTier: 'priority', user: 'u1' };
  const facts = { upstreamModel: 'my-deployment', defaultMaxTokens: 4096 };
  const body = azureChat.writeRequest(
    chatRequest({ settings, stream: true }),
    facts,
    createRefusals('azure-openai', false),
  );
  expect(JSON.parse(body.toString())).toEqual({
    model: 'my-deployment',
    messages: [{ role: 'user', content: 'Hi.' }],
    max_completion_tokens: 50,
    service_tier: 'priority',
    user: 'u1',
    stream: true,
    stream_options: { include_usage: true },
  });
  const flex = chatRequest({ settings: { serviceTier: 'flex' } });
  expect(() => azureChat.writeRequest(flex, facts, createRefusals('azure-openai', false))).toThrow(
    expect.objectContaining({ code: 'unsupported_parameter', param: 'serviceTier' }),
  );
});

describe('errors', () => {
  const target = { providerName: 'az', secrets: ['az-secret'] };
  const read = (status: number, body: object | string) =>
    readError(status, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), '7', target);
  const filtered = (result: object) => ({
    error: {
      message: 'The response was filtered.',
      param: 'prompt',
      code: 'content_filter',
      status: 400,
      innererror: { code: 'ResponsibleAIPolicyViolation', ...result },
    },
  });

  test('a prompt that the filters stopped', () => {
    const found = {
      ...SAFE,
      violence: { filtered: true, severity: 'high' },
      jailbreak: { detected: true, filtered: true },
    };
    for (const result of [{ content_filter_result: found }, { content_filter_results: found }]) {
      expect(read(400, filtered(result))).toMatchObject({
        code: 'upstream_rejected',
        status: 400,
        param: 'prompt',
        message: 'The provider "az" refused the request: The response was filtered. (filtered: violence, jailbreak)',
      });
    }
    expect(read(500, filtered({}))).toMatchObject({ code: 'upstream_rejected', status: 400 });
  });

  test.each([
    [
      401,
      { error: { code: '401', message: 'Access denied due to invalid subscription key az-secret' } },
      'upstream_error',
      502,
    ],
    [404, { error: { code: 'DeploymentNotFound', message: 'does not exist' } }, 'upstream_error', 502],
    [
      429,
      { error: { code: '429', message: 'Requests have exceeded the token rate limit' } },
      'upstream_rate_limited',
      429,
    ],
    [400, { statusCode: 400, message: 'Bad' }, 'upstream_rejected', 400],
    [503, '<html>', 'upstream_error', 503],
  ])('status %i', (status, body, code, seen) => {
    const error = read(status, body);
    expect(error).toMatchObject({ code, status: seen, retryAfterSeconds: 7 });
    expect(error.message).not.toContain('az-secret');
  });
});
