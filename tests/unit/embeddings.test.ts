import { describe, expect, test } from 'vitest';
import { answerEmbeddings } from '#gateway/embeddings-answering.ts';
import { cohereEmbeddings } from '#gateway/providers/cohere/embeddings.ts';
import { googleEmbeddings } from '#gateway/providers/google/embeddings.ts';
import { mistralEmbeddings } from '#gateway/providers/mistral/embeddings.ts';
import { openaiEmbeddings as toOpenai } from '#gateway/providers/openai/embeddings.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import { geminiEmbeddings } from '#translation/dialects/gemini/embeddings.ts';
import { openaiEmbeddings } from '#translation/dialects/openai-chat/embeddings.ts';
import type { EmbeddingsTranslation } from '#translation/embeddings/translation.ts';

/**
 * Bodies are written after the public references, read 2026-11: OpenAI "Create embeddings", Gemini API "Embeddings", Cohere "Embed API
 * (v2)", Mistral "Embeddings".
 */
const IN_BODY = { model: null, stream: null, framing: 'sse' } as const;
const MODEL = { upstreamModel: 'up-1', defaultMaxTokens: 1 };
const fromOpenai = (body: object) => openaiEmbeddings.readRequest(Buffer.from(JSON.stringify(body)), IN_BODY);
const fromGemini = (body: object, isBatch: boolean) =>
  geminiEmbeddings.readRequest(Buffer.from(JSON.stringify(body)), { ...IN_BODY, model: 'g', isBatch });

function wire(translation: EmbeddingsTranslation, request: ReturnType<typeof fromOpenai>, lenient = false) {
  const refusals = createRefusals('some', lenient);
  const body: unknown = JSON.parse(translation.writeRequest(request, MODEL, refusals).toString());
  return { body, dropped: refusals.dropped };
}
const ASK = { model: 'g', input: ['a', 'b'], dimensions: 256, input_type: 'search_query', user: 'ann' };

describe('what a provider is asked', () => {
  test('Google', () => {
    const one = (text: string) => ({
      model: 'models/up-1',
      taskType: 'RETRIEVAL_QUERY',
      outputDimensionality: 256,
      content: { parts: [{ text }] },
    });
    expect(wire(googleEmbeddings, fromOpenai(ASK)).body).toEqual({ requests: [one('a'), one('b')] });
    expect(wire(googleEmbeddings, fromOpenai({ model: 'g', input: 'a' })).body).toEqual({
      requests: [{ model: 'models/up-1', content: { parts: [{ text: 'a' }] } }],
    });
  });

  test('Cohere, which must be told a purpose', () => {
    const shared = { model: 'up-1', embedding_types: ['float'] };
    expect(wire(cohereEmbeddings, fromOpenai(ASK)).body).toEqual({
      ...shared,
      texts: ['a', 'b'],
      input_type: 'search_query',
      output_dimension: 256,
    });
    const plain = { ...shared, texts: ['a'], input_type: 'search_document' };
    expect(wire(cohereEmbeddings, fromOpenai({ model: 'g', input: 'a' })).body).toEqual(plain);
    const similar = fromOpenai({ model: 'g', input: 'a', input_type: 'similarity' });
    expect(() => wire(cohereEmbeddings, similar)).toThrow(/"input_type" cannot be sent on/);
    expect(wire(cohereEmbeddings, similar, true)).toEqual({ body: plain, dropped: ['input_type'] });
  });

  test('Mistral and OpenAI', () => {
    const plain = { model: 'up-1', input: ['a', 'b'], encoding_format: 'float' };
    const request = fromOpenai({ ...ASK, input_type: null, encoding_format: 'base64' });
    expect(wire(mistralEmbeddings, request).body).toEqual({ ...plain, output_dimension: 256 });
    expect(wire(toOpenai, request).body).toEqual({ ...plain, dimensions: 256 });
    expect(() => wire(mistralEmbeddings, fromOpenai(ASK))).toThrow(/"input_type"/);
  });

  test('numbers of tokens go where they mean something only', () => {
    const tokens = fromOpenai({ model: 'g', input: [[1, 2], [3]] });
    expect(wire(toOpenai, tokens).body).toMatchObject({ input: [[1, 2], [3]] });
    for (const translation of [googleEmbeddings, cohereEmbeddings, mistralEmbeddings]) {
      expect(() => wire(translation, tokens, true)).toThrow(/"input\[0\]" cannot be sent on/);
    }
    expect(fromOpenai({ model: 'g', input: [1, 2] }).inputs).toEqual([{ kind: 'tokens', at: 'input', tokens: [1, 2] }]);
  });
});

