// Answers: Amazon Bedrock API reference, Converse and ConverseStream, and the types of @aws-sdk/client-bedrock-runtime 3.1164, read 2026-11.
import { EventStreamCodec, Int64 } from '@smithy/eventstream-codec';
import { describe, expect, test } from 'vitest';
import { bedrockChat } from '#gateway/providers/bedrock/chat.ts';
import type { ChatEvent } from '#translation/chat/events.ts';

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString(),
  (text) => Buffer.from(text),
);
const text = (value: string) => ({ type: 'string', value }) as const;

function frame(type: string, body: object | string, messageType = 'event'): Buffer {
  const headers = {
    // Headers of every other type are skipped.
    long: { type: 'long', value: Int64.fromNumber(7) },
    uuid: { type: 'uuid', value: '01234567-89ab-cdef-0123-456789abcdef' },
    when: { type: 'timestamp', value: new Date(0) },
    some: { type: 'binary', value: new Uint8Array([1, 2]) },
    yes: { type: 'boolean', value: true },
    no: { type: 'boolean', value: false },
    byte: { type: 'byte', value: 1 },
    short: { type: 'short', value: 1 },
    integer: { type: 'integer', value: 1 },
    [messageType === 'exception' ? ':exception-type' : ':event-type']: text(type),
    ':message-type': text(messageType),
  } as const;
  return Buffer.from(
    codec.encode({ headers, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) }),
  );
}

function read(...chunks: Buffer[]): ChatEvent[] {
  const reader = bedrockChat.openReader();
  const events: ChatEvent[] = [];
  for (const chunk of chunks) reader.push(chunk, (event) => events.push(event));
  reader.close((event) => events.push(event));
  return events;
}

const plain = (answer: object) => bedrockChat.readReply(Buffer.from(JSON.stringify(answer)));
const of = (content: object[], rest: object = { stopReason: 'end_turn' }) =>
  plain({ output: { message: { role: 'assistant', content } }, ...rest });
const base = { at: '', cache: null };
const PROTOCOL = expect.objectContaining({ code: 'upstream_protocol' });

const CITATION = {
  title: 'Report',
  sourceContent: [{ text: 'It ' }, { text: 'rained.' }],
  location: { documentPage: { documentIndex: 1, start: 3, end: 4 } },
};
const CITED = {
  kind: 'document',
  documentIndex: 1,
  documentTitle: 'Report',
  citedText: 'It rained.',
  unit: 'page',
  from: 3,
  to: 4,
};

