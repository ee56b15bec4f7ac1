import { describe, expect, test } from 'vitest';
import { ReplyCollector } from '#gateway/chat/collect.ts';
import type { ChatEvent } from '#gateway/chat/events.ts';
import type { ModelPart } from '#gateway/chat/parts.ts';
import { MAX_EVENT_BYTES } from '#gateway/chat/provider.ts';
import { type ChatReply, NO_USAGE } from '#gateway/chat/reply.ts';
import { NO_SETTINGS } from '#gateway/chat/request.ts';
import { anthropicDialect } from '#gateway/dialects/anthropic/dialect.ts';
import { anthropicChat } from '#gateway/providers/anthropic/chat.ts';

/** Answers as Anthropic writes them (API reference, "Messages" and "Streaming messages", read 2026-11), by hand. */
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
      ['redacted_thinking', 'rs1.google.g='],
      ['tool_use', undefined],
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

describe('a stream, written', () => {
  const write = (events: readonly Parameters<ReturnType<typeof anthropicDialect.openWriter>['write']>[0][]) => {
    const writer = anthropicDialect.openWriter(context);
    return { pieces: events.map((event) => writer.write(event)), end: writer.end() };
  };
  const names = (stream: string) => [...stream.matchAll(/^event: (.*)$/gm)].map(([, name]) => name);
  const begin = (index: number): ChatEvent => ({
    type: 'begin',
    candidate: 0,
    part: index,
    kind: 'tool_call',
    id: `c${index}`,
    name: 'a',
  });
  const delta = (index: number, words: string) =>
    ({ type: 'delta', candidate: 0, part: index, kind: 'text', text: words }) as const;
  const close = (index: number) => ({ type: 'close', candidate: 0, part: index }) as const;

  test('goes event by event: what comes is written at once', () => {
    const { pieces, end } = write([
      { type: 'start', id: null, model: 'm', usage: { ...NO_USAGE, inputTokens: 5 } },
      { type: 'alive' },
      { type: 'begin', candidate: 0, part: 0, kind: 'text' },
      delta(0, 'Hi'),
      close(0),
      { type: 'finish', candidate: 0, finish: 'stop', rawFinish: 'stop', stopSequence: null },
      { type: 'usage', usage: { ...NO_USAGE, inputTokens: 5, outputTokens: 1 } },
    ]);
    expect(pieces.map(names)).toEqual([
      ['message_start'],
      ['ping'],
      ['content_block_start'],
      ['content_block_delta'],
      ['content_block_stop'],
      [],
      ['message_delta'],
    ]);
    expect(pieces[0]).toContain('"input_tokens":5');
    expect(pieces[6]).toContain('"output_tokens":1');
    expect(names(end)).toEqual(['message_stop']);
  });

  test('holds back the fragments of a call while another is open', () => {
    const { pieces } = write([
      begin(0) as never,
      begin(1) as never,
      delta(0, '{'),
      delta(1, '{'),
      delta(1, '}'),
      close(1),
      delta(0, '}'),
      close(0),
    ]);
    expect(pieces.map((piece) => names(piece).length)).toEqual([0, 0, 2, 0, 0, 0, 1, 1 + 4]);
    expect(pieces.slice(3, 6).join('')).toBe('');
  });

  test('holds back no more than one event may be long', () => {
    const writer = anthropicDialect.openWriter(context);
    writer.write(begin(0) as never);
    writer.write(begin(1) as never);
    const piece = 'x'.repeat(MAX_EVENT_BYTES / 4);
    for (let i = 0; i < 4; i++) writer.write(delta(1, piece));
    expect(() => writer.write(delta(1, 'x'))).toThrow(/too much/);
  });

  test('other candidates are not written', () => {
    const { pieces } = write([{ type: 'begin', candidate: 1, part: 0, kind: 'text' }]);
    expect(pieces).toEqual(['']);
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

describe('a stream, read', () => {
  const event = (type: string, fields: object = {}) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  const start = event('message_start', {
    message: { id: 'msg_1', model: 'm', usage: { input_tokens: 3, cache_read_input_tokens: 4, output_tokens: 1 } },
  });
  const blockStart = (index: number, block: object) => event('content_block_start', { index, content_block: block });
  const blockDelta = (index: number, fields: object) => event('content_block_delta', { index, delta: fields });
  const stop =
    event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 9 } }) + event('message_stop');

  const read = (...chunks: string[]) => {
    const reader = anthropicChat.openReader();
    const events: ChatEvent[] = [];
    for (const chunk of chunks) reader.push(Buffer.from(chunk), (next) => void events.push(next));
    reader.close((next) => void events.push(next));
    return events;
  };
  const refused = (...chunks: string[]) =>
    expect(() => read(...chunks)).toThrow(expect.objectContaining({ code: 'upstream_protocol' }));

  test('usage is said at the start and, merged, at the end', () => {
    const events = read(start, stop);
    expect(events[0]).toMatchObject({
      type: 'start',
      id: 'msg_1',
      usage: { inputTokens: 7, outputTokens: null, cachedTokens: 4 },
    });
    expect(events.slice(1).map(({ type }) => type)).toEqual(['finish', 'usage', 'end']);
    expect(events[2]).toMatchObject({
      usage: { inputTokens: 7, outputTokens: 9, cachedTokens: 4, cacheWriteTokens: null },
    });
  });

  test('interleaved thoughts, calls without fragments, and what is not known', () => {
    const collector = new ReplyCollector();
    const events = read(
      event('ping'),
      start,
      blockStart(0, { type: 'thinking', thinking: '', signature: '' }),
      blockDelta(0, { type: 'thinking_delta', thinking: 'hm' }),
      blockDelta(0, { type: 'signature_delta', signature: 's=' }),
      event('content_block_stop', { index: 0 }),
      blockStart(1, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }),
      blockDelta(1, { type: 'input_json_delta', partial_json: '{}' }),
      event('content_block_stop', { index: 1 }),
      blockStart(2, { type: 'tool_use', id: 't', name: 'a', input: { whole: 1 } }),
      event('content_block_stop', { index: 2 }),
      blockStart(3, { type: 'redacted_thinking', data: 'd=' }),
      blockDelta(3, { type: 'later_delta', x: 1 }),
      event('content_block_stop', { index: 3 }),
      event('later_event', { x: 1 }),
      stop,
    );
    for (const each of events) collector.take(each);
    expect(events[0]).toEqual({ type: 'alive' });
    expect(collector.reply().candidates[0]?.parts).toMatchObject([
      { type: 'reasoning', text: 'hm', signature: { origin: 'anthropic', value: 's=' } },
      { type: 'tool_call', id: 't', arguments: '{"whole":1}' },
      { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'd=' } },
    ]);
  });

  test('an error ends it, with the status that belongs to its type', () => {
    const body = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    const events = read(start, `event: error\ndata: ${JSON.stringify(body)}\n\n`, stop);
    expect(events.at(-1)).toEqual({ type: 'error', status: 529, body: Buffer.from(JSON.stringify(body)) });
    expect(read(`data: ${JSON.stringify({ type: 'error', error: { type: 'new_error' } })}\n\n`)).toMatchObject([
      { type: 'error', status: null },
    ]);
  });

  test('without its last event it is whole if it said why it stopped; else it broke off', () => {
    const ended = event('message_delta', { delta: { stop_reason: 'end_turn' } });
    expect(read(start, ended).map(({ type }) => type)).toEqual(['start', 'finish', 'usage', 'end']);
    refused(start);
    refused(start, blockStart(0, { type: 'text', text: '' }));
  });

  test('what no client could read is refused', () => {
    refused('<html><body>Checking your browser</body></html>');
    refused('');
    refused(start, 'data: {"type":\n\n');
    refused(start, 'data: 1\n\n');
    refused(stop);
    refused(start, 'event: content_block_delta\ndata: {"type":"content_block_del');
    refused(start, event('content_block_start', { index: 0 }));
  });

  test('an event of 5 MB is read, one beyond the bound is refused', () => {
    const long = 'x'.repeat(5_000_000);
    const events = read(
      start,
      blockStart(0, { type: 'text', text: '' }),
      blockDelta(0, { type: 'text_delta', text: long }),
      stop,
    );
    expect(events[2]).toMatchObject({ kind: 'text', text: long });
    const endless = 'x'.repeat(MAX_EVENT_BYTES + 1);
    refused(start, `data: ${endless}`);
  });
});
