// Chunks as OpenAI's API reference gives them ("The chat completion chunk object", read 2026-11), and what compatible servers make of them.
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { openaiTranslation } from '#gateway/providers/openai/chat.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';

const IDENTITY = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-5' };
const event = (body: object) => `data: ${JSON.stringify(body)}\n\n`;
const chunk = (delta: object, choice: object = {}) =>
  event({ ...IDENTITY, choices: [{ index: 0, delta, finish_reason: null, ...choice }] });
const finish = (reason: string) => chunk({}, { finish_reason: reason });
const call = (index: number | undefined, more: object) => chunk({ tool_calls: [{ index, ...more }] });
const DONE = 'data: [DONE]\n\n';

function read(text: string, isClosed = true): ChatEvent[] {
  const reader = openaiTranslation.openReader();
  const events: ChatEvent[] = [];
  const take = (taken: ChatEvent) => void events.push(taken);
  reader.push(Buffer.from(text), take);
  if (isClosed) reader.close(take);
  return events;
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof RingsideError) return error.code;
    throw error;
  }
  return 'none';
}

const START = { type: 'start', id: 'chatcmpl-1', model: 'gpt-5', usage: null };
const at = (part: number) => ({ candidate: 0, part });
const begin = (part: number, head: object) => ({ type: 'begin', ...at(part), ...head });
const text = (part: number, said: string) => ({ type: 'delta', ...at(part), kind: 'text', text: said });
const close = (part: number) => ({ type: 'close', ...at(part) });
const ended = (finish: string, rawFinish: string | null = finish) => ({
  type: 'finish',
  candidate: 0,
  finish,
  rawFinish,
  stopSequence: null,
});
const END = { type: 'end' };

describe('a stream', () => {
  test('of text, with its usage last', () => {
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
    const stream =
      chunk({ role: 'assistant', content: '', refusal: null }) +
      chunk({ content: 'Hi' }) +
      chunk({ content: ' you' }) +
      finish('stop') +
      event({ ...IDENTITY, choices: [], usage }) +
      DONE;
    expect(read(stream)).toEqual([
      START,
      begin(0, { kind: 'text' }),
      text(0, 'Hi'),
      text(0, ' you'),
      close(0),
      ended('stop'),
      {
        type: 'usage',
        usage: {
          inputTokens: 3,
          outputTokens: 2,
          cachedTokens: null,
          cacheWriteTokens: null,
          reasoningTokens: null,
          audioInputTokens: null,
          audioOutputTokens: null,
        },
      },
      END,
    ]);
  });

  test('of thoughts, text and parallel calls', () => {
    const stream =
      chunk({ reasoning_content: 'hm' }) +
      chunk({ content: 'Hi' }) +
      call(0, { id: 'a', type: 'function', function: { name: 'f', arguments: '' } }) +
      call(0, { function: { arguments: '{}' } }) +
      call(1, { id: 'b', type: 'function', function: { name: 'g', arguments: '{' } }) +
      call(1, { function: { arguments: '}' } }) +
      finish('tool_calls') +
      DONE;
    expect(read(stream)).toEqual([
      START,
      begin(0, { kind: 'reasoning' }),
      text(0, 'hm'),
      close(0),
      begin(1, { kind: 'text' }),
      text(1, 'Hi'),
      close(1),
      begin(2, { kind: 'tool_call', id: 'a', name: 'f' }),
      text(2, '{}'),
      begin(3, { kind: 'tool_call', id: 'b', name: 'g' }),
      text(3, '{'),
      text(3, '}'),
      close(2),
      close(3),
      ended('tool_calls'),
      END,
    ]);
  });

  test('of calls in turns', () => {
    const stream =
      call(0, { id: 'a', function: { name: 'f', arguments: '[' } }) +
      call(1, { id: 'b', function: { name: 'g', arguments: '<' } }) +
      call(0, { function: { arguments: ']' } }) +
      call(1, { function: { arguments: '>' } }) +
      finish('stop') +
      DONE;
    expect(read(stream)).toEqual([
      START,
      begin(0, { kind: 'tool_call', id: 'a', name: 'f' }),
      text(0, '['),
      begin(1, { kind: 'tool_call', id: 'b', name: 'g' }),
      text(1, '<'),
      text(0, ']'),
      text(1, '>'),
      close(0),
      close(1),
      ended('tool_calls', 'stop'),
      END,
    ]);
  });

  test.each<[string, string]>([
    [
      'all of the index 0',
      call(0, { id: 'a', function: { name: 'f', arguments: '1' } }) +
        call(0, { id: 'b', function: { name: 'f', arguments: '2' } }),
    ],
    [
      'without an index',
      call(undefined, { id: 'a', function: { name: 'f', arguments: '1' } }) +
        call(undefined, { id: 'b', function: { name: 'f', arguments: '2' } }),
    ],
    [
      'whose id comes again with each fragment',
      call(0, { id: 'a', function: { name: 'f' } }) +
        call(0, { id: 'a', function: { arguments: '1' } }) +
        call(1, { id: 'b', function: { name: 'f', arguments: '2' } }),
    ],
    [
      'named after their first fragment',
      call(0, { id: 'a', function: { arguments: '1' } }) +
        call(0, { function: { name: 'f' } }) +
        call(1, { id: 'b', function: { name: 'f', arguments: '2' } }),
    ],
  ])('of calls %s', (_, calls) => {
    expect(read(calls + finish('tool_calls') + DONE)).toEqual([
      START,
      begin(0, { kind: 'tool_call', id: 'a', name: 'f' }),
      text(0, '1'),
      begin(1, { kind: 'tool_call', id: 'b', name: 'f' }),
      text(1, '2'),
      close(0),
      close(1),
      ended('tool_calls'),
      END,
    ]);
  });

  test('of a refusal', () => {
    expect(read(chunk({ refusal: 'no' }) + finish('stop') + DONE)).toEqual([
      START,
      begin(0, { kind: 'refusal' }),
      text(0, 'no'),
      close(0),
      ended('refusal', 'stop'),
      END,
    ]);
  });

  test('of several candidates, with log probabilities', () => {
    const logprobs = { content: [{ token: 'a', logprob: -1, bytes: null, top_logprobs: [] }] };
    const stream =
      chunk({ content: 'a' }, { logprobs }) +
      chunk({ content: 'b' }, { index: 1 }) +
      finish('stop') +
      chunk({}, { index: 1, finish_reason: 'length' }) +
      DONE;
    expect(read(stream)).toEqual([
      START,
      begin(0, { kind: 'text' }),
      text(0, 'a'),
      { type: 'logprobs', candidate: 0, logprobs: [{ token: 'a', logprob: -1, bytes: null, top: [] }] },
      { type: 'begin', candidate: 1, part: 0, kind: 'text' },
      { type: 'delta', candidate: 1, part: 0, kind: 'text', text: 'b' },
      close(0),
      ended('stop'),
      { type: 'close', candidate: 1, part: 0 },
      { type: 'finish', candidate: 1, finish: 'length', rawFinish: 'length', stopSequence: null },
      END,
    ]);
  });

  test("that begins with what Azure's filters found, counts along, and says something behind its end", () => {
    const usage = (tokens: number) => ({ usage: { prompt_tokens: 1, completion_tokens: tokens } });
    const stream =
      event({ id: '', object: '', created: 0, model: '', choices: [], prompt_filter_results: [] }) +
      ': still here\n\n' +
      event({ ...IDENTITY, choices: [{ delta: { content: 'a' } }], ...usage(1) }) +
      event({ ...IDENTITY, choices: [{ delta: { content: 'b' }, finish_reason: 'stop' }], ...usage(2) }) +
      event({ ...IDENTITY, choices: [{ delta: {}, finish_reason: null }] }) +
      DONE +
      chunk({ content: 'too late' });
    const events = read(stream);
    expect(events.filter(({ type }) => type === 'usage')).toMatchObject([{ usage: { outputTokens: 2 } }]);
    expect(events.map(({ type }) => type)).toEqual([
      'start',
      'begin',
      'delta',
      'delta',
      'close',
      'finish',
      'usage',
      'end',
    ]);
  });

  test('that ends without [DONE] after its finish reason', () => {
    expect(read(chunk({ content: 'a' }) + finish('stop')).at(-1)).toEqual(END);
  });

  test('whose citations stand beside the text', () => {
    const annotations = [
      { type: 'url_citation', url_citation: { url: 'u', title: 't', start_index: 0, end_index: 1 } },
    ];
    const events = read(chunk({ content: 'a' }) + chunk({ annotations }) + finish('stop') + DONE);
    expect(events[3]).toEqual({
      type: 'delta',
      ...at(0),
      kind: 'citation',
      citation: { kind: 'url', url: 'u', title: 't', citedText: null, startIndex: 0, endIndex: 1 },
    });
  });
});

