// The bodies are written from the Gemini API reference ("Generating content", "Function calling", read 2026-11).
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import type { RequestTarget } from '#translation/chat/dialect.ts';
import { NO_SETTINGS } from '#translation/chat/request.ts';
import { readRequest } from '#translation/dialects/gemini/request.ts';
import { packSignature } from '#translation/dialects/gemini/signatures.ts';

const TARGET: RequestTarget = { model: 'group', stream: true, framing: 'sse' };
const HI = [{ role: 'user', parts: [{ text: 'Hi' }] }];
const read = (body: object) => readRequest(Buffer.from(JSON.stringify({ contents: HI, ...body })), TARGET);
const refusal = (body: object): RingsideError => {
  try {
    read(body);
  } catch (error) {
    if (error instanceof RingsideError) return error;
    throw error;
  }
  return expect.fail('not refused');
};

describe('a request of Gemini', () => {
  test('reads camelCase and snake_case alike, and names what the caller wrote', () => {
    const camel = read({
      systemInstruction: { parts: [{ text: 'Be brief' }] },
      generationConfig: {
        ...{
          temperature: 0,
          topP: 0.5,
          topK: 4,
          candidateCount: 2,
          maxOutputTokens: 9,
          stopSequences: ['END'],
          seed: 7,
        },
        ...{ presencePenalty: 0.1, frequencyPenalty: 0.2, responseLogprobs: true, logprobs: 3 },
        thinkingConfig: { thinkingBudget: 1_024, includeThoughts: true },
      },
    });
    const snake = read({
      system_instruction: { parts: { text: 'Be brief' } },
      generation_config: {
        ...{
          temperature: 0,
          top_p: 0.5,
          top_k: 4,
          candidate_count: 2,
          max_output_tokens: '9',
          stop_sequences: ['END'],
        },
        ...{ seed: 7, presence_penalty: 0.1, frequency_penalty: 0.2, response_logprobs: true, logprobs: 3 },
        thinking_config: { thinking_budget: 1_024, include_thoughts: true },
      },
    });
    expect(camel).toMatchObject({ model: 'group', stream: true, streamUsage: true, extras: [] });
    expect(camel.settings).toEqual({
      ...NO_SETTINGS,
      ...{ temperature: 0, topP: 0.5, topK: 4, candidates: 2, maxTokens: 9, stop: ['END'], seed: 7 },
      ...{ presencePenalty: 0.1, frequencyPenalty: 0.2, logprobs: true, topLogprobs: 3 },
      reasoning: { effort: null, budgetTokens: 1_024, show: true, adaptive: false },
    });
    expect(snake.settings).toEqual(camel.settings);
    expect(snake.system[0]?.text).toBe('Be brief');
    expect(camel.spelling.maxTokens).toBe('generationConfig.maxOutputTokens');
    expect(snake.spelling.maxTokens).toBe('generation_config.max_output_tokens');
  });

  test('has media of all kinds', () => {
    const inline = (mimeType: string, data = 'AA_-') => ({ inlineData: { mimeType, data } });
    const file = (fileUri: string, mimeType?: string) => ({ file_data: { file_uri: fileUri, mime_type: mimeType } });
    const { messages, extras } = read({
      contents: [
        {
          parts: [
            ...[inline('image/png'), inline('audio/wav'), inline('video/mp4'), inline('application/pdf')],
            ...[inline('text/plain', Buffer.from('plain').toString('base64'))],
            ...[
              file('https://x.test/a.jpg'),
              file('https://youtu.be/abc'),
              file('gs://b/c', 'audio/mp3'),
              file('https://x.test/?'),
            ],
          ],
        },
      ],
    });
    expect(messages[0]?.parts.map((part) => [part.type, 'source' in part ? part.source : null])).toEqual([
      ['image', { kind: 'base64', mediaType: 'image/png', data: 'AA/+' }],
      ['audio', { kind: 'base64', mediaType: 'audio/wav', data: 'AA/+' }],
      ['video', { kind: 'base64', mediaType: 'video/mp4', data: 'AA/+' }],
      ['document', { kind: 'base64', mediaType: 'application/pdf', data: 'AA/+' }],
      ['document', { kind: 'text', text: 'plain' }],
      ['image', { kind: 'url', url: 'https://x.test/a.jpg' }],
      ['video', { kind: 'url', url: 'https://youtu.be/abc' }],
      ['audio', { kind: 'file', fileId: 'gs://b/c', mediaType: 'audio/mp3' }],
      ['document', { kind: 'url', url: 'https://x.test/?' }],
    ]);
    expect(extras).toEqual([]);
  });

  test('joins the pieces of a streamed turn, undoes packed signatures, and gives calls ids that their results share', () => {
    const anthropic = packSignature({ origin: 'anthropic', value: 'c2ln' }, false);
    const redacted = packSignature({ origin: 'openai', value: 'encrypted' }, true);
    const model = (...parts: object[]) => ({ role: 'model', parts });
    const { messages, extras } = read({
      contents: [
        ...HI,
        model({ text: 'Let', thought: true }),
        model({ text: ' me', thought: true }),
        model({ text: '', thought: true, thoughtSignature: anthropic }),
        model({ text: '', thought: true, thoughtSignature: redacted }),
        model({ text: 'Well' }),
        model({ text: ', hello', thoughtSignature: 'R29vZ2xl' }),
        model({ functionCall: { name: 'f', args: { a: 1 } } }, { functionCall: { name: 'f' } }),
        model({ functionCall: { id: 'own', name: 'g', args: {} } }, { text: '' }),
        {
          role: 'function',
          parts: [
            { functionResponse: { name: 'f', response: { output: 'one' } } },
            { functionResponse: { name: 'f', response: { error: { why: 'no' } } } },
            { functionResponse: { id: 'own', name: 'g', response: { output: 'x', more: 1 } } },
          ],
        },
      ],
    });
    expect(extras).toEqual([]);
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    const reasoning = { type: 'reasoning', signature: null, redacted: null };
    expect(messages[1]?.parts).toMatchObject([
      { ...reasoning, text: 'Let me', signature: { origin: 'anthropic', value: 'c2ln' } },
      { ...reasoning, text: '', redacted: { origin: 'openai', value: 'encrypted' } },
      { type: 'text', text: 'Well, hello' },
      { ...reasoning, text: '', signature: { origin: 'google', value: 'R29vZ2xl' } },
      { type: 'tool_call', id: 'call_7_0', name: 'f', arguments: '{"a":1}' },
      { type: 'tool_call', id: 'call_7_1', name: 'f', arguments: '{}' },
      { type: 'tool_call', id: 'own', name: 'g' },
    ]);
    expect(messages[2]?.parts).toMatchObject([
      { type: 'tool_result', callId: 'call_7_0', name: 'f', isError: false, parts: [{ text: 'one' }] },
      { type: 'tool_result', callId: 'call_7_1', name: 'f', isError: true, parts: [{ text: '{"why":"no"}' }] },
      { type: 'tool_result', callId: 'own', name: 'g', isError: false, parts: [{ text: '{"output":"x","more":1}' }] },
    ]);
  });

  test('has tools and their modes', () => {
    const tools = [
      { functionDeclarations: [{ name: 'f', description: 'd', parametersJsonSchema: { type: 'object' } }] },
      { function_declarations: [{ name: 'g', parameters: { type: 'OBJECT', properties: { a: { type: 'STRING' } } } }] },
    ];
    const mode = (functionCallingConfig: object) => read({ tools, toolConfig: { functionCallingConfig } });
    expect(read({ tools }).tools).toMatchObject([
      {
        at: 'tools[0].functionDeclarations[0]',
        name: 'f',
        description: 'd',
        parameters: { type: 'object' },
        strict: null,
      },
      { name: 'g', parameters: { type: 'object', properties: { a: { type: 'string' } } } },
    ]);
    expect(mode({ mode: 'AUTO' }).settings.toolChoice).toEqual({ kind: 'auto' });
    expect(mode({ mode: 'NONE' }).settings.toolChoice).toEqual({ kind: 'none' });
    expect(mode({ mode: 'ANY' }).settings.toolChoice).toEqual({ kind: 'required' });
    expect(mode({ mode: 'any', allowed_function_names: ['f'] }).settings.toolChoice).toEqual({
      kind: 'tool',
      name: 'f',
    });
    const names = ['f', 'g'];
    expect(mode({ mode: 'ANY', allowedFunctionNames: names }).settings.toolChoice).toEqual({
      kind: 'allowed',
      names,
      required: true,
    });
    const validated = mode({ mode: 'VALIDATED', allowedFunctionNames: names });
    expect(validated.settings.toolChoice).toEqual({ kind: 'allowed', names, required: false });
    expect(validated.tools.map(({ strict }) => strict)).toEqual([true, true]);
    expect(mode({ mode: 'MODE_UNSPECIFIED' }).settings.toolChoice).toBeNull();
  });

  test('has formats of answers', () => {
    const output = (generationConfig: object) => read({ generationConfig });
    expect(output({ responseMimeType: 'text/plain' }).settings.output).toBeNull();
    expect(output({ responseMimeType: 'application/json' }).settings.output).toEqual({ kind: 'json' });
    const schema = { type: 'object', properties: {} };
    expect(output({ responseMimeType: 'application/json', responseJsonSchema: schema }).settings.output).toMatchObject({
      kind: 'json_schema',
      schema,
    });
    expect(
      output({ responseSchema: { type: 'ARRAY', items: { type: 'INTEGER' }, minItems: '2' } }).settings.output,
    ).toMatchObject({
      schema: { type: 'array', items: { type: 'integer' }, minItems: 2 },
    });
    const choice = output({ responseMimeType: 'text/x.enum', responseSchema: { type: 'STRING', enum: ['a'] } });
    expect(choice.settings.output).toBeNull();
    expect(choice.extras.map(({ at }) => at)).toEqual([
      'generationConfig.responseMimeType',
      'generationConfig.responseSchema',
    ]);
  });

  test('thinking levels', () => {
    const level = (thinkingConfig: object) => read({ generationConfig: { thinkingConfig } }).settings.reasoning;
    expect(level({ thinkingLevel: 'HIGH' })).toEqual({
      effort: 'high',
      budgetTokens: null,
      show: null,
      adaptive: false,
    });
    expect(level({ thinkingBudget: -1 })).toEqual({ effort: null, budgetTokens: null, show: null, adaptive: true });
    expect(level({ thinkingBudget: 0 })?.budgetTokens).toBe(0);
    expect(refusal({ generationConfig: { thinkingConfig: { thinkingLevel: 'LOTS' } } }).param).toBe(
      'generationConfig.thinkingConfig.thinkingLevel',
    );
  });

  test('what only Google knows are extras where they stand', () => {
    const { extras } = read({
      ...{ safetySettings: [{}], cachedContent: 'c', labels: null, tools: [{ googleSearch: {} }] },
      contents: [
        { role: 'user', parts: [{ text: 'Hi', videoMetadata: { fps: 1 } }] },
        { role: 'model', parts: [{ executableCode: { code: '1' } }] },
      ],
      generationConfig: { responseModalities: ['TEXT', 'IMAGE'], speech_config: {} },
    });
    expect(extras.map(({ at }) => at).toSorted()).toEqual([
      'cachedContent',
      'contents[0].parts[0].videoMetadata',
      'contents[1].parts[0].executableCode',
      'generationConfig.responseModalities',
      'generationConfig.speech_config',
      'safetySettings',
      'tools[0].googleSearch',
    ]);
    expect(read({ generationConfig: { responseModalities: ['TEXT'] } }).extras).toEqual([]);
  });

  test.each([
    [{ contents: [] }, 'contents'],
    [{ contents: 'Hi' }, 'contents'],
    [{ contents: [{ role: 'system', parts: [{ text: 'x' }] }] }, 'contents[0].role'],
    [{ contents: [{ parts: [{ text: 1 }] }] }, 'contents[0].parts[0].text'],
    [{ contents: [{ parts: [{ inline_data: { mime_type: 'image/png' } }] }] }, 'contents[0].parts[0].inline_data.data'],
    [{ contents: [{ parts: [{ functionResponse: { response: {} } }] }] }, 'contents[0].parts[0].functionResponse.name'],
    [{ contents: [{ role: 'model', parts: [{ functionCall: {} }] }] }, 'contents[0].parts[0].functionCall.name'],
    [{ generationConfig: { temperature: 'hot' } }, 'generationConfig.temperature'],
    [{ generationConfig: { topK: 1.5 } }, 'generationConfig.topK'],
    [{ generationConfig: { stopSequences: [1] } }, 'generationConfig.stopSequences[0]'],
    [{ tool_config: { function_calling_config: { mode: 'SOMETIMES' } } }, 'tool_config.function_calling_config.mode'],
    [{ tools: [{ functionDeclarations: [{}] }] }, 'tools[0].functionDeclarations[0].name'],
    [{ model: 'models/other' }, 'model'],
  ])('%j is refused by name', (body, param) => {
    expect(refusal(body)).toMatchObject({ code: 'bad_request', status: 400, param });
  });

  test('broken JSON is refused, ten thousand turns are not', () => {
    expect(() => readRequest(Buffer.from('{"contents":'), TARGET)).toThrow(RingsideError);
    expect(() => readRequest(Buffer.from('[]'), TARGET)).toThrow(RingsideError);
    const contents = Array.from({ length: 10_000 }, (_, index) => ({
      role: index % 2 ? 'model' : 'user',
      parts: [{ text: 'a' }],
    }));
    expect(read({ contents }).messages).toHaveLength(10_000);
  });
});
