// Wire bodies: Amazon Bedrock API reference, Converse, and the types of @aws-sdk/client-bedrock-runtime 3.1164, read 2026-11.
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { bedrockChat } from '#gateway/providers/bedrock/chat.ts';
import type { ModelPart, UserPart } from '#translation/chat/parts.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import { type ChatRequest, type Message, NO_SETTINGS, type Settings, type Tool } from '#translation/chat/request.ts';

const CLAUDE = 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0';
const base = { at: 'here', cache: null };
const text = (words: string): UserPart & ModelPart => ({ ...base, type: 'text', text: words, citations: [] });
const user = (...parts: UserPart[]): Message => ({ role: 'user', at: 'messages[0]', name: null, parts });
const assistant = (...parts: ModelPart[]): Message => ({ role: 'assistant', at: 'messages[1]', name: null, parts });
const HELLO = user(text('Hello'));
const WEATHER: Tool = {
  at: 'tools[0]',
  name: 'weather',
  description: 'Tells it',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
  strict: true,
  cache: null,
};

interface Said extends Partial<Omit<ChatRequest, 'settings'>> {
  readonly settings?: Partial<Settings>;
}

function write(said: Said, { model = CLAUDE, lenient = false } = {}) {
  const refusals = createRefusals('bedrock', lenient);
  const request: ChatRequest = {
    model: 'group',
    stream: false,
    streamUsage: false,
    system: [],
    messages: [HELLO],
    tools: [],
    spelling: {},
    extras: [],
    ...said,
    settings: { ...NO_SETTINGS, ...said.settings },
  };
  const body = bedrockChat.writeRequest(request, { upstreamModel: model, defaultMaxTokens: 4096 }, refusals);
  return { body: JSON.parse(body.toString()), dropped: refusals.dropped };
}

function refusalOf(said: Said, options = {}) {
  try {
    write(said, options);
  } catch (error) {
    if (error instanceof RingsideError) return { code: error.code, param: error.param, message: error.message };
  }
  return null;
}

const HELLO_WIRE = { role: 'user', content: [{ text: 'Hello' }] };

describe('conversations', () => {
  test('plain: nothing is added', () => {
    expect(write({}).body).toEqual({ messages: [HELLO_WIRE] });
  });

  test('instructions and turns; neighbours of one role become one', () => {
    const { body } = write({
      system: [text('Be brief.') as never, { ...text('Be kind.'), cache: { ttl: '1h' } } as never],
      messages: [HELLO, user(text('again')), assistant(text('Hi')), user(text(''), text('Bye'))],
    });
    expect(body).toEqual({
      system: [{ text: 'Be brief.' }, { text: 'Be kind.' }, { cachePoint: { type: 'default', ttl: '1h' } }],
      messages: [
        { role: 'user', content: [{ text: 'Hello' }, { text: 'again' }] },
        { role: 'assistant', content: [{ text: 'Hi' }] },
        { role: 'user', content: [{ text: 'Bye' }] },
      ],
    });
  });

  test('instructions in the middle are refused, names of participants are a setting', () => {
    const system: Message = { role: 'system', at: 'messages[1]', parts: [text('Now') as never] };
    expect(refusalOf({ messages: [HELLO, system] })).toMatchObject({ param: 'messages[1]' });
    const named = { messages: [{ ...HELLO, name: 'Ann' } as Message] };
    expect(refusalOf(named)).toMatchObject({ param: 'messages[0].name' });
    expect(write(named, { lenient: true })).toEqual({
      body: { messages: [HELLO_WIRE] },
      dropped: ['messages[0].name'],
    });
  });

  test('images, documents, recordings and films go as bytes', () => {
    const bytes = (mediaType: string) => ({ kind: 'base64', mediaType, data: 'AAEC' }) as const;
    const { body } = write({
      messages: [
        user(
          { ...base, type: 'image', source: bytes('image/jpeg'), detail: 'auto', cache: { ttl: null } },
          { ...base, type: 'document', source: bytes('application/pdf'), title: 'Q3: report.pdf', citations: true },
          {
            ...base,
            type: 'document',
            source: { kind: 'text', text: 'Words' },
            title: 'Q3  report pdf',
            citations: false,
          },
          { ...base, type: 'document', source: bytes('text/markdown; charset=utf-8'), title: null, citations: false },
          { ...base, type: 'audio', source: bytes('audio/wav') },
          { ...base, type: 'video', source: bytes('video/mp4') },
        ),
      ],
    });
    expect(body.messages[0].content).toEqual([
      { image: { format: 'jpeg', source: { bytes: 'AAEC' } } },
      { cachePoint: { type: 'default' } },
      { document: { format: 'pdf', source: { bytes: 'AAEC' }, name: 'Q3 report pdf', citations: { enabled: true } } },
      { document: { format: 'txt', source: { text: 'Words' }, name: 'Q3 report pdf 2' } },
      { document: { format: 'md', source: { bytes: 'AAEC' }, name: 'document' } },
      { audio: { format: 'wav', source: { bytes: 'AAEC' } } },
      { video: { format: 'mp4', source: { bytes: 'AAEC' } } },
    ]);
  });

  test.each([
    [{ kind: 'url', url: 'https://example.com/a.png' }],
    [{ kind: 'url', url: 's3://somebody-elses/bucket' }],
    [{ kind: 'file', fileId: 'file-1', mediaType: null }],
    [{ kind: 'base64', mediaType: 'image/tiff', data: 'AAEC' }],
    [{ kind: 'base64', mediaType: '__proto__', data: 'AAEC' }],
  ] as const)('an image as %j is refused', (source) => {
    const image = { ...base, at: 'messages[0].content[0]', type: 'image', source, detail: null } as const;
    for (const lenient of [false, true]) {
      expect(refusalOf({ messages: [user(image)] }, { lenient })).toMatchObject({
        code: 'unsupported_parameter',
        param: 'messages[0].content[0]',
      });
    }
  });
});