describe('whole answers', () => {
  test('every kind of block; what is not known is skipped', () => {
    const { candidates, id, model } = of([
      { reasoningContent: { reasoningText: { text: 'So…', signature: 'c2ln' } } },
      { reasoningContent: { redactedContent: 'cmVk' } },
      { text: '' },
      { text: 'Hi' },
      {
        citationsContent: {
          content: [{ text: 'It ' }, { text: 'did.' }],
          citations: [CITATION, { location: { web: { url: 'https://a.example' } } }, { location: {} }],
        },
      },
      { toolUse: { toolUseId: 'tooluse_1', name: 'weather', input: { city: 'Bonn' } } },
      { image: { format: 'png', source: { bytes: 'AAEC' } } },
      { ofLaterDays: {} },
    ]);
    expect([id, model]).toEqual([null, null]);
    expect(candidates[0]!.parts).toEqual([
      { ...base, type: 'reasoning', text: 'So…', signature: { origin: 'bedrock', value: 'c2ln' }, redacted: null },
      { ...base, type: 'reasoning', text: '', signature: null, redacted: { origin: 'bedrock', value: 'cmVk' } },
      { ...base, type: 'text', text: 'Hi', citations: [] },
      {
        ...base,
        type: 'text',
        text: 'It did.',
        citations: [
          CITED,
          { kind: 'url', url: 'https://a.example', title: null, citedText: null, startIndex: null, endIndex: null },
        ],
      },
      { ...base, type: 'tool_call', id: 'tooluse_1', name: 'weather', arguments: '{"city":"Bonn"}', signature: null },
      { ...base, type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AAEC' }, detail: null },
    ]);
  });

  test.each([
    ['end_turn', 'stop'],
    ['tool_use', 'tool_calls'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['stop_sequence', 'stop_sequence'],
    ['guardrail_intervened', 'content_filter'],
    ['content_filtered', 'content_filter'],
    ['malformed_tool_use', 'malformed_tool_call'],
    ['malformed_model_output', 'other'],
    ['refusal', 'refusal'],
    ['toString', 'other'],
  ])('%s is %s', (stopReason, finish) => {
    const { candidates, rawFinish } = of([], { stopReason });
    expect([candidates[0]!.finish, rawFinish]).toEqual([finish, stopReason]);
  });

  test('the stop text, where the model says it', () => {
    const stopped = of([], { stopReason: 'stop_sequence', additionalModelResponseFields: { stop_sequence: 'END' } });
    expect(stopped.candidates[0]!.stopSequence).toBe('END');
  });

  test('usage counts the cache in; zero and missing differ', () => {
    const usage = (said: object) => of([], { usage: said }).usage;
    expect(
      usage({ inputTokens: 3, outputTokens: 0, totalTokens: 18, cacheReadInputTokens: 10, cacheWriteInputTokens: 5 }),
    ).toMatchObject({
      inputTokens: 18,
      outputTokens: 0,
      cachedTokens: 10,
      cacheWriteTokens: 5,
      reasoningTokens: null,
    });
    expect(usage({ outputTokens: 1 })).toMatchObject({ inputTokens: null, outputTokens: 1, cachedTokens: null });
    expect(usage({ inputTokens: 0, cacheReadInputTokens: 0 })).toMatchObject({ inputTokens: 0, cachedTokens: 0 });
    expect(of([]).usage).toBeNull();
  });

  test.each([
    '<html></html>',
    '{',
    '[]',
    'null',
    '{}',
    '{"output":{"message":{"content":"Hi"}}}',
    '',
  ])('%j is none', (body) => {
    expect(() => bedrockChat.readReply(Buffer.from(body))).toThrow(PROTOCOL);
  });
});

const START = frame('messageStart', { role: 'assistant' });
const STOP = frame('messageStop', { stopReason: 'end_turn' });
const META = frame('metadata', {
  usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 },
  metrics: { latencyMs: 1 },
});
const delta = (at: number, said: object) =>
  frame('contentBlockDelta', { contentBlockIndex: at, delta: said, p: 'abc' });
const stop = (at: number) => frame('contentBlockStop', { contentBlockIndex: at });

describe('streams', () => {
  test('blocks begin with their first delta, tool calls with their start', () => {
    const start = { toolUse: { toolUseId: 'tooluse_1', name: 'weather' } };
    const events = read(
      START,
      delta(0, { reasoningContent: { text: 'So…' } }),
      delta(0, { reasoningContent: { signature: 'c2ln' } }),
      stop(0),
      delta(1, { text: '' }),
      delta(1, { text: 'Hi' }),
      delta(1, { citation: CITATION }),
      stop(1),
      frame('contentBlockStart', { contentBlockIndex: 2, start }),
      delta(2, { toolUse: { input: '' } }),
      delta(2, { toolUse: { input: '{"a":1}' } }),
      stop(2),
      delta(3, { reasoningContent: { redactedContent: 'cmVk' } }),
      frame('ofLaterDays', 'no JSON'),
      STOP,
      META,
      delta(9, { text: 'too late' }),
    );
    const at = (part: number) => ({ candidate: 0, part });
    expect(events).toEqual([
      { type: 'start', id: null, model: null, usage: null },
      { type: 'begin', ...at(0), kind: 'reasoning' },
      { type: 'delta', ...at(0), kind: 'text', text: 'So…' },
      { type: 'delta', ...at(0), kind: 'signature', signature: { origin: 'bedrock', value: 'c2ln' }, redacted: false },
      { type: 'close', ...at(0) },
      { type: 'begin', ...at(1), kind: 'text' },
      { type: 'delta', ...at(1), kind: 'text', text: 'Hi' },
      { type: 'delta', ...at(1), kind: 'citation', citation: CITED },
      { type: 'close', ...at(1) },
      { type: 'begin', ...at(2), kind: 'tool_call', id: 'tooluse_1', name: 'weather' },
      { type: 'delta', ...at(2), kind: 'text', text: '{"a":1}' },
      { type: 'close', ...at(2) },
      { type: 'begin', ...at(3), kind: 'reasoning' },
      { type: 'delta', ...at(3), kind: 'signature', signature: { origin: 'bedrock', value: 'cmVk' }, redacted: true },
      { type: 'close', ...at(3) },
      { type: 'finish', candidate: 0, finish: 'stop', rawFinish: 'end_turn', stopSequence: null },
      { type: 'usage', usage: expect.objectContaining({ inputTokens: 3, outputTokens: 2 }) },
      { type: 'end' },
    ]);
  });

  test('an image comes whole', () => {
    const start = { image: { format: 'png' } };
    const piece = (bytes: number[]) =>
      delta(0, { image: { source: { bytes: Buffer.from(bytes).toString('base64') } } });
    const events = read(
      START,
      frame('contentBlockStart', { contentBlockIndex: 0, start }),
      piece([1]),
      piece([2, 3]),
      stop(0),
      STOP,
    );
    expect(events.slice(1, 3)).toEqual([
      { type: 'begin', candidate: 0, part: 0, kind: 'image', mediaType: 'image/png', data: 'AQID' },
      { type: 'close', candidate: 0, part: 0 },
    ]);
  });

  test('without the last event only the usage is missing', () => {
    expect(read(START, STOP).map(({ type }) => type)).toEqual(['start', 'finish', 'end']);
  });

  test.each([
    ['throttlingException', 429],
    ['validationException', 400],
    ['modelStreamErrorException', 424],
    ['internalServerException', 500],
    ['serviceUnavailableException', 503],
    ['anException', null],
    ['constructor', null],
  ])('%s ends it with status %s', (name, status) => {
    const events = read(START, delta(0, { text: 'Hi' }), frame(name, { message: 'No more' }, 'exception'), STOP);
    expect(events.at(-1)).toEqual({
      type: 'error',
      status,
      body: Buffer.from(JSON.stringify({ message: 'No more', __type: name })),
    });
  });

  test('an error that the service does not model, too', () => {
    const headers = { ':message-type': text('error'), ':error-code': text('Broken'), ':error-message': text('It is') };
    const bytes = Buffer.from(codec.encode({ headers, body: new Uint8Array() }));
    expect(read(bytes)).toEqual([
      { type: 'error', status: null, body: Buffer.from('{"__type":"Broken","message":"It is"}') },
    ]);
  });

  test('5 MB in one event', () => {
    const long = 'x'.repeat(5 * 1024 * 1024);
    const events = read(START, delta(0, { text: long }), STOP, META);
    expect(events[2]).toMatchObject({ type: 'delta', text: long });
  });
});

describe('streams that are none', () => {
  const flip = (bytes: Buffer, at: number) => {
    const copy = Buffer.from(bytes);
    copy[at < 0 ? copy.length + at : at]! ^= 1;
    return copy;
  };
  test.each([
    ['a web page', [Buffer.from('<!DOCTYPE html><html></html>')]],
    ['a wrong checksum of the beginning', [flip(START, 2)]],
    ['a wrong checksum', [flip(START, -1)]],
    ['a changed payload', [flip(START, -8)]],
    ['half a frame', [START, STOP.subarray(0, 20)]],
    ['half a beginning behind the end of the message', [START, STOP, META.subarray(0, 5)]],
    ['no end', [START, delta(0, { text: 'Hi' }), stop(0)]],
    ['nothing', []],
    ['broken JSON', [START, frame('contentBlockDelta', '{"delta":')]],
    ['JSON of no object', [START, frame('messageStop', '"end_turn"')]],
    ['arguments of a call that did not begin', [START, delta(0, { toolUse: { input: '{' } })]],
    ['zeros', [Buffer.alloc(64)]],
  ])('%s', (_, chunks) => {
    expect(() => read(...chunks)).toThrow(PROTOCOL);
  });
});
