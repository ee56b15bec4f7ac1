import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import type { ModelPart, UserPart } from '#gateway/chat/parts.ts';
import { createRefusals } from '#gateway/chat/refusals.ts';
import { type ChatRequest, type Message, NO_SETTINGS, type Settings, type Tool } from '#gateway/chat/request.ts';
import { anthropicChat } from '#gateway/providers/anthropic/chat.ts';

/** Chats of other dialects in Anthropic's words (Anthropic API reference, "Messages", read 2026-11). */
const part = { at: 'messages[0].content', cache: null };
const HI: Message = {
  role: 'user',
  at: 'messages[0]',
  name: null,
  parts: [{ ...part, type: 'text', text: 'Hi', citations: [] }],
};
const tool = (name: string): Tool => ({
  at: `tools.${name}`,
  name,
  description: null,
  parameters: null,
  strict: null,
  cache: null,
});

function request(settings: Partial<Settings>, more: Partial<ChatRequest> = {}): ChatRequest {
  const spelling = Object.fromEntries(Object.keys(settings).map((name) => [name, `caller.${name}`]));
  return {
    model: 'group',
    stream: false,
    streamUsage: false,
    system: [],
    messages: [HI],
    tools: [],
    settings: { ...NO_SETTINGS, ...settings },
    spelling,
    extras: [],
    ...more,
  };
}

function write(chat: ChatRequest, { lenient = false, upstreamModel = 'claude-sonnet-4-5' } = {}) {
  const refusals = createRefusals('anthropic', lenient);
  const body = anthropicChat.writeRequest(chat, { upstreamModel, defaultMaxTokens: 8192 }, refusals);
  return { body: JSON.parse(body.toString()), dropped: refusals.dropped };
}

function refused(chat: ChatRequest, upstreamModel?: string): RingsideError {
  try {
    write(chat, upstreamModel === undefined ? {} : { upstreamModel });
  } catch (error) {
    if (error instanceof RingsideError) return error;
  }
  throw new Error('it was not refused');
}

const turn = (parts: UserPart[]): Partial<ChatRequest> => ({ messages: [{ ...HI, parts } as Message] });
const said = (parts: ModelPart[]): Partial<ChatRequest> => ({
  messages: [HI, { role: 'assistant', at: 'messages[1]', name: null, parts }],
});

describe('settings', () => {
  test('the limit is the model’s where the caller has none', () => {
    expect(write(request({})).body.max_tokens).toBe(8192);
    expect(write(request({ maxTokens: 5 })).body.max_tokens).toBe(5);
  });

  const inexpressible: Partial<Settings>[] = [
    { seed: 1 },
    { temperature: 1.5 },
    { frequencyPenalty: 0.5 },
    { presencePenalty: -1 },
    { logitBias: { 5: 1 } },
    { logprobs: true },
    { topLogprobs: 2 },
    { candidates: 2 },
    { output: { kind: 'json' } },
    { promptCacheKey: 'k' },
    { verbosity: 'low' },
    { serviceTier: 'flex' },
    { stop: [' \n'] },
  ];
  test.each(
    inexpressible,
  )('%j is refused by the caller’s name for it, or left out where the group is lenient', (settings) => {
    const at = `caller.${Object.keys(settings)[0]}`;
    expect(refused(request(settings))).toMatchObject({ code: 'unsupported_parameter', status: 400, param: at });
    const { body, dropped } = write(request(settings), { lenient: true });
    expect(dropped).toEqual([at]);
    expect(Object.keys(body).sort()).toEqual(['max_tokens', 'messages', 'model']);
  });

  test('what says nothing is not refused', () => {
    const silent = { frequencyPenalty: 0, presencePenalty: 0, logitBias: {}, logprobs: false, candidates: 1, stop: [] };
    expect(Object.keys(write(request(silent)).body).sort()).toEqual(['max_tokens', 'messages', 'model']);
  });

  test('models that take no sampling any more', () => {
    const warm = request({ temperature: 0.5, topP: 0.9, topK: 3 });
    expect(write(warm).body).toMatchObject({ temperature: 0.5, top_p: 0.9, top_k: 3 });
    expect(write(warm, { upstreamModel: 'claude-opus-4-6' }).body.temperature).toBe(0.5);
    expect(refused(warm, 'claude-opus-4-7').param).toBe('caller.temperature');
    const lenient = write(warm, { upstreamModel: 'claude-sonnet-5', lenient: true });
    expect(lenient.dropped).toEqual(['caller.temperature', 'caller.topP', 'caller.topK']);
  });

  test('a schema keeps what the caller says of it', () => {
    const output = {
      kind: 'json_schema',
      name: 'n',
      description: 'A person',
      schema: { type: 'object' },
      strict: null,
    } as const;
    expect(write(request({ output })).body.output_config).toEqual({
      format: { type: 'json_schema', schema: { description: 'A person', type: 'object' } },
    });
  });
});