describe('tools', () => {
  test('are specified with their schema; a tool without arguments takes an empty object', () => {
    const bare: Tool = {
      ...WEATHER,
      name: 'now',
      description: null,
      parameters: null,
      strict: null,
      cache: { ttl: '5m' },
    };
    expect(write({ tools: [WEATHER, bare], settings: { parallelToolCalls: true } }).body.toolConfig).toEqual({
      tools: [
        {
          toolSpec: {
            name: 'weather',
            description: 'Tells it',
            inputSchema: { json: WEATHER.parameters },
            strict: true,
          },
        },
        { toolSpec: { name: 'now', inputSchema: { json: { type: 'object', properties: {} } } } },
        { cachePoint: { type: 'default', ttl: '5m' } },
      ],
    });
  });

  test.each([
    [{ kind: 'auto' }, { auto: {} }],
    [{ kind: 'required' }, { any: {} }],
    [{ kind: 'tool', name: 'weather' }, { tool: { name: 'weather' } }],
    [{ kind: 'allowed', names: ['weather'], required: true }, { any: {} }],
    [{ kind: 'allowed', names: ['weather'], required: false }, { auto: {} }],
  ] as const)('the choice %j', (toolChoice, written) => {
    const { toolConfig } = write({ tools: [WEATHER, { ...WEATHER, name: 'other' }], settings: { toolChoice } }).body;
    expect(toolConfig.toolChoice).toEqual(written);
    expect(toolConfig.tools).toHaveLength(toolChoice.kind === 'allowed' ? 1 : 2);
  });

  test('calls and their results, together, with ids and failures', () => {
    const call = (id: string, json: string): ModelPart => ({
      ...base,
      type: 'tool_call',
      id,
      name: 'weather',
      arguments: json,
      signature: null,
    });
    const result = (callId: string, isError: boolean): UserPart => ({
      ...base,
      type: 'tool_result',
      callId,
      name: 'weather',
      parts: [text('rain') as never],
      isError,
    });
    const { body } = write({
      tools: [WEATHER],
      messages: [
        HELLO,
        assistant(call('call_1', '{"city":"Bonn"}'), call('call_2', '')),
        user(result('call_1', false)),
        user(result('call_2', true)),
      ],
    });
    expect(body.messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { toolUse: { toolUseId: 'call_1', name: 'weather', input: { city: 'Bonn' } } },
          { toolUse: { toolUseId: 'call_2', name: 'weather', input: {} } },
        ],
      },
      {
        role: 'user',
        content: [
          { toolResult: { toolUseId: 'call_1', content: [{ text: 'rain' }] } },
          { toolResult: { toolUseId: 'call_2', content: [{ text: 'rain' }], status: 'error' } },
        ],
      },
    ]);
    for (const broken of ['{"city":', '[1]', '"Bonn"', 'null']) {
      expect(refusalOf({ tools: [WEATHER], messages: [HELLO, assistant(call('call_1', broken))] })).toMatchObject({
        param: 'here',
      });
    }
  });

  test('"none" leaves the tools out, unless the conversation has calls; parallel calls cannot be forbidden', () => {
    const none = {
      tools: [WEATHER],
      settings: { toolChoice: { kind: 'none' } },
      spelling: { toolChoice: 'tool_choice' },
    } as const;
    expect(write(none).body).toEqual({ messages: [HELLO_WIRE] });
    const call = { ...base, type: 'tool_call', id: 'a', name: 'weather', arguments: '{}', signature: null } as const;
    expect(refusalOf({ ...none, messages: [HELLO, assistant(call)] })).toMatchObject({ param: 'tool_choice' });
    expect(
      refusalOf({
        tools: [WEATHER],
        settings: { parallelToolCalls: false },
        spelling: { parallelToolCalls: 'parallel_tool_calls' },
      }),
    ).toMatchObject({ param: 'parallel_tool_calls' });
  });
});

