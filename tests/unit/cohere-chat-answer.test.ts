// Answers as the Cohere API reference has them (docs.cohere.com/reference/chat and /chat-stream, and the guides to streaming,
// RAG and tool use beside them; read 2026-11).
import { describe, expect, test } from 'vitest';
import { cohereChat } from '#gateway/providers/cohere/chat.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';
import { NO_USAGE } from '#translation/chat/reply.ts';

const USAGE = {
  billed_units: { input_tokens: 5, output_tokens: 7 },
  tokens: { input_tokens: 71, output_tokens: 9 },
  cached_tokens: 64,
};
const CITATION = {
  start: 4,
  end: 8,
  text: 'ring',
  sources: [
    { type: 'document', id: '1', document: { id: '1', title: 'Bells', text: 'Bells ring.' } },
    { type: 'document', id: 'web', document: { id: 'web', url: 'https://example.com/bells', title: 'Bells' } },
    { type: 'tool', id: 'call_1:0', tool_output: { content: 'ding' } },
  ],
  type: 'TEXT_CONTENT',
};
const READ_CITATIONS = [
  {
    kind: 'document',
    documentIndex: 1,
    documentTitle: 'Bells',
    citedText: 'Bells ring.',
    unit: 'block',
    from: 0,
    to: 1,
  },
  { kind: 'url', url: 'https://example.com/bells', title: 'Bells', citedText: null, startIndex: 4, endIndex: 8 },
];
const CALLS = ['call_1', 'call_2'].map((id) => ({
  id,
  type: 'function',
  function: { name: 'look', arguments: '{"at":1}' },
}));
const part = { at: '', cache: null };

const answer = (message: object, more: object = {}) =>
  Buffer.from(
    JSON.stringify({ id: 'c1', finish_reason: 'COMPLETE', message: { role: 'assistant', ...message }, ...more }),
  );

const sse = (...events: object[]) =>
  Buffer.from(
    events.map((event) => `event: ${(event as { type?: string }).type}\ndata: ${JSON.stringify(event)}\n\n`).join(''),
  );

function read(bytes: Buffer): ChatEvent[] {
  const events: ChatEvent[] = [];
  const reader = cohereChat.openReader();
  for (let at = 0; at < bytes.length; at += 65_536) {
    reader.push(bytes.subarray(at, at + 65_536), (event) => events.push(event));
  }
  reader.close((event) => events.push(event));
  return events;
}

function collect(bytes: Buffer) {
  const collector = new ReplyCollector();
  for (const event of read(bytes)) collector.take(event);
  return collector.reply();
}

const START = { type: 'message-start', id: 'c1', delta: { message: { role: 'assistant', content: [] } } };
const content = (type: string, index: number, value: object) => ({
  type,
  index,
  delta: { message: { content: value } },
});
const end = (delta: object) => ({ type: 'message-end', delta });
const callEvents = (index: number) => [
  {
    type: 'tool-call-start',
    index,
    delta: {
      message: { tool_calls: { ...CALLS[index], function: { name: 'look', arguments: '' } } },
    },
  },
  { type: 'tool-call-delta', index, delta: { message: { tool_calls: { function: { arguments: '{"at"' } } } } },
  { type: 'tool-call-delta', index, delta: { message: { tool_calls: { function: { arguments: ':1}' } } } } },
  { type: 'tool-call-end', index },
];

