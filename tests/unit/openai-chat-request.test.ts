// Bodies as OpenAI's API reference gives them: "Create chat completion", read 2026-11.
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { NO_SETTINGS } from '#translation/chat/request.ts';
import { openaiChatDialect } from '#translation/dialects/openai-chat/dialect.ts';

const TARGET = { model: null, stream: null, framing: 'sse' } as const;
const read = (body: unknown) => openaiChatDialect.readRequest(Buffer.from(JSON.stringify(body)), TARGET);
const hello = { role: 'user', content: 'Hello' };
const ask = (more: object) => read({ model: 'g', messages: [hello], ...more });

function faultOf(act: () => unknown): { code: string; param: string | undefined } {
  try {
    act();
  } catch (error) {
    if (error instanceof RingsideError) return { code: error.code, param: error.param };
    throw error;
  }
  throw new Error('nothing was refused');
}

const text = (value: string, at: string) => ({ type: 'text', at, cache: null, text: value, citations: [] });

describe('messages', () => {
  test('of the least request', () => {
    expect(ask({})).toEqual({
      model: 'g',
      stream: false,
      streamUsage: false,
      system: [],
      messages: [{ role: 'user', at: 'messages[0]', name: null, parts: [text('Hello', 'messages[0].content')] }],
      tools: [],
      settings: NO_SETTINGS,
      spelling: {},
      extras: [],
    });
  });

  test('system and developer lead; later ones stay where they stand', () => {
    const { system, messages } = read({
      model: 'g',
      messages: [
        { role: 'developer', content: 'a' },
        { role: 'system', content: [{ type: 'text', text: 'b' }] },
        hello,
        { role: 'system', content: 'c' },
      ],
    });
    expect(system.map((part) => part.text)).toEqual(['a', 'b']);
    expect(messages.map(({ role }) => role)).toEqual(['user', 'system']);
  });

  test('all parts of a user', () => {
    const { messages } = read({
      model: 'g',
      messages: [
        {
          role: 'user',
          name: 'ann',
          content: [
            { type: 'text', text: 'see', cache_control: { type: 'ephemeral', ttl: '1h' } },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
            { type: 'image_url', image_url: 'https://x.example/cat.png' },
            { type: 'input_audio', input_audio: { data: 'BBBB', format: 'mp3' } },
            { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,CCCC' } },
            { type: 'file', file: { file_id: 'file-1' } },
            { type: 'video_url', video_url: { url: 'https://x.example/cat.mp4' } },
          ],
        },
      ],
    });
    const at = (index: number) => ({ at: `messages[0].content[${index}]`, cache: null });
    const pdf = 'application/pdf';
    expect(messages).toEqual([
      {
        role: 'user',
        at: 'messages[0]',
        name: 'ann',
        parts: [
          { ...at(0), cache: { ttl: '1h' }, type: 'text', text: 'see', citations: [] },
          { ...at(1), type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' }, detail: 'low' },
          { ...at(2), type: 'image', source: { kind: 'url', url: 'https://x.example/cat.png' }, detail: null },
          { ...at(3), type: 'audio', source: { kind: 'base64', mediaType: 'audio/mpeg', data: 'BBBB' } },
          {
            ...at(4),
            type: 'document',
            source: { kind: 'base64', mediaType: pdf, data: 'CCCC' },
            title: 'a.pdf',
            citations: false,
          },
          {
            ...at(5),
            type: 'document',
            source: { kind: 'file', fileId: 'file-1', mediaType: null },
            title: null,
            citations: false,
          },
          { ...at(6), type: 'video', source: { kind: 'url', url: 'https://x.example/cat.mp4' } },
        ],
      },
    ]);
  });

  test('calls, and their results as one turn with the names of the calls', () => {
    const call = (id: string, name: string) => ({ id, type: 'function', function: { name, arguments: '{"a":' } });
    const { messages } = read({
      model: 'g',
      messages: [
        hello,
        { role: 'assistant', content: null, refusal: null, tool_calls: [call('c1', 'f'), call('c2', 'g')] },
        { role: 'tool', tool_call_id: 'c2', content: 'two' },
        { role: 'tool', tool_call_id: 'c1', content: [{ type: 'text', text: 'one' }] },
        { role: 'tool', tool_call_id: 'c9', content: '' },
        hello,
      ],
    });
    expect(messages.map(({ role, parts }) => [role, parts.length])).toEqual([
      ['user', 1],
      ['assistant', 2],
      ['user', 3],
      ['user', 1],
    ]);
    expect(messages[1]!.parts[0]).toMatchObject({ id: 'c1', name: 'f', arguments: '{"a":', signature: null });
    expect(messages[2]!.parts).toMatchObject([
      { callId: 'c2', name: 'g', isError: false },
      { callId: 'c1', name: 'f' },
      { callId: 'c9', name: null },
    ]);
  });

  test('the older function messages find each other by name', () => {
    const { messages } = read({
      model: 'g',
      messages: [
        hello,
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
        { role: 'function', name: 'f', content: 'one' },
      ],
    });
    const [call, result] = [messages[1]!.parts[0]!, messages[2]!.parts[0]!];
    expect(call).toMatchObject({ type: 'tool_call', id: 'call_messages_1', name: 'f' });
    expect(result).toMatchObject({ type: 'tool_result', callId: 'call_messages_1', name: 'f' });
  });

  test('what a model has said: thoughts, text, citations, refusals, a recording', () => {
    const { messages, extras } = read({
      model: 'g',
      messages: [
        {
          role: 'assistant',
          content: 'Sky is blue.',
          refusal: 'no more',
          reasoning_content: 'hm',
          audio: { id: 'audio_1' },
          annotations: [
            {
              type: 'url_citation',
              url_citation: { url: 'https://x.example', title: 't', start_index: 0, end_index: 3 },
            },
          ],
          parsed: { a: 1 },
        },
      ],
    });
    const at = (path: string) => ({ at: `messages[0].${path}`, cache: null });
    expect(messages[0]!.parts).toEqual([
      { ...at('reasoning_content'), type: 'reasoning', text: 'hm', signature: null, redacted: null },
      {
        ...at('content'),
        type: 'text',
        text: 'Sky is blue.',
        citations: [{ kind: 'url', url: 'https://x.example', title: 't', citedText: null, startIndex: 0, endIndex: 3 }],
      },
      { ...at('refusal'), type: 'refusal', text: 'no more' },
      { ...at('audio'), type: 'audio', source: { kind: 'file', fileId: 'audio_1', mediaType: null } },
    ]);
    expect(extras).toEqual([{ at: 'messages[0].parsed', name: 'messages[0].parsed', value: { a: 1 } }]);
  });

  test('thoughts and calls with the signatures of other providers', () => {
    const { messages } = read({
      model: 'g',
      messages: [
        {
          role: 'assistant',
          reasoning_content: 'one',
          reasoning_details: [
            { type: 'reasoning.text', text: 'one', signature: 'rs1.anthropic.abc.d' },
            { type: 'reasoning.encrypted', data: 'rs1.bedrock.xyz' },
            { type: 'reasoning.encrypted', data: 'own' },
          ],
          tool_calls: [
            {
              id: 'c1',
              type: 'function',
              function: { name: 'f', arguments: '{}' },
              extra_content: { google: { thought_signature: 'sig' } },
            },
          ],
        },
      ],
    });
    expect(messages[0]!.parts).toMatchObject([
      { text: 'one', signature: { origin: 'anthropic', value: 'abc.d' }, redacted: null },
      { text: '', signature: null, redacted: { origin: 'bedrock', value: 'xyz' } },
      { text: '', redacted: { origin: 'openai', value: 'own' } },
      { type: 'tool_call', signature: { origin: 'google', value: 'sig' } },
    ]);
  });

  test('10 000 of them', () => {
    const messages = Array.from({ length: 10_000 }, (_, index) => ({
      role: index % 2 === 0 ? 'user' : 'assistant',
      content: 'x',
    }));
    expect(read({ model: 'g', messages }).messages).toHaveLength(10_000);
  });
});

describe('settings', () => {
  test('each under its neutral name, spelled as the caller did', () => {
    const { settings, spelling } = ask({
      max_tokens: 5,
      max_completion_tokens: 6,
      temperature: 0,
      top_p: 1,
      top_k: 40,
      seed: -1,
      stop: 'END',
      frequency_penalty: -2,
      presence_penalty: 2,
      logit_bias: { 50256: -100 },
      logprobs: true,
      top_logprobs: 3,
      n: 2,
      parallel_tool_calls: false,
      tool_choice: 'required',
      response_format: { type: 'json_object' },
      reasoning_effort: 'xhigh',
      user: 'u',
      prompt_cache_key: 'k',
      verbosity: 'low',
      service_tier: 'flex',
    });
    expect(settings).toEqual({
      maxTokens: 6,
      temperature: 0,
      topP: 1,
      topK: 40,
      seed: -1,
      stop: ['END'],
      frequencyPenalty: -2,
      presencePenalty: 2,
      logitBias: { 50256: -100 },
      logprobs: true,
      topLogprobs: 3,
      candidates: 2,
      parallelToolCalls: false,
      toolChoice: { kind: 'required' },
      output: { kind: 'json' },
      reasoning: { effort: 'xhigh', budgetTokens: null, show: null, adaptive: false },
      user: 'u',
      promptCacheKey: 'k',
      verbosity: 'low',
      serviceTier: 'flex',
    });
    expect(spelling).toMatchObject({ maxTokens: 'max_completion_tokens', candidates: 'n', stop: 'stop' });
  });

  test('null says nothing', () => {
    const { settings, extras } = ask({ temperature: null, tools: null, prediction: null, stream: null, stop: null });
    expect(settings).toEqual(NO_SETTINGS);
    expect(extras).toEqual([]);
  });

  test.each([
    ['auto', { kind: 'auto' }],
    ['none', { kind: 'none' }],
    ['any', { kind: 'required' }],
    [
      { type: 'function', function: { name: 'f' } },
      { kind: 'tool', name: 'f' },
    ],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'f' } }] },
      },
      { kind: 'allowed', names: ['f'], required: true },
    ],
  ])('tool choice %j', (given, read) => {
    expect(ask({ tool_choice: given }).settings.toolChoice).toEqual(read);
  });

  test('a schema of the answer, and text as what goes without saying', () => {
    const schema = { type: 'object', properties: {} };
    const format = { type: 'json_schema', json_schema: { name: 'n', description: 'd', schema, strict: true } };
    expect(ask({ response_format: format }).settings.output).toEqual({
      kind: 'json_schema',
      name: 'n',
      description: 'd',
      schema,
      strict: true,
    });
    expect(ask({ response_format: { type: 'text' } }).settings.output).toBeNull();
  });

  test('tools', () => {
    const parameters = { type: 'object' };
    const { tools } = ask({
      tools: [
        { type: 'function', function: { name: 'f', description: 'd', parameters, strict: false } },
        { type: 'function', function: { name: 'g' }, cache_control: { type: 'ephemeral' } },
      ],
    });
    expect(tools).toEqual([
      { at: 'tools[0]', name: 'f', description: 'd', parameters, strict: false, cache: null },
      { at: 'tools[1]', name: 'g', description: null, parameters: null, strict: null, cache: { ttl: null } },
    ]);
  });

  test('usage of a stream', () => {
    const body = { stream: true, stream_options: { include_usage: true, include_obfuscation: false } };
    expect(ask(body)).toMatchObject({ stream: true, streamUsage: true, extras: [] });
  });

  test('a safety identifier is the user', () => {
    expect(ask({ user: 'u', safety_identifier: 's' })).toMatchObject({
      settings: { user: 's' },
      spelling: { user: 'safety_identifier' },
    });
  });
});