describe('tools', () => {
  const tools = [tool('a'), tool('b')];
  const choose = (settings: Partial<Settings>) => write(request(settings, { tools })).body;

  test('choices', () => {
    expect(choose({}).tool_choice).toBeUndefined();
    expect(choose({ toolChoice: { kind: 'required' } }).tool_choice).toEqual({ type: 'any' });
    expect(choose({ toolChoice: { kind: 'none' }, parallelToolCalls: false }).tool_choice).toEqual({ type: 'none' });
    expect(choose({ parallelToolCalls: false }).tool_choice).toEqual({ type: 'auto', disable_parallel_tool_use: true });
    expect(choose({ parallelToolCalls: true }).tool_choice).toBeUndefined();
    expect(choose({}).tools[0]).toEqual({ name: 'a', input_schema: { type: 'object', properties: {} } });
  });

  test('of the allowed ones only', () => {
    const some = choose({ toolChoice: { kind: 'allowed', names: ['b'], required: true } });
    expect(some.tools.map(({ name }: Tool) => name)).toEqual(['b']);
    expect(some.tool_choice).toEqual({ type: 'any' });
  });

  test('arguments that are no JSON object are refused where they stand', () => {
    const call = { ...part, type: 'tool_call', id: 'c', name: 'a', arguments: '{"a":', signature: null } as const;
    expect(refused(request({}, said([{ ...call, at: 'messages[1].tool_calls[0]' }])))).toMatchObject({
      code: 'unsupported_parameter',
      param: 'messages[1].tool_calls[0]',
    });
    expect(refused(request({}, said([{ ...call, arguments: '[1]' }]))).status).toBe(400);
    expect(write(request({}, said([{ ...call, arguments: '' }]))).body.messages[1].content[0].input).toEqual({});
  });

  test('ids that the API does not take are the same in call and result', () => {
    const id = 'functions.a:0';
    const { body } = write(
      request(
        {},
        {
          messages: [
            HI,
            {
              role: 'assistant',
              at: '',
              name: null,
              parts: [{ ...part, type: 'tool_call', id, name: 'a', arguments: '{}', signature: null }],
            },
            {
              role: 'user',
              at: '',
              name: null,
              parts: [{ ...part, type: 'tool_result', callId: id, name: 'a', parts: [], isError: false }],
            },
          ],
        },
      ),
    );
    const [call, result] = [body.messages[1].content[0], body.messages[2].content[0]];
    expect(call.id).toMatch(/^[a-zA-Z0-9_-]+$/);
    expect(result.tool_use_id).toBe(call.id);
  });
});

