// Answers as OpenAI's API reference gives them ("The chat completion object", read 2026-11), and as vLLM, DeepSeek and Mistral
// document what they add (read 2026-11).
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { openaiTranslation } from '#gateway/providers/openai/chat.ts';
import { MODELS } from '#gateway/providers/openai/models.ts';

const read = (body: unknown) => openaiTranslation.readReply(Buffer.from(JSON.stringify(body)));
const ofMessage = (message: object, choice: object = {}) =>
  read({ choices: [{ index: 0, message, finish_reason: 'stop', ...choice }] });
const BASE = { at: '', cache: null };

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof RingsideError) return error.code;
    throw error;
  }
  return 'none';
}

test('an answer', () => {
  expect(
    read({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: 'gpt-5-2026',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hi', refusal: null, annotations: [] },
          logprobs: {
            content: [
              {
                token: 'Hi',
                logprob: -0.5,
                bytes: [72, 105],
                top_logprobs: [{ token: 'Ho', logprob: -1, bytes: null }],
              },
            ],
            refusal: null,
          },
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 19,
        completion_tokens: 10,
        total_tokens: 29,
        prompt_tokens_details: { cached_tokens: 0, audio_tokens: 1, cache_write_tokens: 2 },
        completion_tokens_details: { reasoning_tokens: 3, audio_tokens: 0 },
      },
    }),
  ).toEqual({
    id: 'chatcmpl-1',
    model: 'gpt-5-2026',
    rawFinish: 'stop',
    usage: {
      inputTokens: 19,
      outputTokens: 10,
      cachedTokens: 0,
      cacheWriteTokens: 2,
      reasoningTokens: 3,
      audioInputTokens: 1,
      audioOutputTokens: 0,
    },
    candidates: [
      {
        index: 0,
        parts: [{ ...BASE, type: 'text', text: 'Hi', citations: [] }],
        finish: 'stop',
        stopSequence: null,
        logprobs: [{ token: 'Hi', logprob: -0.5, bytes: [72, 105], top: [{ token: 'Ho', logprob: -1, bytes: null }] }],
      },
    ],
  });
});

test('usage that is not said is null, and zero is zero', () => {
  expect(read({ choices: [] }).usage).toBeNull();
  expect(read({ choices: [], usage: { prompt_tokens: 0, prompt_cache_hit_tokens: 4 } }).usage).toEqual({
    inputTokens: 0,
    outputTokens: null,
    cachedTokens: 4,
    cacheWriteTokens: null,
    reasoningTokens: null,
    audioInputTokens: null,
    audioOutputTokens: null,
  });
});

describe('parts', () => {
  test('thoughts, text with citations, and calls', () => {
    const reply = ofMessage({
      reasoning_content: 'hm',
      content: 'Hi',
      annotations: [{ type: 'url_citation', url_citation: { url: 'u', title: 't', start_index: 0, end_index: 2 } }],
      tool_calls: [
        { id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a": 1}' } },
        { type: 'function', function: { name: 'g', arguments: { b: 2 } } },
      ],
    });
    expect(reply.candidates[0]).toMatchObject({
      finish: 'tool_calls',
      parts: [
        { type: 'reasoning', text: 'hm', signature: null },
        { type: 'text', text: 'Hi', citations: [{ kind: 'url', url: 'u', title: 't', startIndex: 0, endIndex: 2 }] },
        { type: 'tool_call', id: 'c1', name: 'f', arguments: '{"a": 1}' },
        { type: 'tool_call', id: null, name: 'g', arguments: '{"b":2}' },
      ],
    });
  });

  test('a list of chunks, as Mistral gives them', () => {
    const content = [
      {
        type: 'thinking',
        thinking: [
          { type: 'text', text: 'h' },
          { type: 'text', text: 'm' },
        ],
      },
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ];
    expect(ofMessage({ content }).candidates[0]!.parts).toMatchObject([
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'ab' },
    ]);
  });

  test('a refusal, and an older function call', () => {
    expect(ofMessage({ content: null, refusal: 'no' }).candidates[0]).toMatchObject({
      parts: [{ type: 'refusal', text: 'no' }],
      finish: 'refusal',
    });
    expect(
      ofMessage({ function_call: { name: 'f', arguments: '{}' } }, { finish_reason: 'function_call' }).candidates[0],
    ).toMatchObject({ parts: [{ type: 'tool_call', id: null, name: 'f' }], finish: 'tool_calls' });
  });
});

test.each([
  ['length', {}, 'length', null],
  ['model_length', {}, 'length', null],
  ['content_filter', {}, 'content_filter', null],
  ['eos_token', {}, 'stop', null],
  ['stop', { stop_reason: 'END' }, 'stop_sequence', 'END'],
  ['stop', { stop_reason: 128_001 }, 'stop', null],
  ['wat', {}, 'other', null],
  [null, {}, null, null],
])('finish reason %s %j is %s', (raw, more, finish, stopSequence) => {
  const reply = ofMessage({ content: 'x' }, { finish_reason: raw, ...more });
  expect(reply.candidates[0]).toMatchObject({ finish, stopSequence });
  expect(reply.rawFinish).toBe(raw);
});

test('several candidates, in their order', () => {
  const choice = (index: number, content: string) => ({ index, message: { content }, finish_reason: 'stop' });
  const reply = read({ choices: [choice(1, 'b'), choice(0, 'a')] });
  expect(reply.candidates.map(({ index, parts }) => [index, (parts[0] as { text: string }).text])).toEqual([
    [0, 'a'],
    [1, 'b'],
  ]);
});

test.each([
  '<!DOCTYPE html><html></html>',
  '',
  '{"choices":',
  '[]',
  'null',
  '{"error":{"message":"x"}}',
  '{"choices":{}}',
])('what is no answer: %s', (body) =>
  expect(codeOf(() => openaiTranslation.readReply(Buffer.from(body)))).toBe('upstream_protocol'));

describe('models', () => {
  test('with what servers add', () => {
    const body = {
      object: 'list',
      data: [
        { id: 'gpt-5', object: 'model', created: 1_686_935_002, owned_by: 'openai' },
        { id: 'org/llama', name: 'Llama', max_model_len: 131_072 },
        { object: 'model' },
      ],
    };
    expect(MODELS.read(Buffer.from(JSON.stringify(body)))).toEqual([
      { id: 'gpt-5', displayName: null, contextTokens: null, createdUnixS: 1_686_935_002 },
      { id: 'org/llama', displayName: 'Llama', contextTokens: 131_072, createdUnixS: null },
    ]);
  });

  test.each(['<html>', '{}', '[]'])('what is no list: %s', (body) => {
    expect(codeOf(() => MODELS.read(Buffer.from(body)))).toBe('upstream_protocol');
  });
});