describe('settings', () => {
  test('of inference, of the output’s form and of the tier', () => {
    const { body } = write({
      settings: {
        maxTokens: 100,
        temperature: 0,
        topP: 0.5,
        topK: 3,
        stop: ['END'],
        serviceTier: 'priority',
        output: { kind: 'json_schema', name: 'colour', description: 'One', schema: { type: 'object' }, strict: true },
        logprobs: false,
        candidates: 1,
      },
    });
    expect(body).toEqual({
      messages: [HELLO_WIRE],
      inferenceConfig: { maxTokens: 100, temperature: 0, topP: 0.5, stopSequences: ['END'] },
      outputConfig: {
        textFormat: {
          type: 'json_schema',
          structure: { jsonSchema: { schema: '{"type":"object"}', name: 'colour', description: 'One' } },
        },
      },
      additionalModelRequestFields: { top_k: 3 },
      additionalModelResponseFieldPaths: ['/stop_sequence'],
      serviceTier: { type: 'priority' },
    });
  });

  test('another maker’s model gets no fields of Anthropic’s', () => {
    const model = 'amazon.nova-pro-v1:0';
    expect(write({ settings: { stop: ['END'] } }, { model }).body).toEqual({
      messages: [HELLO_WIRE],
      inferenceConfig: { stopSequences: ['END'] },
    });
    expect(refusalOf({ settings: { topK: 3 } }, { model })).toMatchObject({ param: 'topK' });
  });

  test.each([
    [{ seed: 1 }],
    [{ temperature: 1.5 }],
    [{ frequencyPenalty: 0.1 }],
    [{ presencePenalty: -1 }],
    [{ logitBias: {} }],
    [{ logprobs: true }],
    [{ topLogprobs: 2 }],
    [{ candidates: 2 }],
    [{ user: 'u' }],
    [{ promptCacheKey: 'k' }],
    [{ verbosity: 'low' }],
    [{ serviceTier: 'scale' }],
    [{ output: { kind: 'json' } }],
  ] as const)('%j is refused in the caller’s spelling, or dropped', (settings) => {
    const name = Object.keys(settings)[0]!;
    const said = { settings, spelling: { [name]: `spelled.${name}` } };
    expect(refusalOf(said)).toMatchObject({ code: 'unsupported_parameter', param: `spelled.${name}` });
    expect(write(said, { lenient: true })).toEqual({ body: { messages: [HELLO_WIRE] }, dropped: [`spelled.${name}`] });
  });
});

test('what Converse does anyway is not refused', () => {
  const settings = {
    ...{ frequencyPenalty: 0, presencePenalty: 0, logprobs: false, topLogprobs: 0, candidates: 1 },
    parallelToolCalls: true,
  };
  expect(write({ settings })).toEqual({ body: { messages: [HELLO_WIRE] }, dropped: [] });
});