describe('an error in a stream', () => {
  test.each<[object, number | null]>([
    [{ message: 'x', type: 'server_error', code: null }, 500],
    [{ message: 'x', type: 'requests', code: 'rate_limit_exceeded' }, 429],
    [{ message: 'x', code: 503 }, 503],
    [{ message: 'x', code: '400' }, 400],
    [{ message: 'x', type: 'strange' }, null],
  ])('%j', (error, status) => {
    const events = read(chunk({ content: 'a' }) + event({ error }) + DONE);
    expect(events.slice(3)).toEqual([{ type: 'error', status, body: Buffer.from(JSON.stringify({ error })) }]);
  });

  test('that only its event names', () => {
    const error = { message: 'x', error_type: 'overloaded' };
    expect(read(`event: error\n${event(error)}`)).toEqual([
      { type: 'error', status: 529, body: Buffer.from(JSON.stringify({ error })) },
    ]);
  });
});

describe('a stream that cannot be read', () => {
  test.each([
    ['HTML', '<!DOCTYPE html><html></html>\n\n'],
    ['nothing', ''],
    ['only an end', DONE],
    ['broken JSON', 'data: {"choices":[\n\n'],
    ['JSON that is no object', 'data: [1]\n\n'],
    ['half an event', chunk({ content: 'a' }).slice(0, -20)],
    ['an end before its time', chunk({ content: 'a' })],
    ['an impossible index', chunk({ content: 'a' }, { index: 1e9 })],
  ])('%s', (_, stream) => expect(codeOf(() => read(stream))).toBe('upstream_protocol'));

  test('5 MB in one event are fine, more than the most are not', () => {
    const long = 'x'.repeat(5 * 1024 * 1024);
    expect(read(chunk({ content: long }) + finish('stop') + DONE)[2]).toEqual(text(0, long));
    expect(codeOf(() => read(`data: ${'x'.repeat(MAX_EVENT_BYTES + 1)}`))).toBe('upstream_protocol');
  });

  test('events and fields that are not known are skipped', () => {
    const stream = `event: odd\nid: 1\nretry: 2\n${chunk({ content: 'a', odd: 1 })}${event({ odd: true })}${finish('stop')}${DONE}`;
    expect(read(stream).map(({ type }) => type)).toEqual(['start', 'begin', 'delta', 'close', 'finish', 'end']);
  });
});