describe('what has no neutral meaning', () => {
  test.each([
    ['prediction', { type: 'content', content: 'x' }],
    ['web_search_options', {}],
    ['audio', { voice: 'alloy', format: 'wav' }],
    ['modalities', ['text', 'audio']],
    ['store', true],
    ['moderation', { model: 'm' }],
    ['tool_choice', { type: 'custom', custom: { name: 'x' } }],
    ['models', ['a', 'b']],
    ['constructor', 1],
  ])('%s becomes an extra', (name, value) => {
    expect(ask({ [name]: value }).extras).toEqual([{ at: name, name, value }]);
  });

  test.each([
    ['modalities', ['text']],
    ['store', false],
    ['metadata', { team: 'a' }],
  ])('%s that asks for nothing, or only of the gateway, does not', (name, value) => {
    expect(ask({ [name]: value }).extras).toEqual([]);
  });

  test('custom tools, and unknown fields inside of others, with their place', () => {
    const tools = [{ type: 'custom', custom: { name: 'x' } }];
    const content = [{ type: 'image_url', image_url: { url: 'https://x.example/a', detail: 'original' }, odd: 1 }];
    const { extras } = ask({
      tools,
      messages: [
        { role: 'system', content: 's', name: 'boss' },
        { role: 'user', content },
      ],
      stream_options: { other: 1 },
    });
    expect(extras.map(({ at }) => at)).toEqual([
      'messages[0].name',
      'messages[1].content[0].odd',
      'messages[1].content[0].image_url.detail',
      'tools[0]',
      'stream_options.other',
    ]);
  });

  test.each([
    ['functions', { functions: [{ name: 'f' }] }],
    ['function_call', { function_call: 'auto' }],
    [
      'messages[0].tool_calls[0]',
      {
        messages: [{ role: 'assistant', tool_calls: [{ id: 'c', type: 'custom', custom: { name: 'x', input: 'y' } }] }],
      },
    ],
  ])('%s is refused', (param, body) => {
    expect(faultOf(() => ask(body))).toEqual({ code: 'unsupported_parameter', param });
  });
});