describe('a plain answer and its stream', () => {
  test('thoughts, text, citations, log probabilities and usage', () => {
    const items = [
      { text: 'Bells', token_ids: [1, 2], logprobs: [-0.5, -0.25] },
      { text: ' ring.', token_ids: [3], logprobs: [-1] },
    ];
    const plain = cohereChat.readReply(
      answer(
        {
          content: [
            { type: 'thinking', thinking: 'Hm.' },
            { type: 'text', text: 'Bells ring.' },
          ],
          citations: [CITATION],
        },
        { usage: USAGE, logprobs: items },
      ),
    );
    expect(plain).toEqual({
      id: 'c1',
      model: null,
      rawFinish: 'COMPLETE',
      candidates: [
        {
          index: 0,
          finish: 'stop',
          stopSequence: null,
          parts: [
            { ...part, type: 'reasoning', text: 'Hm.', signature: null, redacted: null },
            { ...part, type: 'text', text: 'Bells ring.', citations: READ_CITATIONS },
          ],
          logprobs: [
            { token: 'Bells', logprob: -0.75, bytes: null, top: [] },
            { token: ' ring.', logprob: -1, bytes: null, top: [] },
          ],
        },
      ],
      usage: { ...NO_USAGE, inputTokens: 71, outputTokens: 9, cachedTokens: 64 },
    });
    const streamed = sse(
      START,
      content('content-start', 0, { type: 'thinking', thinking: '' }),
      content('content-delta', 0, { thinking: 'Hm.' }),
      { type: 'content-end', index: 0 },
      content('content-start', 1, { type: 'text', text: '' }),
      { ...content('content-delta', 1, { text: 'Bells' }), logprobs: items[0] },
      { ...content('content-delta', 1, { text: ' ring.' }), logprobs: items[1] },
      { type: 'content-end', index: 1 },
      // Some models cite when the text is complete.
      { type: 'citation-start', index: 0, delta: { message: { citations: CITATION } } },
      { type: 'citation-end', index: 0 },
      end({ finish_reason: 'COMPLETE', usage: USAGE }),
    );
    expect(collect(streamed)).toEqual(plain);
  });

  test('a plan and parallel calls', () => {
    const plain = cohereChat.readReply(
      answer({ tool_plan: 'I will look.', tool_calls: CALLS }, { finish_reason: 'TOOL_CALL' }),
    );
    expect(plain.candidates[0]).toEqual({
      index: 0,
      finish: 'tool_calls',
      stopSequence: null,
      logprobs: null,
      parts: [
        { ...part, type: 'text', text: 'I will look.', citations: [] },
        ...CALLS.map(({ id }) => ({
          ...part,
          type: 'tool_call',
          id,
          name: 'look',
          arguments: '{"at":1}',
          signature: null,
        })),
      ],
    });
    const events = read(
      sse(
        START,
        { type: 'tool-plan-delta', delta: { message: { tool_plan: 'I will' } } },
        { type: 'tool-plan-delta', delta: { message: { tool_plan: ' look.' } } },
        ...callEvents(0),
        ...callEvents(1),
        end({ finish_reason: 'TOOL_CALL' }),
      ),
    );
    expect(events.map((event) => ('part' in event ? `${event.type} ${event.part}` : event.type))).toEqual([
      'start',
      ...['begin 0', 'delta 0', 'delta 0', 'close 0'],
      ...['begin 1', 'delta 1', 'delta 1', 'close 1'],
      ...['begin 2', 'delta 2', 'delta 2', 'close 2'],
      ...['finish', 'end'],
    ]);
    const collector = new ReplyCollector();
    for (const event of events) collector.take(event);
    expect(collector.reply()).toEqual(plain);
  });

  test.each([
    ['STOP_SEQUENCE', 'stop_sequence'],
    ['MAX_TOKENS', 'length'],
    ['TIMEOUT', 'other'],
    ['SOMETHING_NEW', 'other'],
    ['constructor', 'other'],
  ])('finish %s', (word, finish) => {
    const plain = cohereChat.readReply(answer({ content: [{ type: 'text', text: 'Hi' }] }, { finish_reason: word }));
    expect(plain).toMatchObject({ rawFinish: word, candidates: [{ finish }] });
    expect(collect(sse(START, content('content-delta', 0, { text: 'Hi' }), end({ finish_reason: word })))).toEqual(
      plain,
    );
  });

  test.each([
    [undefined, null],
    [{}, NO_USAGE],
    [{ tokens: { input_tokens: 0, output_tokens: 0 } }, { ...NO_USAGE, inputTokens: 0, outputTokens: 0 }],
    [{ billed_units: { input_tokens: 3 } }, { ...NO_USAGE, inputTokens: 3 }],
  ])('usage %j', (usage, read) => {
    expect(cohereChat.readReply(answer({ content: [] }, { usage })).usage).toEqual(read);
    expect(collect(sse(START, end({ finish_reason: 'COMPLETE', usage }))).usage).toEqual(read);
  });
});

describe('what is no answer', () => {
  test.each(['<html></html>', '{"message":', '[]', '{"message":"overloaded"}'])('plain: %s', (body) => {
    expect(() => cohereChat.readReply(Buffer.from(body))).toThrow(
      expect.objectContaining({ code: 'upstream_protocol' }),
    );
  });

  test('a plain answer that failed', () => {
    expect(() => cohereChat.readReply(answer({ content: [] }, { finish_reason: 'ERROR' }))).toThrow(
      expect.objectContaining({ code: 'upstream_error' }),
    );
  });

  test.each([
    ['HTML', '<html></html>\n\n'],
    ['an event cut off', 'data: {"type":"message-start"}\n\ndata: {"type":"content-de'],
    ['no end', `${sse(START)}`],
    ['[DONE] before the end', `${sse(START)}data: [DONE]\n\n`],
    ['an event that is no object', 'data: 5\n\n'],
    ['more of what has not begun', `${sse(START, callEvents(0)[1]!)}`],
  ])('stream: %s', (_, bytes) => {
    expect(() => read(Buffer.from(bytes))).toThrow(expect.objectContaining({ code: 'upstream_protocol' }));
  });

  test('an event of 5 MB is read, one beyond the limit is not', () => {
    const long = (bytes: number) =>
      sse(START, content('content-delta', 0, { text: 'x'.repeat(bytes) }), end({ finish_reason: 'COMPLETE' }));
    expect(collect(long(5_000_000)).candidates[0]!.parts[0]).toMatchObject({ text: 'x'.repeat(5_000_000) });
    expect(() => read(long(MAX_EVENT_BYTES + 200_000))).toThrow(expect.objectContaining({ code: 'upstream_protocol' }));
  });

  test('unknown events are skipped, and so is what follows the end', () => {
    const stream = sse(
      START,
      { type: 'debug', prompt: 'x' },
      { type: 'brand-new' },
      end({ finish_reason: 'COMPLETE' }),
      content('content-delta', 0, { text: 'more' }),
    );
    const events = read(Buffer.concat([stream, Buffer.from('data: [DONE]\n\n')]));
    expect(events.map(({ type }) => type)).toEqual(['start', 'finish', 'end']);
  });

  test('a stream that says that it failed', () => {
    const ended = read(sse(START, end({ finish_reason: 'ERROR', error: 'out of memory' })));
    expect(ended.map(({ type }) => type)).toEqual(['start', 'error']);
    expect(ended[1]).toEqual({ type: 'error', status: null, body: Buffer.from('{"message":"out of memory"}') });
    const bare = read(sse(START, { id: 'x', message: 'too many tokens' }));
    expect(bare[1]).toMatchObject({ type: 'error', status: null });
  });
});