describe('what callers send', () => {
  test.each([
    [{ model: 'g' }, 'input'],
    [{ model: 'g', input: '' }, 'input'],
    [{ model: 'g', input: [] }, 'input'],
    [{ model: 'g', input: ['a', ''] }, 'input[1]'],
    [{ model: 'g', input: ['a', [1]], dimensions: 0 }, 'dimensions'],
    [{ model: 'g', input: [[1, 'x']] }, 'input[0]'],
    [{ model: 'g', input: { a: 1 } }, 'input'],
    [{ model: 'g', input: 'a', encoding_format: 'hex' }, 'encoding_format'],
    [{ model: 'g', input: 'a', input_type: 'constructor' }, 'input_type'],
    [{ model: 'g', input: Array.from({ length: 2_049 }, () => 'a') }, 'input'],
  ])('%j names the fault', (body, param) => {
    expect(() => fromOpenai(body)).toThrow(expect.objectContaining({ code: 'bad_request', param }));
  });

  test('an unknown field is no error of its own', () => {
    expect(fromOpenai({ model: 'g', input: 'a', truncate: 'END', user: 'x' }).extras).toEqual([
      { at: 'truncate', name: 'truncate', value: 'END' },
    ]);
  });

  test('Gemini, one and a list', () => {
    const content = { parts: [{ text: 'a' }, { text: 'b' }] };
    const one = fromGemini({ content, task_type: 'RETRIEVAL_DOCUMENT', output_dimensionality: 8, title: 'T' }, false);
    expect(one).toMatchObject({ task: 'document', dimensions: 8, isBatch: false, extras: [{ at: 'title' }] });
    expect(one.inputs).toEqual([{ kind: 'text', at: 'content', text: 'a\nb' }]);
    const many = fromGemini({ requests: [{ model: 'models/g', content }, { content }] }, true);
    expect(many.inputs.map(({ at }) => at)).toEqual(['requests[0].content', 'requests[1].content']);
    expect(many).toMatchObject({ isBatch: true, task: null, extras: [] });
  });

  test.each([
    [{}, 'content', false],
    [{ content: { parts: [] } }, 'content.parts', false],
    [{ content: { parts: [{ inlineData: {} }] } }, 'content.parts[0].text', false],
    [{ content: { parts: [{ text: 'a' }] }, taskType: 'toString' }, 'taskType', false],
    [{ requests: [] }, 'requests', true],
    [
      {
        requests: [
          { content: { parts: [{ text: 'a' }] } },
          { content: { parts: [{ text: 'a' }] }, outputDimensionality: 3 },
        ],
      },
      'requests[1].outputDimensionality',
      true,
    ],
  ])('Gemini, %j names the fault', (body, param, isBatch) => {
    expect(() => fromGemini(body, isBatch)).toThrow(expect.objectContaining({ code: 'bad_request', param }));
  });
});

describe('answers', () => {
  const request = fromOpenai({ model: 'g', input: ['a', 'b'] });
  const read = (
    translation: EmbeddingsTranslation,
    body: object | string,
    asked = request,
    dialect = openaiEmbeddings,
  ) => {
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    const { body: written, facts } = answerEmbeddings(dialect, translation, asked).readWhole(bytes, true);
    return { written: JSON.parse(written.toString()) as Record<string, unknown>, facts };
  };
  const vectors = [
    [0.5, -1],
    [0, 2],
  ];
  const data = (usage: number, model = 'g') => ({
    object: 'list',
    data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })),
    model,
    usage: { prompt_tokens: usage, total_tokens: usage },
  });

  test('of each provider become the same', () => {
    const google = { embeddings: vectors.map((values) => ({ values })), usageMetadata: { promptTokenCount: 3 } };
    expect(read(googleEmbeddings, google)).toEqual({
      written: data(3),
      facts: {
        finishReason: null,
        usage: { inputTokens: 3, outputTokens: null, cachedTokens: null, reasoningTokens: null },
      },
    });
    const cohere = {
      id: 'x',
      embeddings: { float: vectors },
      texts: ['a', 'b'],
      meta: { billed_units: { input_tokens: 4 } },
    };
    expect(read(cohereEmbeddings, cohere).written).toEqual(data(4));
    // In another order.
    const mistral = { ...data(5, 'up-1'), data: data(5).data.toReversed() };
    expect(read(mistralEmbeddings, mistral).written).toEqual(data(5, 'up-1'));
  });

  test('that say nothing of usage: the log has none, and zero stays zero', () => {
    expect(read(cohereEmbeddings, { embeddings: { float: vectors } }).facts?.usage).toBeNull();
    const zero = { embeddings: { float: vectors }, meta: { billed_units: { input_tokens: 0 } } };
    expect(read(cohereEmbeddings, zero).facts?.usage?.inputTokens).toBe(0);
  });

  test('in base64 are little-endian floats', () => {
    const asked = fromOpenai({ model: 'g', input: ['a', 'b'], encoding_format: 'base64' });
    const { written } = read(cohereEmbeddings, { embeddings: { float: vectors } }, asked);
    const bytes = Buffer.from((written['data'] as { embedding: string }[])[0]!.embedding, 'base64');
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4), bytes.length]).toEqual([0.5, -1, 8]);
  });

  test('for Gemini: one, or a list', () => {
    const content = { parts: [{ text: 'a' }] };
    const one = read(
      toOpenai,
      { data: [{ index: 0, embedding: [1] }] },
      fromGemini({ content }, false),
      geminiEmbeddings,
    );
    expect(one.written).toEqual({ embedding: { values: [1] } });
    const many = fromGemini({ requests: [{ content }, { content }] }, true);
    expect(read(mistralEmbeddings, data(5), many, geminiEmbeddings).written).toEqual({
      embeddings: vectors.map((values) => ({ values })),
      usageMetadata: { promptTokenCount: 5 },
    });
  });

  test.each([
    ['HTML', '<html>'],
    ['half of it', '{"embeddings":[{"values":[1'],
    ['a list', []],
    ['nothing', {}],
    ['texts', { embeddings: { float: ['a', 'b'] }, data: [{ embedding: 'a' }, { embedding: 'b' }] }],
    ['texts of Google', { embeddings: [{ values: ['a'] }, { values: [1] }] }],
    ['too few', { embeddings: [{ values: [1] }], data: [{ embedding: [1] }] }],
    ['too few of Cohere', { embeddings: { float: [[1]] } }],
  ])('%s are the upstream’s fault', (_what, body) => {
    for (const translation of [googleEmbeddings, cohereEmbeddings, mistralEmbeddings]) {
      expect(() => read(translation, body)).toThrow(expect.objectContaining({ code: 'upstream_protocol' }));
    }
  });
});
