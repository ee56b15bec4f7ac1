// Error bodies are written from the Gemini API's troubleshooting guide and google.rpc.Status, read 2026-11.
import { describe, expect, test } from 'vitest';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { adapter } from '#gateway/providers/google/adapter.ts';
import { readError } from '#gateway/providers/google/errors.ts';
import { renameModels } from '#gateway/providers/google/model-names.ts';
import { MODELS } from '#gateway/providers/google/models.ts';
import { readReply } from '#gateway/providers/google/reply.ts';
import { bind } from '#gateway/providers/google/request.ts';
import { openStream } from '#gateway/providers/google/stream.ts';

const deployment = (baseUrl: string, upstreamModel = 'gemini-3') =>
  ({
    provider: { kind: 'google', name: 'g', baseUrl, timeouts: {} },
    upstreamModel,
    maxOutputTokens: 9,
  }) as unknown as CompiledDeployment;
const DEFAULTS = { connectMs: 1, firstByteMs: 2, idleMs: 3 };
const API = 'https://generativelanguage.googleapis.com/v1beta';
const VERTEX = 'https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu/publishers/google';
const headOf = (target: ReturnType<typeof bind>, name: string) => target.heads[name]?.toString();

describe('calls to Google', () => {
  test('name the model and the method in the path, and never the key there', () => {
    const target = bind(deployment(API), { apiKey: 'AIza-secret' }, DEFAULTS);
    expect(headOf(target, 'generateContent')).toMatch(/^POST \/v1beta\/models\/gemini-3:generateContent HTTP\/1.1\r\n/);
    expect(headOf(target, 'streamEvents')).toContain('POST /v1beta/models/gemini-3:streamGenerateContent?alt=sse HTTP');
    expect(headOf(target, 'streamArray')).toContain('POST /v1beta/models/gemini-3:streamGenerateContent HTTP');
    expect(headOf(target, 'batchEmbedContents')).toContain('x-goog-api-key: AIza-secret\r\n');
    expect(target.secrets).toEqual(['AIza-secret']);
    const tuned = bind(deployment(API, 'tunedModels/a b'), {}, DEFAULTS);
    expect(headOf(tuned, 'countTokens')).toContain('POST /v1beta/tunedModels/a%20b:countTokens HTTP');
  });

  test('on Vertex AI have no embeddings, and take access tokens', () => {
    const target = bind(deployment(VERTEX), { apiKey: 'ya29.token' }, DEFAULTS);
    expect(headOf(target, 'generateContent')).toContain('/publishers/google/models/gemini-3:generateContent HTTP');
    expect(headOf(target, 'generateContent')).toContain('authorization: Bearer ya29.token\r\n');
    expect(target.heads['embedContent']).toBeUndefined();
  });

  test('go where the operation says', () => {
    const { headName } = adapter.natives.gemini!;
    expect(headName('chat', false, 'sse', false)).toBe('generateContent');
    expect(headName('chat', true, 'sse', false)).toBe('streamEvents');
    expect(headName('chat', true, 'json-array', false)).toBe('streamArray');
    expect(headName('count-tokens', false, 'sse', false)).toBe('countTokens');
    expect(headName('embeddings', false, 'sse', true)).toBe('batchEmbedContents');
    expect(headName('embeddings', false, 'sse', false)).toBe('embedContent');
  });

  test('name the upstream’s model wherever a body names one', () => {
    const renamed = (body: object) => {
      const bytes = renameModels(Buffer.from(JSON.stringify(body)), 'up');
      return bytes === null ? null : JSON.parse(bytes.toString());
    };
    expect(renamed({ content: {} })).toBeNull();
    expect(renamed({ requests: [{ model: 'models/group', content: 1 }, { content: 2 }] })).toEqual({
      requests: [
        { model: 'models/up', content: 1 },
        { model: 'models/up', content: 2 },
      ],
    });
    expect(renamed({ model: 'x', generateContentRequest: { model: 'y', contents: [] } })).toEqual({
      model: 'models/up',
      generateContentRequest: { model: 'models/up', contents: [] },
    });
  });

  test('name no other model behind an escaped key, or in JSON that only Google reads', () => {
    const renamed = (text: string) => renameModels(Buffer.from(text), 'up')?.toString();
    expect(renamed(String.raw`{"\u0072equests": [{"model": "models/other"}]}`)).toBe(
      '{"requests":[{"model":"models/up"}]}',
    );
    expect(renamed(String.raw`{"content": {"parts": [{"text": "caf\u00e9"}]}}`)).toBeUndefined();
    expect(() => renamed(`{"requests": [{'model': 'models/other'}]}`)).toThrow('is not valid JSON');
  });
});

