// Bodies as Hugging Face's references have them (Inference Providers, Chat Completion task; Text Generation Inference, Messages API and its
// openapi.json; read 2026-11).
import { describe, expect, test } from 'vitest';
import { huggingfaceChat } from '#gateway/providers/huggingface/chat.ts';
import { readError } from '#gateway/providers/huggingface/errors.ts';
import { chatRequest, userTurn } from '#tests/support/chat-request.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import type { ChatRequest } from '#translation/chat/request.ts';

function write(request: ChatRequest, upstreamModel: string): Record<string, unknown> {
  const facts = { upstreamModel, defaultMaxTokens: 4096 };
  return JSON.parse(
    huggingfaceChat.writeRequest(request, facts, createRefusals('huggingface', false)).toString(),
  ) as Record<string, unknown>;
}

const refusedBy = (request: ChatRequest, upstreamModel: string): string | undefined => {
  try {
    write(request, upstreamModel);
  } catch (error) {
    return (error as { param?: string }).param;
  }
  return undefined;
};

const schema = { type: 'object', properties: { name: { type: 'string' } } };
const output = { kind: 'json_schema', name: 'who', description: null, schema, strict: true } as const;
const low = { effort: 'low', budgetTokens: null, show: null, adaptive: false } as const;
const settings = { maxTokens: 9, temperature: 0, topP: 1, seed: 1, stop: ['x'], topLogprobs: 2, output };

describe('the router', () => {
  const MODEL = 'openai/gpt-oss-120b:fastest';

  test('a request', () => {
    expect(write(chatRequest({ stream: true, settings: { ...settings, reasoning: low } }), MODEL)).toEqual({
      model: MODEL,
      messages: [{ role: 'user', content: 'Hi.' }],
      max_tokens: 9,
      temperature: 0,
      top_p: 1,
      seed: 1,
      stop: ['x'],
      logprobs: true,
      top_logprobs: 2,
      reasoning_effort: 'low',
      response_format: { type: 'json_schema', json_schema: { name: 'who', schema, strict: true } },
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test.each([
    [{ candidates: 2 }, 'candidates'],
    [{ logitBias: { 5: 1 } }, 'logitBias'],
    [{ user: 'u' }, 'user'],
    [{ topLogprobs: 6 }, 'topLogprobs'],
    [{ stop: ['1', '2', '3', '4', '5'] }, 'stop'],
  ])('%j is refused', (more, setting) => {
    expect(refusedBy(chatRequest({ settings: more }), MODEL)).toBe(setting);
  });

  test('what it does anyway is not refused', () => {
    const body = write(chatRequest({ settings: { candidates: 1, parallelToolCalls: true } }), MODEL);
    expect(body).not.toHaveProperty('n');
    expect(body).not.toHaveProperty('parallel_tool_calls');
  });

  test('texts and images only', () => {
    const part = { at: 'messages[0].content[0]', cache: null } as const;
    const text = {
      ...part,
      type: 'document',
      title: 'Bells',
      citations: false,
      source: { kind: 'text', text: 'Ring.' },
    } as const;
    expect(write(chatRequest({ messages: [userTurn(text)] }), MODEL)['messages']).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'Bells\n\nRing.' }] },
    ]);
    const data = { kind: 'base64', mediaType: 'application/pdf', data: 'JVBERi0=' } as const;
    for (const media of [
      { ...text, source: data },
      { ...part, type: 'audio' as const, source: data },
    ]) {
      expect(refusedBy(chatRequest({ messages: [userTurn(media)] }), MODEL)).toBe('messages[0].content[0]');
    }
  });
});

describe('a server of Text Generation Inference', () => {
  test('a request: a grammar in place of a format, no top-p of 1', () => {
    expect(write(chatRequest({ settings }), 'tgi')).toEqual({
      model: 'tgi',
      messages: [{ role: 'user', content: 'Hi.' }],
      max_tokens: 9,
      temperature: 0,
      seed: 1,
      stop: ['x'],
      logprobs: true,
      top_logprobs: 2,
      response_format: { type: 'json', value: schema },
    });
    const json = chatRequest({ settings: { output: { kind: 'json' }, topP: 0.5 } });
    expect(write(json, 'tgi')).toMatchObject({
      top_p: 0.5,
      response_format: { type: 'json', value: { type: 'object' } },
    });
    expect(refusedBy(chatRequest({ settings: { reasoning: low } }), 'tgi')).toBe('reasoning');
  });

  test.each([
    ['data: {"error":"Model is overloaded","error_type":"overloaded"}\n\n', 429],
    ['event: error\ndata: {"error":"Input validation error","error_type":"validation"}\n\n', 422],
    ['data: {"error":{"message":"Request failed during generation","http_status_code":424}}\n\n', 424],
    ['data: {"error":"Something","error_type":"brand_new"}\n\n', null],
    ['data: {"error":"Something","error_type":"constructor"}\n\n', null],
  ])('an error in the stream: %s', (text, status) => {
    const events: ChatEvent[] = [];
    huggingfaceChat.openReader().push(Buffer.from(text), (event) => events.push(event));
    expect(events.at(-1)).toMatchObject({ type: 'error', status });
  });

  test('calls with arguments as an object and an end that says "stop"', () => {
    const call = { id: '0', type: 'function', function: { description: null, name: 'look', arguments: { at: 1 } } };
    const body = {
      id: '',
      choices: [{ index: 0, message: { role: 'assistant', tool_calls: [call] }, finish_reason: 'stop' }],
    };
    expect(huggingfaceChat.readReply(Buffer.from(JSON.stringify(body))).candidates[0]).toMatchObject({
      finish: 'tool_calls',
      parts: [{ type: 'tool_call', id: '0', name: 'look', arguments: '{"at":1}' }],
    });
  });
});

test.each([
  [
    422,
    '{"error":"Input validation error: `top_p` must be > 0.0","error_type":"validation"}',
    'upstream_rejected',
    422,
  ],
  [424, '{"error":"Request failed during generation","error_type":"generation"}', 'upstream_error', 502],
  [429, '{"error":"Model is overloaded","error_type":"overloaded"}', 'upstream_rate_limited', 429],
  [
    400,
    '{"error":{"message":"not supported","type":"invalid_request_error","param":"model"}}',
    'upstream_rejected',
    400,
  ],
  [401, '{"error":"Invalid username or password."}', 'upstream_error', 502],
])('an error of status %i: %s', (status, body, code, seen) => {
  expect(readError(status, Buffer.from(body), undefined, { providerName: 'hf', secrets: [] })).toMatchObject({
    code,
    status: seen,
  });
});
