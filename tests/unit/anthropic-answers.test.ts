import { describe, expect, test } from 'vitest';
import { anthropicChat } from '#gateway/providers/anthropic/chat.ts';
import type { ModelPart } from '#translation/chat/parts.ts';
import { type ChatReply, NO_USAGE } from '#translation/chat/reply.ts';
import { NO_SETTINGS } from '#translation/chat/request.ts';
import { anthropicDialect } from '#translation/dialects/anthropic/dialect.ts';

/** Answers as Anthropic writes them (API reference, "Messages", read 2026-11), by hand. */
const context = {
  inferenceId: '01890a5d-ac96-774b-bcce-b302099a8057',
  createdUnixS: 0,
  framing: 'sse',
  request: {
    model: 'group',
    stream: true,
    streamUsage: true,
    system: [],
    messages: [],
    tools: [],
    settings: NO_SETTINGS,
    spelling: {},
    extras: [],
  },
} as const;
const part = { at: '', cache: null };

function reply(parts: readonly ModelPart[], more: Partial<ChatReply['candidates'][0] & ChatReply> = {}): ChatReply {
  const { finish = 'stop', stopSequence = null, usage = null, rawFinish = null, id = null } = more;
  return {
    id,
    model: 'm',
    usage,
    rawFinish,
    candidates: [{ index: 0, parts, finish, stopSequence, logprobs: null }],
  };
}

const written = (...args: Parameters<typeof reply>) => JSON.parse(anthropicDialect.writeReply(reply(...args), context));
const text = (words: string): ModelPart => ({ ...part, type: 'text', text: words, citations: [] });
const call = (id: string | null, json: string): ModelPart => ({
  ...part,
  type: 'tool_call',
  id,
  name: 'a',
  arguments: json,
  signature: null,
});

describe('a whole answer, written', () => {
  test('is a Message with all its fields', () => {
    const usage = { ...NO_USAGE, inputTokens: 100, outputTokens: 7, cachedTokens: 60, cacheWriteTokens: 30 };
    expect(written([text('Hi')], { usage, id: 'chatcmpl-1' })).toEqual({
      id: 'msg_01890a5dac96774bbcceb302099a8057',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'text', text: 'Hi', citations: null }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      stop_details: null,
      container: null,
      diagnostics: null,
      usage: {
        input_tokens: 10,
        cache_creation_input_tokens: 30,
        cache_read_input_tokens: 60,
        cache_creation: null,
        output_tokens: 7,
        output_tokens_details: null,
        server_tool_use: null,
        service_tier: null,
        inference_geo: null,
        speed: null,
      },
    });
    expect(written([], { id: 'msg_own' }).id).toBe('msg_own');
  });

  test('keeps the arguments of a call as the model wrote them', () => {
    const json = anthropicDialect.writeReply(reply([call('c', '{"n": 12345678901234567890, "$&": 1}')]), context);
    expect(json).toContain('"input":{"n": 12345678901234567890, "$&": 1}');
    const inputs = [call('c', ''), call('c', '{"a":'), call('c', '[1]')];
    expect(written(inputs).content.map(({ input }: { input: unknown }) => input)).toEqual([
      {},
      { INVALID_JSON: '{"a":' },
      { INVALID_JSON: '[1]' },
    ]);
  });

  test('makes ids where there are none, one for each call', () => {
    const ids = written([call(null, '{}'), call('own', '{}'), call(null, '{}')]).content.map(
      ({ id }: { id: string }) => id,
    );
    expect(ids[1]).toBe('own');
    expect(new Set(ids).size).toBe(3);
    expect(ids[0]).toMatch(/^[a-zA-Z0-9_-]+$/);
  });

  test('says why it stopped', () => {
    const reason = (finish: ChatReply['candidates'][0]['finish'], more = {}) =>
      written([], { finish, ...more }).stop_reason;
    expect(reason('length')).toBe('max_tokens');
    expect(reason('length', { rawFinish: 'model_context_window_exceeded' })).toBe('model_context_window_exceeded');
    expect(reason('pause')).toBe('pause_turn');
    expect(reason('content_filter')).toBe('refusal');
    expect(reason(null)).toBeNull();
    expect(written([], { finish: 'stop_sequence', stopSequence: 'END' })).toMatchObject({
      stop_reason: 'stop_sequence',
      stop_sequence: 'END',
    });
    expect(written([call('c', '{}')], { finish: 'stop' }).stop_reason).toBe('tool_use');
    expect(written([{ ...part, type: 'refusal', text: 'No.' }])).toMatchObject({
      stop_reason: 'refusal',
      stop_details: { type: 'refusal' },
      content: [{ type: 'text', text: 'No.' }],
    });
  });

  test('carries the signatures of others, and gives them back', () => {
    const parts: ModelPart[] = [
      { ...part, type: 'reasoning', text: 'hm', signature: { origin: 'openai', value: 'o=' }, redacted: null },
      { ...part, type: 'reasoning', text: '', signature: null, redacted: { origin: 'bedrock', value: 'b=' } },
      { ...call('c', '{}'), signature: { origin: 'google', value: 'g=' } } as ModelPart,
    ];
    const { content } = written(parts);
    expect(content.map(({ type, signature, data }: Record<string, unknown>) => [type, signature ?? data])).toEqual([
      ['thinking', 'rs1.openai.o='],
      ['redacted_thinking', 'rs1.bedrock.b='],
      ['tool_use', undefined],
      ['redacted_thinking', 'rs1.google.g='],
    ]);
    const body = { model: 'g', max_tokens: 1, messages: [{ role: 'assistant', content }] };
    const target = { model: null, stream: null, framing: 'sse' } as const;
    const { messages } = anthropicDialect.readRequest(Buffer.from(JSON.stringify(body)), target);
    const bare = (all: readonly object[]) => all.map((each) => ({ ...each, at: '' }));
    expect(bare(messages[0]!.parts)).toEqual(parts);
  });

  test('has no place for images', () => {
    const image = {
      ...part,
      type: 'image',
      source: { kind: 'base64', mediaType: 'image/png', data: '' },
      detail: null,
    } as const;
    expect(() => written([image])).toThrow(/no place/);
  });
});

