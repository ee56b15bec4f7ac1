import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import type { AnswerContext } from '#translation/chat/dialect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { ModelPart } from '#translation/chat/parts.ts';
import { type ChatReply, NO_USAGE } from '#translation/chat/reply.ts';
import { NO_SETTINGS } from '#translation/chat/request.ts';
import { geminiDialect } from '#translation/dialects/gemini/dialect.ts';
import { openReassembler } from '#translation/dialects/gemini/reassemble.ts';

const base = { at: '', cache: null };
const ID = '01890000-0000-7000-8000-0123456789ab';

function context(show: boolean | null = null, framing: AnswerContext['framing'] = 'sse'): AnswerContext {
  const reasoning = { effort: null, budgetTokens: null, show, adaptive: false };
  return {
    ...{ inferenceId: ID, createdUnixS: 1, framing },
    request: {
      ...{
        model: 'group',
        stream: false,
        streamUsage: true,
        system: [],
        messages: [],
        tools: [],
        spelling: {},
        extras: [],
      },
      settings: { ...NO_SETTINGS, reasoning },
    },
  };
}
const reply = (parts: readonly ModelPart[], rest: Partial<ChatReply> = {}): ChatReply => ({
  ...{ id: null, model: null, usage: null, rawFinish: null },
  candidates: [{ index: 0, parts, finish: 'stop', stopSequence: null, logprobs: null }],
  ...rest,
});
const write = (answer: ChatReply, given = context()) => JSON.parse(geminiDialect.writeReply(answer, given));
const call = (rest: object = {}): ModelPart => ({
  ...{ ...base, type: 'tool_call', id: null, name: 'f', arguments: '{"a":1}', signature: null },
  ...rest,
});

function stream(events: readonly Exclude<ChatEvent, { type: 'end' | 'error' }>[], given: AnswerContext) {
  const writer = geminiDialect.openWriter(given);
  const pieces = events.map((event) => writer.write(event));
  return { pieces, end: writer.end() };
}