describe('thoughts', () => {
  const think = (reasoning: Partial<NonNullable<Settings['reasoning']>>, maxTokens: number | null = null) =>
    write({
      settings: {
        maxTokens,
        reasoning: { effort: null, budgetTokens: null, show: null, adaptive: false, ...reasoning },
      },
    }).body;

  test.each([
    [{ effort: 'none' }, { type: 'disabled' }],
    [{ budgetTokens: 0 }, { type: 'disabled' }],
    [{ effort: 'minimal' }, { type: 'enabled', budget_tokens: 1024 }],
    [
      { effort: 'high', show: true },
      { type: 'enabled', budget_tokens: 24_576, display: 'summarized' },
    ],
    [{ budgetTokens: 10 }, { type: 'enabled', budget_tokens: 1024 }],
    [
      { budgetTokens: 5000, show: false },
      { type: 'enabled', budget_tokens: 5000, display: 'omitted' },
    ],
    [{ adaptive: true }, { type: 'adaptive' }],
  ] as const)('%j', (reasoning, thinking) => {
    expect(think(reasoning).additionalModelRequestFields).toEqual({ thinking });
  });

  test('adaptive ones take an effort; a budget stays below the limit of the answer', () => {
    expect(think({ adaptive: true, effort: 'xhigh' })).toMatchObject({ outputConfig: { effort: 'xhigh' } });
    expect(think({ effort: 'max' }, 4000).additionalModelRequestFields).toEqual({
      thinking: { type: 'enabled', budget_tokens: 3999 },
    });
    expect(
      refusalOf({
        settings: { maxTokens: 500, reasoning: { effort: 'low', budgetTokens: null, show: null, adaptive: false } },
      }),
    ).toMatchObject({
      param: 'reasoning',
    });
  });

  test.each([
    [{ effort: 'low' }, { effort: 'low' }],
    [{ effort: 'minimal', show: true }, { effort: 'low' }],
    [{ effort: 'max', adaptive: true }, { effort: 'max' }],
    [{ budgetTokens: 10 }, { effort: 'low' }],
    [{ budgetTokens: 8191 }, { effort: 'low' }],
    [{ budgetTokens: 8192 }, { effort: 'medium' }],
    [{ show: true }, undefined],
    [{ effort: 'none' }, 'refused'],
    [{ budgetTokens: 0 }, 'refused'],
    [{ effort: 'high', show: false }, 'refused'],
  ] as const)('of another maker’s model: %j', (said, outputConfig) => {
    const reasoning = { effort: null, budgetTokens: null, show: null, adaptive: false, ...said };
    const request = { settings: { reasoning }, spelling: { reasoning: 'reasoning_effort' } };
    const options = { model: 'openai.gpt-oss-120b-1:0' };
    if (outputConfig === 'refused') {
      expect(refusalOf(request, options)).toMatchObject({ param: 'reasoning_effort' });
    } else
      expect(write(request, options).body).toEqual({
        messages: [HELLO_WIRE],
        ...(outputConfig ? { outputConfig } : {}),
      });
  });

  test('its own are sent back byte for byte, others’ are left out without a refusal', () => {
    const own = (value: string) => ({ origin: 'bedrock', value }) as const;
    const foreign = { origin: 'anthropic', value: 'x' } as const;
    const { body, dropped } = write({
      messages: [
        HELLO,
        assistant(
          { ...base, type: 'reasoning', text: 'So…', signature: own('c2ln'), redacted: null },
          { ...base, type: 'reasoning', text: '', signature: null, redacted: own('cmVk') },
          { ...base, at: 'foreign', type: 'reasoning', text: 'So…', signature: foreign, redacted: null },
          { ...base, at: 'unsigned', type: 'reasoning', text: 'So…', signature: null, redacted: null },
          text('Hi'),
        ),
      ],
    });
    expect(body.messages[1].content).toEqual([
      { reasoningContent: { reasoningText: { text: 'So…', signature: 'c2ln' } } },
      { reasoningContent: { redactedContent: 'cmVk' } },
      { text: 'Hi' },
    ]);
    expect(dropped).toEqual(['foreign', 'unsigned']);
  });

  test('a turn of which nothing is left is none', () => {
    const only = assistant({ ...base, type: 'reasoning', text: 'So…', signature: null, redacted: null });
    expect(write({ messages: [HELLO, only, user(text('?'))] }).body.messages).toEqual([
      { role: 'user', content: [{ text: 'Hello' }, { text: '?' }] },
    ]);
  });
});
