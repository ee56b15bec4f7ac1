import { describe, expect, test } from 'vitest';
import { anthropicChat } from '#gateway/providers/anthropic/chat.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';
import { NO_USAGE } from '#translation/chat/reply.ts';
import { NO_SETTINGS } from '#translation/chat/request.ts';
import { anthropicDialect } from '#translation/dialects/anthropic/dialect.ts';

/** Streams as Anthropic writes them ("Streaming messages", read 2026-11), by hand. */
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
    expect(pieces.map((piece) => names(piece).length)).toEqual([1, 0, 1, 0, 0, 0, 1, 1 + 4]);
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