describe('an answer for a caller of Gemini', () => {
  test('has the parts, counts and names of Google', () => {
    const signature = { origin: 'anthropic', value: 'c2ln' } as const;
    const body = write(
      reply(
        [
          { ...base, type: 'reasoning', text: 'Hm', signature, redacted: null },
          { ...base, type: 'text', text: 'Hello', citations: [] },
          ...[call(), call({ id: 'own', arguments: '' })],
        ],
        {
          id: 'r1',
          model: 'm1',
          usage: { ...NO_USAGE, inputTokens: 9, outputTokens: 7, reasoningTokens: 3, cachedTokens: 0 },
        },
      ),
    );
    const packed = Buffer.from('rs1.anthropic.c2ln').toString('base64');
    expect(body).toEqual({
      candidates: [
        {
          content: {
            role: 'model',
            parts: [
              { text: 'Hm', thought: true, thoughtSignature: packed },
              { text: 'Hello' },
              { functionCall: { id: 'call_7000800001234567' + '89ab0', name: 'f', args: { a: 1 } } },
              { functionCall: { id: 'own', name: 'f', args: {} } },
            ],
          },
          finishReason: 'STOP',
          index: 0,
        },
      ],
      usageMetadata: {
        ...{ promptTokenCount: 9, candidatesTokenCount: 4, thoughtsTokenCount: 3, totalTokenCount: 16 },
        cachedContentTokenCount: 0,
      },
      modelVersion: 'm1',
      responseId: 'r1',
    });
  });

  test('missing usage stays missing', () => {
    expect(write(reply([]))).not.toHaveProperty('usageMetadata');
    expect(write(reply([], { usage: { ...NO_USAGE, inputTokens: 1 } })).usageMetadata).toEqual({ promptTokenCount: 1 });
  });

  test('thoughts are shown to who asked for them; signed ones to everybody, because the next turn needs them', () => {
    const thought = (signature: object | null) =>
      ({ ...base, type: 'reasoning', text: 'Hm', signature, redacted: null }) as ModelPart;
    const signed = thought({ origin: 'google', value: 'U0lH' });
    const partsOf = (part: ModelPart, show: boolean | null) =>
      write(reply([part]), context(show)).candidates[0].content.parts;
    expect(partsOf(thought(null), true)).toEqual([{ text: 'Hm', thought: true }]);
    expect(partsOf(thought(null), null)).toEqual([{ text: '' }]);
    expect(partsOf(signed, null)).toEqual([{ text: 'Hm', thought: true, thoughtSignature: 'U0lH' }]);
  });

  test('finish reasons: ours in Google’s words, Google’s own where they mean the same', () => {
    const finish = (reason: string | null, rawFinish: string | null) => {
      const answer = reply([], { rawFinish });
      const [candidate] = answer.candidates;
      return write({ ...answer, candidates: [{ ...candidate!, finish: reason as 'stop' }] }).candidates[0].finishReason;
    };
    expect(finish('stop_sequence', 'stop_sequence')).toBe('STOP');
    expect(finish('tool_calls', 'tool_use')).toBe('STOP');
    expect(finish('length', 'max_tokens')).toBe('MAX_TOKENS');
    expect(finish('content_filter', 'RECITATION')).toBe('RECITATION');
    expect(finish('refusal', 'refusal')).toBe('SAFETY');
    expect(finish('malformed_tool_call', null)).toBe('MALFORMED_FUNCTION_CALL');
    expect(finish('pause', 'CONTINUATION')).toBe('OTHER');
    expect(finish(null, null)).toBe('OTHER');
  });

  test('arguments that are no JSON object are not lost', () => {
    const { parts } = write(reply([call({ arguments: '{"a":' })])).candidates[0].content;
    expect(parts[0].functionCall.args).toEqual({ arguments: '{"a":' });
    expect(geminiDialect.writeReply(reply([call({ arguments: '{"n":12345678901234567890}' })]), context())).toContain(
      '"args":{"n":12345678901234567890}',
    );
  });

  test('citations: offsets in bytes', () => {
    const cited = { ...base, type: 'text', text: 'Größe 1.' } as const;
    const url = {
      kind: 'url',
      url: 'https://a.test',
      title: null,
      citedText: 'Größe',
      startIndex: 0,
      endIndex: 5,
    } as const;
    const document = {
      kind: 'document',
      documentIndex: 0,
      documentTitle: 'D',
      citedText: 'x',
      unit: 'page',
      from: 3,
      to: 4,
    } as const;
    expect(write(reply([{ ...cited, citations: [url, url, document] }])).candidates[0].groundingMetadata).toEqual({
      groundingChunks: [
        { web: { uri: 'https://a.test' } },
        { retrievedContext: { title: 'D', text: 'x', pageNumber: 3 } },
      ],
      groundingSupports: [
        { segment: { startIndex: 0, endIndex: 7, text: 'Größe' }, groundingChunkIndices: [0] },
        { segment: { startIndex: 0, endIndex: 7, text: 'Größe' }, groundingChunkIndices: [0] },
        { segment: {}, groundingChunkIndices: [1] },
      ],
    });
  });
});

