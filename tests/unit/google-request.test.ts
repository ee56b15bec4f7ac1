// The literal bodies are written from the Gemini API reference ("Generating content", "Function calling", "Thought signatures", "Structured
// output") and the types of @google/genai 3.3, read 2026-11.
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { writeRequest } from '#gateway/providers/google/chat-request.ts';
import type { ModelPart, Signature, TextPart, UserPart } from '#translation/chat/parts.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import { type ChatRequest, type Message, NO_SETTINGS, type Settings, type Tool } from '#translation/chat/request.ts';
import { readRequest } from '#translation/dialects/gemini/request.ts';

const OLD = 'gemini-2.5-flash';
const NEW = 'gemini-3-pro-preview';
const base = { at: 'x', cache: null };
const text = (said: string): TextPart => ({ ...base, type: 'text', text: said, citations: [] });
const user = (...parts: UserPart[]): Message => ({ role: 'user', at: 'messages[0]', name: null, parts });
const assistant = (...parts: ModelPart[]): Message => ({ role: 'assistant', at: 'messages[1]', name: null, parts });
const tool = (rest: Partial<Tool> = {}): Tool => ({
  ...{ at: 'tools[0]', name: 'f', description: 'does f', parameters: { type: 'object' }, strict: null, cache: null },
  ...rest,
});
const call = (rest: Partial<Extract<ModelPart, { type: 'tool_call' }>> = {}): ModelPart => ({
  ...{ ...base, type: 'tool_call', id: 'c1', name: 'f', arguments: '{"a":1}', signature: null },
  ...rest,
});

function request(rest: Omit<Partial<ChatRequest>, 'settings'> & { settings?: Partial<Settings> } = {}): ChatRequest {
  return {
    ...{ model: 'group', stream: false, streamUsage: true, system: [], tools: [], spelling: {}, extras: [] },
    messages: [user(text('Hi'))],
    ...rest,
    settings: { ...NO_SETTINGS, ...rest.settings },
  };
}

function write(asked: ChatRequest, model = OLD, lenient = false) {
  const refusals = createRefusals('google', lenient);
  const body = writeRequest(asked, { upstreamModel: model, defaultMaxTokens: 4_096 }, refusals);
  return {
    body: JSON.parse(body.toString()) as Record<string, unknown>,
    text: body.toString(),
    dropped: refusals.dropped,
  };
}

function refusal(asked: ChatRequest, model = OLD): RingsideError {
  try {
    write(asked, model);
  } catch (error) {
    if (error instanceof RingsideError) return error;
    throw error;
  }
  return expect.fail('not refused');
}

test('what Gemini’s callers say comes out as they said it', () => {
  const said = {
    systemInstruction: { parts: [{ text: 'Be brief' }] },
    contents: [
      { role: 'user', parts: [{ text: 'Look' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }] },
      {
        role: 'model',
        parts: [
          { text: 'Hm', thought: true, thoughtSignature: 'U0lH' },
          { text: 'I call', thoughtSignature: 'VA==' },
          { functionCall: { id: 'a', name: 'f', args: { n: 1 } }, thoughtSignature: 'VQ==' },
          { functionCall: { id: 'b', name: 'f', args: {} } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'a', name: 'f', response: { celsius: 21 } } },
          { functionResponse: { id: 'b', name: 'f', response: { error: 'no' } } },
          { fileData: { mimeType: 'video/mp4', fileUri: 'gs://b/v' } },
        ],
      },
    ],
    tools: [{ functionDeclarations: [{ name: 'f', description: 'd', parametersJsonSchema: { type: 'object' } }] }],
    toolConfig: { functionCallingConfig: { mode: 'VALIDATED', allowedFunctionNames: ['f'] } },
    generationConfig: {
      ...{ temperature: 0, topP: 0.5, topK: 4, candidateCount: 2, maxOutputTokens: 9, stopSequences: ['END'], seed: 7 },
      ...{ presencePenalty: 0.1, frequencyPenalty: 0.2, responseLogprobs: true, logprobs: 3 },
      responseMimeType: 'application/json',
      responseJsonSchema: { type: 'object' },
      thinkingConfig: { thinkingLevel: 'LOW', includeThoughts: true },
    },
    serviceTier: 'flex',
  };
  const bytes = Buffer.from(JSON.stringify(said));
  const asked = readRequest(bytes, { model: 'group', stream: false, framing: 'sse' });
  expect(write(asked, NEW).body).toEqual(said);
});