describe('bad input', () => {
  test.each<[string, object]>([
    ['model', { model: undefined }],
    ['model', { model: '' }],
    ['messages', { messages: [] }],
    ['messages', { messages: 'hi' }],
    ['messages[0]', { messages: ['hi'] }],
    ['messages[0].role', { messages: [{ role: 'robot', content: 'x' }] }],
    ['messages[0].content', { messages: [{ role: 'user' }] }],
    ['messages[0].content[0].type', { messages: [{ role: 'user', content: [{ type: 'smell' }] }] }],
    ['messages[0].content[0].text', { messages: [{ role: 'user', content: [{ type: 'text', text: 1 }] }] }],
    ['messages[0].content[0]', { messages: [{ role: 'user', content: [{ type: 'refusal', refusal: 'x' }] }] }],
    [
      'messages[0].content[0].image_url.url',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png,raw' } }] }] },
    ],
    ['messages[0].tool_call_id', { messages: [{ role: 'tool', content: 'x' }] }],
    ['messages[0].tool_calls[0].function.name', { messages: [assistant({ id: 'c', function: {} })] }],
    [
      'messages[0].tool_calls[0].function.arguments',
      { messages: [assistant({ id: 'c', function: { name: 'f', arguments: {} } })] },
    ],
    ['tools', { tools: {} }],
    ['tools[0].function.name', { tools: [{ type: 'function', function: {} }] }],
    ['tool_choice', { tool_choice: 'maybe' }],
    ['tool_choice.type', { tool_choice: { type: 'x' } }],
    ['response_format.type', { response_format: { type: 'xml' } }],
    ['response_format.json_schema.schema', { response_format: { type: 'json_schema', json_schema: { name: 'n' } } }],
    ['temperature', { temperature: 'hot' }],
    ['max_tokens', { max_tokens: 0 }],
    ['n', { n: 1.5 }],
    ['stop[1]', { stop: ['a', 2] }],
    ['reasoning_effort', { reasoning_effort: 'very' }],
    ['stream', { stream: 'yes' }],
    ['stream_options', { stream_options: [] }],
  ])('%s is named', (param, body) => {
    expect(faultOf(() => ask(body))).toEqual({ code: 'bad_request', param });
  });

  test.each(['', '{', '[]', 'null', '"x"'])('the body %j', (body) => {
    expect(faultOf(() => openaiChatDialect.readRequest(Buffer.from(body), TARGET)).code).toBe('bad_request');
  });
});

function assistant(call: object): object {
  return { role: 'assistant', tool_calls: [{ type: 'function', ...call }] };
}