describe('a whole answer, read', () => {
  test('usage with its cache adds up to the whole prompt; missing is not zero', () => {
    const read = (usage: object | undefined) =>
      anthropicChat.readReply(Buffer.from(JSON.stringify({ content: [], stop_reason: 'end_turn', usage }))).usage;
    expect(
      read({
        input_tokens: 3,
        cache_read_input_tokens: 10,
        cache_creation_input_tokens: 20,
        output_tokens: 5,
        output_tokens_details: { thinking_tokens: 2 },
      }),
    ).toEqual({
      ...NO_USAGE,
      inputTokens: 33,
      outputTokens: 5,
      cachedTokens: 10,
      cacheWriteTokens: 20,
      reasoningTokens: 2,
    });
    expect(read({ input_tokens: 3, output_tokens: 0 })).toEqual({ ...NO_USAGE, inputTokens: 3, outputTokens: 0 });
    expect(read(undefined)).toBeNull();
  });

  test('blocks of server tools are skipped; what is no message is refused', () => {
    const content = [
      { type: 'server_tool_use', id: 's', name: 'web_search', input: {} },
      { type: 'text', text: 'Hi' },
    ];
    const { candidates, rawFinish } = anthropicChat.readReply(
      Buffer.from(JSON.stringify({ content, stop_reason: 'new_reason' })),
    );
    expect(candidates[0]).toMatchObject({ parts: [{ type: 'text', text: 'Hi' }], finish: 'other' });
    expect(rawFinish).toBe('new_reason');
    for (const body of ['<html>', '{}', 'null', '{"content":[1]}', '{"content":[{"type":"text"}]}']) {
      expect(() => anthropicChat.readReply(Buffer.from(body))).toThrow(
        expect.objectContaining({ code: 'upstream_protocol' }),
      );
    }
  });
});
