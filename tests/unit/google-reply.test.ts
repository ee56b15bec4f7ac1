// The answers are written from the Gemini API reference ("GenerateContentResponse", "Candidate", "GroundingMetadata", read 2026-11).
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { readReply } from '#gateway/providers/google/chat-reply.ts';
import { openReader } from '#gateway/providers/google/chat-stream.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';
import { NO_USAGE } from '#translation/chat/reply.ts';

const reply = (body: object) => readReply(Buffer.from(JSON.stringify(body)));
const answer = (parts: object[], rest: object = {}) =>
  reply({ candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', ...rest }] });
const base = { at: '', cache: null };

function events(...chunks: (string | Buffer)[]): ChatEvent[] {
  const found: ChatEvent[] = [];
  const reader = openReader();
  for (const chunk of chunks) reader.push(Buffer.from(chunk), (event) => found.push(event));
  reader.close((event) => found.push(event));
  return found;
}
const sse = (...responses: object[]) =>
  responses.map((response) => `data: ${JSON.stringify(response)}\r\n\r\n`).join('');
const protocol = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    if (error instanceof RingsideError) return expect(error.code).toBe('upstream_protocol');
    throw error;
  }
  return expect.fail('not refused');
};

describe('an answer of Google', () => {
  test('has texts, thoughts, calls, images and signatures', () => {
    const read = answer([
      { text: 'Hm', thought: true },
      { text: ', yes', thought: true, thoughtSignature: 'U0lH' },
      { text: 'Hello', thoughtSignature: 'VA==' },
      { functionCall: { id: 'c1', name: 'f', args: { n: 1 } }, thoughtSignature: 'VQ==' },
      { functionCall: { name: 'g' } },
      { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
      { executableCode: { language: 'PYTHON', code: '1' } },
    ]);
    const signature = (value: string) => ({ origin: 'google', value });
    const call = { ...base, type: 'tool_call', signature: null };
    expect(read.candidates[0]?.parts).toEqual([
      { ...base, type: 'reasoning', text: 'Hm, yes', signature: signature('U0lH'), redacted: null },
      { ...base, type: 'text', text: 'Hello', citations: [] },
      { ...base, type: 'reasoning', text: '', signature: signature('VA=='), redacted: null },
      { ...call, id: 'c1', name: 'f', arguments: '{"n":1}', signature: signature('VQ==') },
      { ...call, id: null, name: 'g', arguments: '{}' },
      { ...base, type: 'image', detail: null, source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
    ]);
    expect(read.candidates[0]?.finish).toBe('tool_calls');
  });

  test('keeps the digits of arguments', () => {
    const body =
      '{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"id":9007199254740993123}}}]},"finishReason":"STOP"}]}';
    expect(readReply(Buffer.from(body)).candidates[0]?.parts).toMatchObject([
      { arguments: '{"id":9007199254740993123}' },
    ]);
  });

  test.each([
    ['STOP', 'stop'],
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content_filter'],
    ['RECITATION', 'content_filter'],
    ['LANGUAGE', 'other'],
    ['OTHER', 'other'],
    ['BLOCKLIST', 'content_filter'],
    ['PROHIBITED_CONTENT', 'content_filter'],
    ['SPII', 'content_filter'],
    ['MALFORMED_FUNCTION_CALL', 'malformed_tool_call'],
    ['UNEXPECTED_TOOL_CALL', 'malformed_tool_call'],
    ['IMAGE_SAFETY', 'content_filter'],
    ['TOO_MANY_TOOL_CALLS', 'other'],
    ['CONTINUATION', 'pause'],
    ['NEW_ONE', 'other'],
    ['toString', 'other'],
  ])('%s is %s', (finishReason, finish) => {
    const read = answer([{ text: 'a' }], { finishReason });
    expect(read.candidates[0]?.finish).toBe(finish);
    expect(read.rawFinish).toBe(finishReason);
  });

  test('a blocked prompt is a filtered answer without parts', () => {
    const read = reply({
      promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
      usageMetadata: { promptTokenCount: 3 },
    });
    expect(read.candidates).toEqual([
      { index: 0, parts: [], finish: 'content_filter', stopSequence: null, logprobs: null },
    ]);
    expect(read.rawFinish).toBe('PROHIBITED_CONTENT');
    expect(read.usage).toEqual({ ...NO_USAGE, inputTokens: 3 });
  });

  test('usage: thoughts are output, what tools brought is input, and missing is not zero', () => {
    const usage = (usageMetadata: object | undefined) =>
      reply({ candidates: [{ content: { parts: [] }, finishReason: 'STOP' }], usageMetadata }).usage;
    expect(
      usage({
        ...{ promptTokenCount: 10, candidatesTokenCount: 4, thoughtsTokenCount: 6, toolUsePromptTokenCount: 5 },
        ...{ cachedContentTokenCount: 0, totalTokenCount: 25 },
        promptTokensDetails: [
          { modality: 'TEXT', tokenCount: 8 },
          { modality: 'AUDIO', tokenCount: 2 },
        ],
      }),
    ).toEqual({
      ...{ inputTokens: 15, outputTokens: 10, cachedTokens: 0, cacheWriteTokens: null, reasoningTokens: 6 },
      ...{ audioInputTokens: 2, audioOutputTokens: null },
    });
    expect(usage({})).toEqual(NO_USAGE);
    expect(usage(undefined)).toBeNull();
    expect(usage({ promptTokenCount: 0, candidatesTokenCount: 0 })).toMatchObject({ inputTokens: 0, outputTokens: 0 });
  });

  test('citations: offsets count bytes there and UTF-16 units here', () => {
    const read = answer([{ text: 'Größe 1. Zwei.' }], {
      groundingMetadata: {
        groundingChunks: [{ web: { uri: 'https://a.test', title: 'A' } }, { retrievedContext: { uri: 'gs://b' } }],
        groundingSupports: [
          { segment: { endIndex: 10, text: 'Größe 1.' }, groundingChunkIndices: [0, 1, 9] },
          { segment: { startIndex: 11, endIndex: 16, text: 'Zwei.' }, groundingChunkIndices: [1] },
        ],
      },
      citationMetadata: { citationSources: [{ startIndex: 11, endIndex: 15, uri: 'https://c.test' }] },
    });
    const [part] = read.candidates[0]!.parts;
    expect(part).toMatchObject({ type: 'text', text: 'Größe 1. Zwei.' });
    const url = { kind: 'url', title: null };
    expect(part?.type === 'text' ? part.citations : null).toEqual([
      { ...url, url: 'https://a.test', title: 'A', citedText: 'Größe 1.', startIndex: 0, endIndex: 8 },
      { ...url, url: 'gs://b', citedText: 'Größe 1.', startIndex: 0, endIndex: 8 },
      { ...url, url: 'gs://b', citedText: 'Zwei.', startIndex: 9, endIndex: 14 },
      { ...url, url: 'https://c.test', citedText: null, startIndex: 9, endIndex: 13 },
    ]);
  });

  test('log probabilities, candidates, ids', () => {
    const token = { token: 'a', logProbability: -0.5, tokenId: 1 };
    const read = reply({
      ...{ responseId: 'r1', modelVersion: 'gemini-9' },
      candidates: [
        {
          content: { parts: [{ text: 'a' }] },
          finishReason: 'STOP',
          logprobsResult: { chosenCandidates: [token], topCandidates: [{ candidates: [token] }] },
        },
        { content: { parts: [{ text: 'b' }] }, finishReason: 'MAX_TOKENS', index: 1 },
      ],
    });
    expect(read).toMatchObject({ id: 'r1', model: 'gemini-9', rawFinish: 'STOP' });
    const said = { token: 'a', logprob: -0.5, bytes: null };
    expect(read.candidates.map(({ finish, logprobs }) => [finish, logprobs])).toEqual([
      ['stop', [{ ...said, top: [said] }]],
      ['length', null],
    ]);
  });

  test.each([
    '<html>',
    '{"candidates":',
    '[]',
    '"text"',
    '{}',
    '{"candidates":[]}',
    '{"candidates":[{"content":{}}]}',
    '{"candidates":[{"finishReason":"STOP","index":1000000000}]}',
  ])('what is none: %s', (body) => protocol(() => readReply(Buffer.from(body))));
});

test('what is nested too deeply to be written again is none, either', () => {
  // With a number that is kept digit by digit, which takes a recursion for each level.
  const args = `${'{"a":'.repeat(50_000)}12345678901234567890${'}'.repeat(50_000)}`;
  const body = `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":${args}}}]},"finishReason":"STOP"}]}`;
  protocol(() => readReply(Buffer.from(body)));
  protocol(() => events(`data: ${body}\n\n`));
});

describe('a stream of Google', () => {
  const parts = (...made: object[]) => ({ candidates: [{ content: { parts: made, role: 'model' } }] });
  const stop = {
    candidates: [{ content: { parts: [{ text: '' }] }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 2, candidatesTokenCount: 3 },
  };

  test('tells its parts as they come, and how it ended when it has ended', () => {
    const found = events(
      sse({ ...parts({ text: 'Hm', thought: true }), usageMetadata: { promptTokenCount: 2 }, responseId: 'r' }),
      sse(
        parts({ text: 'a' }),
        parts({ text: 'b', thoughtSignature: 'U0lH' }),
        parts({ functionCall: { name: 'f', args: {} } }),
        stop,
      ),
    );
    expect(found.map((event) => event.type)).toEqual([
      ...['start', 'begin', 'delta', 'close', 'begin', 'delta', 'delta', 'close', 'begin', 'delta', 'close'],
      ...['begin', 'delta', 'close', 'finish', 'usage', 'end'],
    ]);
    expect(found[0]).toEqual({ type: 'start', id: 'r', model: null, usage: { ...NO_USAGE, inputTokens: 2 } });
    const collector = new ReplyCollector();
    for (const event of found) collector.take(event);
    expect(collector.reply()).toMatchObject({ rawFinish: 'STOP', usage: { inputTokens: 2, outputTokens: 3 } });
  });

  test('an error ends it, and nothing follows', () => {
    const error = { error: { code: 503, status: 'UNAVAILABLE', message: 'overloaded' } };
    const found = events(sse(parts({ text: 'a' }), error, parts({ text: 'b' })));
    expect(found.at(-1)).toEqual({ type: 'error', status: 503, body: Buffer.from(JSON.stringify(error)) });
    expect(found.filter(({ type }) => type === 'delta')).toHaveLength(1);
  });

  test('a blocked prompt', () => {
    expect(events(sse({ promptFeedback: { blockReason: 'SAFETY' } }))).toContainEqual({
      ...{ type: 'finish', candidate: 0, finish: 'content_filter', rawFinish: 'SAFETY', stopSequence: null },
    });
  });

  test('what cannot be read is the upstream’s fault', () => {
    protocol(() => events('<html><body>no</body></html>'));
    protocol(() => events(''));
    protocol(() => events(sse(parts({ text: 'a' }))));
    protocol(() => events(`${sse(parts({ text: 'a' }))}data: {"candid`));
    protocol(() => events('data: not json\n\n'));
    protocol(() => events(sse(parts({ functionCall: { name: 'f', partialArgs: [] } }))));
    protocol(() => events(`data: "${'x'.repeat(MAX_EVENT_BYTES)}`));
  });

  test('unknown fields, comments and events of 5 MB are read over', () => {
    const data = 'A'.repeat(5_000_000);
    const found = events(
      ': hi\n\n',
      'event: x\n\n',
      sse({ novelty: 1 }, parts({ novelty: 1 }, { inlineData: { mimeType: 'image/png', data } }), stop),
    );
    expect(found.find(({ type }) => type === 'begin')).toMatchObject({ kind: 'image', data });
  });
});