describe('what Google answers', () => {
  const target = bind(deployment(API), { apiKey: 'AIza-secret' }, DEFAULTS);
  const error = (status: number, rest: object, retryAfter?: string) =>
    readError(
      status,
      Buffer.from(JSON.stringify({ error: { code: status, message: 'It said AIza-secret', ...rest } })),
      retryAfter,
      target,
    );
  const detail = (name: string, rest: object) => ({ '@type': `type.googleapis.com/google.rpc.${name}`, ...rest });

  test('errors become ours, without secrets', () => {
    const fieldViolations = [{ field: 'contents[0]', description: 'no' }];
    expect(error(400, { details: [detail('BadRequest', { fieldViolations })] })).toMatchObject({
      ...{ code: 'upstream_rejected', status: 400, param: 'contents[0]' },
      message: 'The provider "g" refused the request: It said [redacted]',
    });
    expect(error(400, { details: [detail('ErrorInfo', { reason: 'API_KEY_INVALID' })] })).toMatchObject({
      ...{ code: 'upstream_error', status: 502 },
      message: expect.not.stringContaining('It said'),
    });
    expect(error(401, {})).toMatchObject({ code: 'upstream_error', status: 502 });
    expect(error(403, {})).toMatchObject({ code: 'upstream_error', status: 502 });
    expect(error(404, {})).toMatchObject({ code: 'upstream_error', status: 502 });
    expect(error(500, {})).toMatchObject({ code: 'upstream_error', status: 502 });
    expect(error(503, {})).toMatchObject({ code: 'upstream_error', status: 503 });
    expect(error(529, {})).toMatchObject({ code: 'upstream_error', status: 503 });
    expect(error(504, {})).toMatchObject({ code: 'upstream_timeout', status: 504 });
  });

  test('how long to wait stands in a header or in the body', () => {
    const wait = [detail('RetryInfo', { retryDelay: '45.837906927s' })];
    expect(error(429, { details: wait })).toMatchObject({ code: 'upstream_rate_limited', retryAfterSeconds: 46 });
    expect(error(429, { details: wait }, '7').retryAfterSeconds).toBe(7);
    expect(error(429, {}).retryAfterSeconds).toBeUndefined();
  });

  test('lists, HTML and nothing', () => {
    const list = Buffer.from('[{"error":{"code":429,"message":"slow"}}]');
    expect(readError(429, list, undefined, target).message).toContain('slow');
    expect(readError(500, Buffer.from('<html>'), undefined, target).message).toBe(
      'The provider "g" failed with status 500',
    );
    expect(readError(400, Buffer.alloc(0), undefined, target).message).toBe('The provider "g" refused the request');
  });

  test('usage and finish reason of a plain answer', () => {
    const facts = (body: object) => readReply(Buffer.from(JSON.stringify(body)));
    const usageMetadata = { promptTokenCount: 3, candidatesTokenCount: 4, thoughtsTokenCount: 5 };
    expect(facts({ candidates: [{ finishReason: 'MAX_TOKENS' }], usageMetadata })).toEqual({
      finishReason: 'MAX_TOKENS',
      usage: { inputTokens: 3, outputTokens: 9, cachedTokens: null, reasoningTokens: 5 },
    });
    expect(facts({ promptFeedback: { blockReason: 'SAFETY' } })).toEqual({ finishReason: 'SAFETY', usage: null });
    expect(readReply(Buffer.from('<html>'))).toEqual({ finishReason: null, usage: null });
  });

  test('lists of models', () => {
    const models = [{ name: 'models/gemini-3', displayName: 'Gemini 3', inputTokenLimit: 10 }, { name: 1 }];
    const listed = { id: 'gemini-3', displayName: 'Gemini 3', contextTokens: 10, createdUnixS: null };
    expect(MODELS.read(Buffer.from(JSON.stringify({ models })))).toEqual([listed]);
    const publisherModels = [{ name: 'publishers/google/models/gemini-3' }];
    expect(MODELS.read(Buffer.from(JSON.stringify({ publisherModels })))).toMatchObject([
      { id: 'gemini-3', contextTokens: null },
    ]);
    expect(() => MODELS.read(Buffer.from('<html>'))).toThrow(expect.objectContaining({ code: 'upstream_protocol' }));
  });
});