describe('thoughts', () => {
  const think = (
    reasoning: Partial<NonNullable<Settings['reasoning']>>,
    settings: Partial<Settings> = {},
    model?: string,
  ) =>
    write(
      request({
        reasoning: { effort: null, budgetTokens: null, show: null, adaptive: false, ...reasoning },
        ...settings,
      }),
      model === undefined ? {} : { upstreamModel: model },
    ).body;

  test('an effort is a budget for older models, and raises a limit that the caller did not choose', () => {
    expect(think({ effort: 'low' })).toMatchObject({
      thinking: { type: 'enabled', budget_tokens: 2048 },
      max_tokens: 8192,
    });
    expect(think({ effort: 'high' })).toMatchObject({ thinking: { budget_tokens: 24_576 }, max_tokens: 24_576 + 8192 });
    expect(think({ effort: 'none' }).thinking).toEqual({ type: 'disabled' });
    expect(think({ show: true }).thinking).toBeUndefined();
    expect(think({ effort: 'low', show: true }).thinking.display).toBe('summarized');
  });

  test('it fits under the caller’s own limit; a budget that the caller gave is refused there', () => {
    expect(think({ effort: 'high' }, { maxTokens: 4000 })).toMatchObject({
      thinking: { budget_tokens: 2000 },
      max_tokens: 4000,
    });
    const tight = (reasoning: object, maxTokens: number) =>
      refused(
        request({
          reasoning: { effort: null, budgetTokens: null, show: null, adaptive: false, ...reasoning },
          maxTokens,
        }),
      );
    expect(tight({ effort: 'low' }, 1024)).toMatchObject({ param: 'caller.reasoning' });
    expect(tight({ budgetTokens: 5000 }, 4000)).toMatchObject({ param: 'caller.reasoning' });
  });

  test('newer models take an effort, and a budget as the nearest one that is not above it', () => {
    const newer = 'claude-opus-5-5';
    expect(think({ effort: 'minimal' }, {}, newer)).toMatchObject({
      thinking: { type: 'adaptive' },
      output_config: { effort: 'low' },
      max_tokens: 8192,
    });
    expect(think({ budgetTokens: 10_000 }, {}, newer).output_config).toEqual({ effort: 'medium' });
    expect(think({ adaptive: true }, {}, newer)).not.toHaveProperty('output_config');
    expect(think({ budgetTokens: 0 }, {}, newer).thinking).toEqual({ type: 'disabled' });
  });

  test('which models are the older ones', () => {
    const kind = (model: string) => think({ effort: 'low' }, {}, model).thinking.type;
    const older = [
      'claude-3-7-sonnet-20250219',
      'claude-sonnet-4-20250514',
      'claude-opus-4-1',
      'claude-haiku-4-5-20251001',
      'glm-5',
    ];
    const newer = [
      'claude-opus-4-6',
      'claude-sonnet-4-7',
      'claude-opus-4-10',
      'claude-sonnet-5',
      'claude-mythos-preview',
    ];
    expect(older.map(kind)).toEqual(older.map(() => 'enabled'));
    expect(newer.map(kind)).toEqual(newer.map(() => 'adaptive'));
  });

  test('what does not go with them is refused', () => {
    const reasoning = { effort: 'low', budgetTokens: null, show: null, adaptive: false } as const;
    expect(refused(request({ reasoning, temperature: 0.5 })).param).toBe('caller.temperature');
    expect(refused(request({ reasoning, topK: 5 })).param).toBe('caller.topK');
    expect(refused(request({ reasoning, topP: 0.5 })).param).toBe('caller.topP');
    const forced = request({ reasoning, toolChoice: { kind: 'required' } }, { tools: [tool('a')] });
    expect(refused(forced).param).toBe('caller.toolChoice');
    expect(write(forced, { lenient: true }).body.tool_choice).toBeUndefined();
    expect(write(request({ reasoning, temperature: 1, topP: 0.95 })).body).toMatchObject({
      temperature: 1,
      top_p: 0.95,
    });
  });

  test('other providers’ are left out, and said to be', () => {
    const reasoning = { ...part, type: 'reasoning', text: 'hm', signature: null, redacted: null } as const;
    const { body, dropped } = write(
      request(
        {},
        said([
          { ...reasoning, at: 'a', signature: { origin: 'openai', value: 'x' } },
          { ...reasoning, at: 'b' },
          { ...part, type: 'text', text: 'Hello', citations: [] },
        ]),
      ),
    );
    expect(body.messages[1].content).toEqual([{ type: 'text', text: 'Hello' }]);
    expect(dropped).toEqual(['a', 'b']);
  });
});

describe('content', () => {
  const source = { kind: 'base64', mediaType: 'audio/wav', data: 'AA' } as const;
  const inexpressible: [string, UserPart][] = [
    ['audio', { ...part, type: 'audio', source }],
    ['video', { ...part, type: 'video', source }],
    ['a bitmap', { ...part, type: 'image', source: { ...source, mediaType: 'image/bmp' }, detail: null }],
    [
      'a table',
      { ...part, type: 'document', source: { ...source, mediaType: 'application/zip' }, title: null, citations: false },
    ],
    ['a bucket', { ...part, type: 'image', source: { kind: 'url', url: 'gs://bucket/a.png' }, detail: null }],
  ];
  test.each(inexpressible)('%s is refused, however lenient the group', (_, content) => {
    for (const lenient of [false, true]) {
      expect(() => write(request({}, turn([content])), { lenient })).toThrow(/cannot be sent on/);
    }
  });

  test('a text file is read into its text', () => {
    const data = Buffer.from('Grüezi').toString('base64');
    const file = {
      ...part,
      type: 'document',
      source: { kind: 'base64', mediaType: 'text/markdown', data },
      title: 'A',
    } as const;
    const { body } = write(request({}, turn([{ ...file, citations: false }])));
    expect(body.messages[0].content).toEqual([
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'Grüezi' }, title: 'A' },
    ]);
  });

  test('empty texts are not sent; nothing but them is refused', () => {
    const empty = { ...part, type: 'text', text: '', citations: [] } as const;
    expect(refused(request({}, turn([empty])))).toMatchObject({ param: 'messages' });
    expect(write(request({}, said([empty]))).body.messages).toHaveLength(1);
  });

  test('names of who speaks have no place', () => {
    const named = { messages: [{ ...HI, name: 'Ann' } as Message] };
    expect(refused(request({}, named)).param).toBe('messages[0].name');
  });
});