describe('a chat for Google', () => {
  test('has instructions, turns and media', () => {
    const image = { ...base, type: 'image', detail: null } as const;
    const { body } = write(
      request({
        system: [text('Be brief')],
        messages: [
          user(text('Look'), { ...image, source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } }),
          user({ ...image, source: { kind: 'url', url: 'https://x.test/cat.jpg?w=1' } }),
          assistant(text('A cat')),
          user({
            ...base,
            type: 'document',
            title: null,
            citations: false,
            source: { kind: 'file', fileId: 'gs://bucket/a', mediaType: 'application/pdf' },
          }),
        ],
      }),
    );
    expect(body).toEqual({
      systemInstruction: { parts: [{ text: 'Be brief' }] },
      contents: [
        {
          role: 'user',
          parts: [
            { text: 'Look' },
            { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
            { fileData: { mimeType: 'image/jpeg', fileUri: 'https://x.test/cat.jpg?w=1' } },
          ],
        },
        { role: 'model', parts: [{ text: 'A cat' }] },
        { role: 'user', parts: [{ fileData: { mimeType: 'application/pdf', fileUri: 'gs://bucket/a' } }] },
      ],
    });
  });

  test('has all settings', () => {
    const schema = { type: 'object', properties: { a: { type: ['string', 'null'] } } };
    const { body } = write(
      request({
        settings: {
          ...{ maxTokens: 9, temperature: 0, topP: 0.5, topK: 4, seed: 7, stop: ['END'], frequencyPenalty: 0.1 },
          ...{ presencePenalty: 0.2, logprobs: true, topLogprobs: 3, candidates: 2, serviceTier: 'default' },
          output: { kind: 'json_schema', name: 'answer', description: 'An answer', schema, strict: true },
          reasoning: { effort: 'high', budgetTokens: null, show: true, adaptive: false },
        },
      }),
    );
    expect(body['serviceTier']).toBe('standard');
    expect(body['generationConfig']).toEqual({
      ...{ maxOutputTokens: 9, temperature: 0, topP: 0.5, topK: 4, seed: 7, stopSequences: ['END'] },
      ...{ frequencyPenalty: 0.1, presencePenalty: 0.2, responseLogprobs: true, logprobs: 3, candidateCount: 2 },
      responseMimeType: 'application/json',
      responseJsonSchema: { ...schema, description: 'An answer' },
      thinkingConfig: { thinkingBudget: 24_576, includeThoughts: true },
    });
  });

  test('has tools with their schemas untouched', () => {
    const parameters = { $defs: { x: { const: 1 } }, type: 'object', properties: { a: { $ref: '#/$defs/x' } } };
    const { body } = write(
      request({ tools: [tool({ parameters }), tool({ name: 'g', description: null, parameters: null })] }),
    );
    expect(body['tools']).toEqual([
      { functionDeclarations: [{ name: 'f', description: 'does f', parametersJsonSchema: parameters }, { name: 'g' }] },
    ]);
    expect(body['toolConfig']).toBeUndefined();
  });

  test.each([
    [{ kind: 'auto' }, false, { mode: 'AUTO' }],
    [{ kind: 'auto' }, true, { mode: 'VALIDATED' }],
    [null, true, { mode: 'VALIDATED' }],
    [{ kind: 'none' }, true, { mode: 'NONE' }],
    [{ kind: 'required' }, true, { mode: 'ANY' }],
    [{ kind: 'tool', name: 'f' }, false, { mode: 'ANY', allowedFunctionNames: ['f'] }],
    [{ kind: 'allowed', names: ['f', 'g'], required: true }, false, { mode: 'ANY', allowedFunctionNames: ['f', 'g'] }],
    [{ kind: 'allowed', names: ['f'], required: false }, false, { mode: 'VALIDATED', allowedFunctionNames: ['f'] }],
  ] as const)('tool choice %j, strict %s', (toolChoice, strict, functionCallingConfig) => {
    const { body } = write(request({ tools: [tool({ strict })], settings: { toolChoice } }));
    expect(body['toolConfig']).toEqual({ functionCallingConfig });
  });

  test('keeps calls with their results, ids and signatures since Gemini 3, and none of them before', () => {
    const google: Signature = { origin: 'google', value: 'U0lH' };
    const result = (callId: string, said: string, isError = false): UserPart => ({
      ...{ ...base, type: 'tool_result', callId, name: 'f', isError, parts: [text(said)] },
    });
    const turns = request({
      messages: [
        assistant(call({ signature: google }), call({ id: 'c2', arguments: '{"n":12345678901234567890}' })),
        user(result('c1', '{"ok":true}')),
        user(result('c2', 'no way', true)),
        assistant(call({ id: 'c3', arguments: '' })),
        user(result('c3', 'plain')),
      ],
    });
    const functionCall = (id: string, args: object) => ({ functionCall: { id, name: 'f', args } });
    const response = (id: string, said: object) => ({ functionResponse: { id, name: 'f', response: said } });
    const written = write(turns, NEW);
    // Digits beyond a double's are kept.
    expect(written.text).toContain('{"n":12345678901234567890}');
    expect(written.body['contents']).toEqual([
      {
        role: 'model',
        parts: [
          { ...functionCall('c1', { a: 1 }), thoughtSignature: 'U0lH' },
          functionCall('c2', { n: expect.any(Number) }),
        ],
      },
      { role: 'user', parts: [response('c1', { ok: true }), response('c2', { error: 'no way' })] },
      { role: 'model', parts: [{ ...functionCall('c3', {}), thoughtSignature: 'skip_thought_signature_validator' }] },
      { role: 'user', parts: [response('c3', { output: 'plain' })] },
    ]);
    const old = write(turns, OLD).text;
    expect(old).not.toContain('"id"');
    expect(old).not.toContain('skip_thought');
    expect(old).toContain('U0lH');
  });

  test('thoughts of Google go back as they came, those of others are left out', () => {
    const thought = (said: string, signature: Signature | null, redacted: Signature | null = null): ModelPart => ({
      ...{ ...base, at: `thought ${said}`, type: 'reasoning', text: said, signature, redacted },
    });
    const google: Signature = { origin: 'google', value: 'U0lH' };
    const foreign: Signature = { origin: 'anthropic', value: 'secret' };
    const {
      body,
      dropped,
      text: whole,
    } = write(
      request({
        messages: [
          assistant(
            ...[thought('mine', google), thought('theirs', foreign), thought('', null, foreign), thought('open', null)],
            ...[text('said'), thought('', google), thought('', google), call({ signature: foreign })],
          ),
        ],
      }),
    );
    expect(body['contents']).toEqual([
      {
        role: 'model',
        parts: [
          { text: 'mine', thought: true, thoughtSignature: 'U0lH' },
          { text: 'open', thought: true },
          { text: 'said', thoughtSignature: 'U0lH' },
          { text: '', thoughtSignature: 'U0lH' },
          { functionCall: { name: 'f', args: { a: 1 } } },
        ],
      },
    ]);
    expect(dropped).toEqual(['thought theirs', 'thought ', 'x']);
    expect(whole).not.toContain('secret');
  });

  test.each([
    ['logitBias', { '1': 2 }],
    ['user', 'u'],
    ['promptCacheKey', 'k'],
    ['verbosity', 'low'],
    ['parallelToolCalls', false],
    ['stop', ['a', 'b', 'c', 'd', 'e', 'f']],
    ['serviceTier', 'scale'],
  ] as const)('%s is refused by its name, or dropped', (setting, value) => {
    const asked = request({ settings: { [setting]: value }, spelling: { [setting]: 'my_name' } });
    expect(refusal(asked)).toMatchObject({ code: 'unsupported_parameter', status: 400, param: 'my_name' });
    expect(write(asked, OLD, true).dropped).toEqual(['my_name']);
  });

  test('content that cannot be said is always refused', () => {
    const broken = request({ messages: [assistant(call({ at: 'messages[1].tool_calls[0]', arguments: '{"a":' }))] });
    const list = request({ messages: [assistant(call({ at: 'messages[1].tool_calls[0]', arguments: '[1]' }))] });
    for (const asked of [broken, list]) {
      expect(refusal(asked)).toMatchObject({ code: 'unsupported_parameter', param: 'messages[1].tool_calls[0]' });
      expect(() => write(asked, OLD, true)).toThrow(RingsideError);
    }
    const stranger = { kind: 'file', fileId: 'file-1', mediaType: null } as const;
    expect(
      refusal(request({ messages: [user({ ...base, type: 'image', detail: null, source: stranger })] })).param,
    ).toBe('x');
    const nameless = { ...base, type: 'tool_result', callId: 'c', name: null, isError: false, parts: [] } as const;
    expect(refusal(request({ messages: [user(nameless)] })).param).toBe('x');
    const late: Message = { role: 'system', at: 'messages[2]', parts: [text('Now shout')] };
    expect(refusal(request({ messages: [user(text('Hi')), late] })).param).toBe('messages[2]');
  });

  test('extras are refused; marks for a cache are left out', () => {
    expect(refusal(request({ extras: [{ at: 'store', name: 'store', value: true }] })).param).toBe('store');
    const marked = { ...text('Hi'), at: 'messages[0].content[0]', cache: { ttl: null } };
    expect(write(request({ messages: [user(marked)] })).dropped).toEqual(['messages[0].content[0]']);
  });
});