describe('a stream that is passed on', () => {
  const response = (text: string, rest: object = {}) => ({
    candidates: [{ content: { parts: [{ text }] }, ...rest }],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: text.length },
  });
  const event = (body: object) => `data: ${JSON.stringify(body)}\r\n\r\n`;
  const push = (tap: ReturnType<typeof openStream>, text: string) => {
    const { forward, terminal } = tap.push(Buffer.from(text));
    return [forward?.toString() ?? null, terminal?.toString() ?? null];
  };

  test('goes on as it came, and keeps its end back', () => {
    const tap = openStream('sse');
    const [first, second, last] = [
      event(response('')),
      event(response('a')),
      event(response('bc', { finishReason: 'STOP' })),
    ];
    expect(push(tap, first.slice(0, 9))).toEqual([null, null]);
    expect(push(tap, first.slice(9))).toEqual([first, null]);
    expect(tap.sawToken).toBe(false);
    expect(push(tap, `: comment\n\n${second}${last}`)).toEqual([`: comment\n\n${second}`, null]);
    expect(tap.sawToken).toBe(true);
    expect(tap.flush()?.toString()).toBe(last);
    expect(tap.facts()).toEqual({
      finishReason: 'STOP',
      usage: { inputTokens: 1, outputTokens: 2, cachedTokens: null, reasoningTokens: null },
    });
  });

  test('with two candidates ends with the second of them', () => {
    const tap = openStream('sse');
    const one = event(response('a', { finishReason: 'STOP' }));
    const two = event(response('b', { finishReason: 'MAX_TOKENS', index: 1 }));
    expect(push(tap, one)).toEqual([null, null]);
    expect(push(tap, two)).toEqual([one, null]);
    expect(tap.flush()?.toString()).toBe(two);
    expect(tap.facts().finishReason).toBe('STOP');
  });

  test('may be a JSON array: its last element and its bracket are kept back', () => {
    const tap = openStream('json-array');
    const [first, last] = [response('a } ] "'), response('b', { finishReason: 'STOP' })].map((body) =>
      JSON.stringify(body),
    );
    expect(push(tap, `[${first}`)).toEqual([`[${first}`, null]);
    expect(push(tap, `,\r\n${last}`)).toEqual([null, null]);
    expect(push(tap, '\n]\n')).toEqual([null, `,\r\n${last}\n]`]);
    expect(push(tap, 'more')).toEqual([null, null]);
  });

  test('that fails says so, and no more', () => {
    const error = { error: { code: 503, message: 'overloaded', status: 'UNAVAILABLE' } };
    for (const framing of ['sse', 'json-array'] as const) {
      const tap = openStream(framing);
      const [good, bad] =
        framing === 'sse'
          ? [event(response('a')), event(error)]
          : [`[${JSON.stringify(response('a'))}`, `,${JSON.stringify(error)}]`];
      expect(push(tap, good + bad + good)).toEqual([good, null]);
      expect(JSON.parse(tap.errorBody!.toString())).toEqual(error);
      expect(tap.errorStatus).toBe(503);
      expect(tap.flush()).toBeNull();
    }
  });

  test('an argument that is called like a marker ends nothing', () => {
    const tap = openStream('sse');
    const call = event({
      candidates: [{ content: { parts: [{ functionCall: { name: 'f', args: { error: {}, finishReason: 'x' } } }] } }],
    });
    expect(push(tap, call)).toEqual([call, null]);
  });
});