describe('a stream for a caller of Gemini', () => {
  const candidate = 0;
  const events = [
    { type: 'start', id: 'r', model: 'm', usage: null },
    { type: 'begin', candidate, part: 0, kind: 'reasoning' },
    { type: 'delta', candidate, part: 0, kind: 'text', text: 'Hm' },
    { type: 'close', candidate, part: 0 },
    { type: 'begin', candidate, part: 1, kind: 'text' },
    { type: 'delta', candidate, part: 1, kind: 'text', text: 'a' },
    { type: 'alive' },
    { type: 'close', candidate, part: 1 },
    { type: 'begin', candidate, part: 2, kind: 'tool_call', id: 'c', name: 'f' },
    { type: 'delta', candidate, part: 2, kind: 'text', text: '{"a"' },
    { type: 'delta', candidate, part: 2, kind: 'text', text: ':1}' },
    { type: 'close', candidate, part: 2 },
    { type: 'finish', candidate, finish: 'tool_calls', rawFinish: 'x', stopSequence: null },
    { type: 'usage', usage: { ...NO_USAGE, inputTokens: 1, outputTokens: 2 } },
  ] as const;
  const head = { modelVersion: 'm', responseId: 'r' };
  const content = (part: object) => ({
    candidates: [{ content: { parts: [part], role: 'model' }, index: 0 }],
    ...head,
  });
  const last = {
    candidates: [{ content: { parts: [{ text: '' }], role: 'model' }, finishReason: 'STOP', index: 0 }],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2, totalTokenCount: 3 },
    ...head,
  };
  const functionCall = { id: 'c', name: 'f', args: { a: 1 } };

  test('has texts as they come, calls whole, and the end held back', () => {
    const { pieces, end } = stream(events, context());
    expect(pieces.filter((piece) => piece !== '')).toEqual(
      [content({ text: 'a' }), content({ functionCall })].map((response) => `data: ${JSON.stringify(response)}\n\n`),
    );
    expect(end).toBe(`data: ${JSON.stringify(last)}\n\n`);
    expect(pieces[5]).not.toBe('');
    const shown = stream(events, context(true)).pieces;
    expect(shown[2]).toBe(`data: ${JSON.stringify(content({ text: 'Hm', thought: true }))}\n\n`);
  });

  test('may be a JSON array', () => {
    const { pieces, end } = stream(events, context(null, 'json-array'));
    expect(JSON.parse(pieces.join('') + end)).toEqual([content({ text: 'a' }), content({ functionCall }), last]);
    expect(end.endsWith(']')).toBe(true);
    const empty = stream([], context(null, 'json-array'));
    expect(JSON.parse(empty.end)).toHaveLength(1);
  });

  test('a signature comes with its thoughts', () => {
    const signature = { origin: 'bedrock', value: 'x' } as const;
    const signed = { type: 'delta', candidate, part: 0, kind: 'signature', signature, redacted: false } as const;
    const thoughtSignature = Buffer.from('rs1.bedrock.x').toString('base64');
    const events4 = [...events.slice(0, 3), signed, events[3]] as const;
    const responses = (show: boolean) =>
      stream(events4, context(show))
        .pieces.filter((piece) => piece !== '')
        .map((piece) => JSON.parse(piece.slice(6)).candidates[0].content.parts);
    expect(responses(false)).toEqual([[{ text: 'Hm', thought: true, thoughtSignature }]]);
    expect(responses(true)).toEqual([[{ text: 'Hm', thought: true }], [{ text: '', thought: true, thoughtSignature }]]);
  });

  test('is put together again for the log, in both framings', () => {
    for (const framing of ['sse', 'json-array'] as const) {
      const { pieces, end } = stream(events, context(true, framing));
      const reassembler = openReassembler({ maxHeld: 10_000, lookAhead: 10 });
      for (const byte of Buffer.from(`\n${pieces.join('')}${end}`)) reassembler.push(Buffer.of(byte));
      const { text, isWhole } = reassembler.message();
      expect(isWhole).toBe(true);
      expect(JSON.parse(text)).toEqual({
        candidates: [
          {
            content: { role: 'model', parts: [{ text: 'Hm', thought: true }, { text: 'a' }, { functionCall }] },
            ...{ finishReason: 'STOP', index: 0 },
          },
        ],
        usageMetadata: last.usageMetadata,
        ...head,
      });
    }
  });

  test('what does not fit into the log is cut, and where it was cut a little more', () => {
    const reassembler = openReassembler({ maxHeld: 300, lookAhead: 8 });
    const piece = `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text: 'sk-secret ' }] } }] })}\n\n`;
    for (let times = 0; times < 50; times++) reassembler.push(Buffer.from(piece));
    reassembler.push(Buffer.from('data: broken\n\n'));
    const { text, isWhole } = reassembler.message();
    expect(isWhole).toBe(false);
    const answer = JSON.parse(text);
    expect(answer.unreadable_events).toBe(1);
    expect('sk-secret '.repeat(50).startsWith(answer.candidates[0].content.parts[0].text)).toBe(true);
    expect(answer.candidates[0].content.parts[0].text.length).toBeLessThan(300);
  });
});

describe('errors in Google’s words', () => {
  const error = new RingsideError('upstream_rate_limited', 'Slow down.', { param: 'contents', retryAfterSeconds: 3 });
  const body = {
    error: {
      ...{ code: 429, message: 'Slow down.', status: 'RESOURCE_EXHAUSTED' },
      details: [
        { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'UPSTREAM_RATE_LIMITED', domain: 'ringside' },
        {
          '@type': 'type.googleapis.com/google.rpc.BadRequest',
          fieldViolations: [{ field: 'contents', description: 'Slow down.' }],
        },
        { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '3s' },
      ],
    },
  };

  test('plain, as an event and as an element', () => {
    expect(JSON.parse(geminiDialect.errorBody(error))).toEqual(body);
    expect(geminiDialect.errorEvent(error, 'sse', false)).toBe(`data: ${JSON.stringify(body)}\n\n`);
    expect(JSON.parse(geminiDialect.errorEvent(error, 'json-array', true))).toEqual([body]);
    expect(JSON.parse(`[{}${geminiDialect.errorEvent(error, 'json-array', false)}`)).toEqual([{}, body]);
  });
});
