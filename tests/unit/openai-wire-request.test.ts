// Bodies as OpenAI's API reference gives them ("Create chat completion", read 2026-11); what files chat completions take: the guide
// "File inputs", read 2026-11.
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { openaiTranslation } from '#gateway/providers/openai/chat.ts';
import type { ModelPart, UserPart } from '#translation/chat/parts.ts';
import { createRefusals, type Refusals } from '#translation/chat/refusals.ts';
import { type ChatRequest, NO_SETTINGS, type Settings } from '#translation/chat/request.ts';
import { openaiChatDialect } from '#translation/dialects/openai-chat/dialect.ts';

const TARGET = { model: null, stream: null, framing: 'sse' } as const;
const strict = () => createRefusals('openai', false);

function write(request: ChatRequest, host = 'api.openai.com', refusals: Refusals = strict()): Record<string, unknown> {
  const facts = { upstreamModel: 'gpt-5', defaultMaxTokens: 4_096, host };
  return JSON.parse(openaiTranslation.writeRequest(request, facts, refusals).toString());
}

const hello = { role: 'user', content: 'Hello' };
const through = (more: object, host?: string) =>
  write(
    openaiChatDialect.readRequest(Buffer.from(JSON.stringify({ model: 'g', messages: [hello], ...more })), TARGET),
    host,
  );
const EMPTY: ChatRequest = {
  model: 'g',
  stream: false,
  streamUsage: false,
  system: [],
  messages: [],
  tools: [],
  settings: NO_SETTINGS,
  spelling: {},
  extras: [],
};
const withSettings = (settings: Partial<Settings>, spelling: ChatRequest['spelling'] = {}): ChatRequest => ({
  ...EMPTY,
  settings: { ...NO_SETTINGS, ...settings },
  spelling,
});
const user = (...parts: object[]): ChatRequest => ({
  ...EMPTY,
  messages: [
    { role: 'user', at: 'm', name: null, parts: parts.map((part) => ({ at: 'p', cache: null, ...part }) as UserPart) },
  ],
});
const model = (...parts: object[]): ChatRequest => ({
  ...EMPTY,
  messages: [
    {
      role: 'assistant',
      at: 'm',
      name: null,
      parts: parts.map((part) => ({ at: 'p', cache: null, ...part }) as ModelPart),
    },
  ],
});

function faultOf(act: () => unknown): { code: string; param: string | undefined } {
  try {
    act();
  } catch (error) {
    if (error instanceof RingsideError) return { code: error.code, param: error.param };
    throw error;
  }
  throw new Error('nothing was refused');
}

describe("OpenAI's own words come back as they were", () => {
  const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{"broken":' } };
  const tool = {
    type: 'function',
    function: { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true },
  };
  test.each<[string, object]>([
    ['plain', {}],
    ['a system prompt', { messages: [{ role: 'system', content: 's' }, hello] }],
    ['a system message in the middle', { messages: [hello, { role: 'system', content: 's' }, hello] }],
    ['a name', { messages: [{ role: 'user', name: 'ann', content: 'x' }] }],
    [
      'media',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'see' },
              { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
              { type: 'image_url', image_url: { url: 'https://x.example/cat.png' } },
              { type: 'input_audio', input_audio: { data: 'BBBB', format: 'wav' } },
              { type: 'input_audio', input_audio: { data: 'BBBB', format: 'mp3' } },
              { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,CCCC' } },
              { type: 'file', file: { file_id: 'file-1' } },
            ],
          },
        ],
      },
    ],
    [
      'a turn of tools',
      {
        tools: [tool],
        tool_choice: 'auto',
        parallel_tool_calls: true,
        messages: [
          hello,
          { role: 'assistant', content: null, tool_calls: [call, { ...call, id: 'c2' }] },
          { role: 'tool', tool_call_id: 'c1', content: 'one' },
          {
            role: 'tool',
            tool_call_id: 'c2',
            content: [
              { type: 'text', text: 'a' },
              { type: 'text', text: 'b' },
            ],
          },
        ],
      },
    ],
    ['a refusal', { messages: [hello, { role: 'assistant', content: null, refusal: 'no' }] }],
    ['a recording', { messages: [hello, { role: 'assistant', content: null, audio: { id: 'audio_1' } }] }],
    ['one tool', { tools: [tool], tool_choice: { type: 'function', function: { name: 'f' } } }],
    [
      'some tools',
      {
        tools: [tool],
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f' } }] },
        },
      },
    ],
    ['JSON', { response_format: { type: 'json_object' } }],
    [
      'a schema',
      {
        response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
      },
    ],
    [
      'settings',
      {
        max_completion_tokens: 6,
        temperature: 2,
        top_p: 1,
        seed: 7,
        stop: ['a', 'b', 'c', 'd'],
        frequency_penalty: 0,
        presence_penalty: 1,
        logit_bias: { 1: 2 },
        logprobs: true,
        top_logprobs: 20,
        n: 3,
        reasoning_effort: 'minimal',
        user: 'u',
        prompt_cache_key: 'k',
        verbosity: 'high',
        service_tier: 'priority',
      },
    ],
    ['a stream', { stream: true, stream_options: { include_usage: true } }],
  ])('%s', (_, more) => {
    expect(through(more)).toEqual({ model: 'gpt-5', messages: [hello], ...more });
  });
});

describe('OpenAI', () => {
  test('always gives the usage of a stream', () => {
    expect(write({ ...EMPTY, stream: true })).toMatchObject({ stream: true, stream_options: { include_usage: true } });
  });

  test('gets results of tools in front of what the user says with them', () => {
    const result = { type: 'tool_result', callId: 'c', name: 'f', parts: [], isError: true };
    const refusals = strict();
    const { messages } = write(user({ type: 'text', text: 'x', citations: [] }, result), undefined, refusals);
    expect(messages).toEqual([
      { role: 'tool', tool_call_id: 'c', content: '' },
      { role: 'user', content: 'x' },
    ]);
    expect(refusals.dropped).toEqual(['p.is_error']);
  });

  test('gets the text of documents as text', () => {
    const document = { type: 'document', title: 'T', citations: false, source: { kind: 'text', text: 'body' } };
    expect(write(user(document))['messages']).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'T\n\nbody' }] },
    ]);
  });

  test('gets ids for calls that have none, and an object where arguments are missing', () => {
    const call = { type: 'tool_call', id: null, name: 'f', arguments: '', signature: null };
    expect(write(model(call, call))['messages']).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'call_0', type: 'function', function: { name: 'f', arguments: '{}' } },
          { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } },
        ],
      },
    ]);
  });

  test('gets no thoughts: they are left out, and that is said', () => {
    const signature = { origin: 'anthropic', value: 'x' };
    const refusals = strict();
    const request = model(
      { type: 'reasoning', at: 'r', text: 'hm', signature, redacted: null },
      { type: 'text', text: 'x', citations: [] },
    );
    expect(write(request, undefined, refusals)['messages']).toEqual([{ role: 'assistant', content: 'x' }]);
    expect(refusals.dropped).toEqual(['r']);
  });

  test.each([
    [0, 'none'],
    [1, 'minimal'],
    [1_024, 'minimal'],
    [2_047, 'minimal'],
    [8_192, 'medium'],
    [30_000, 'high'],
    [1_000_000, 'max'],
  ])('gets a budget of %d tokens as the effort %s', (budgetTokens, effort) => {
    const reasoning = { effort: null, budgetTokens, show: null, adaptive: false };
    expect(write(withSettings({ reasoning }))['reasoning_effort']).toBe(effort);
  });

  test('says what it does when the model decides how much it thinks: nothing', () => {
    const reasoning = { effort: null, budgetTokens: null, show: null, adaptive: true };
    expect(write(withSettings({ reasoning }))).toEqual({ model: 'gpt-5', messages: [] });
  });

  test('gets the standard tier under its own name', () => {
    expect(write(withSettings({ serviceTier: 'standard_only' }))['service_tier']).toBe('default');
  });

  test('gets no choice and no parallel calls where there are no tools', () => {
    const request = withSettings({ toolChoice: { kind: 'none' }, parallelToolCalls: false });
    expect(write(request)).toEqual({ model: 'gpt-5', messages: [] });
  });

  test.each<[string, Partial<Settings>]>([
    ['topK', { topK: 5 }],
    ['stop', { stop: ['1', '2', '3', '4', '5'] }],
    ['temperature', { temperature: 2.5 }],
    ['topLogprobs', { topLogprobs: 21 }],
    ['serviceTier', { serviceTier: 'gold' }],
    ['reasoning', { reasoning: { effort: 'low', budgetTokens: null, show: true, adaptive: false } }],
  ])('refuses %s that it does not have, in the spelling of the caller', (setting, settings) => {
    const request = withSettings(settings, { [setting]: 'callers_word' });
    expect(faultOf(() => write(request))).toEqual({ code: 'unsupported_parameter', param: 'callers_word' });
    const lenient = createRefusals('openai', true);
    write(request, undefined, lenient);
    expect(lenient.dropped).toEqual(['callers_word']);
  });

  const url = { kind: 'url', url: 'https://x.example/a' };
  test.each<[string, object]>([
    ['documents by URL', { type: 'document', title: null, citations: false, source: url }],
    [
      'documents that are no PDF',
      { type: 'document', title: null, citations: false, source: { kind: 'base64', mediaType: 'text/csv', data: 'A' } },
    ],
    ['recordings by URL', { type: 'audio', source: url }],
    ['recordings of other formats', { type: 'audio', source: { kind: 'base64', mediaType: 'audio/flac', data: 'A' } }],
    ['images by file id', { type: 'image', detail: null, source: { kind: 'file', fileId: 'f', mediaType: null } }],
    ['videos', { type: 'video', source: url }],
    [
      'images as results of tools',
      {
        type: 'tool_result',
        callId: 'c',
        name: null,
        isError: false,
        parts: [{ type: 'image', at: 'p', cache: null, detail: null, source: url }],
      },
    ],
  ])('refuses %s, in lenient groups too', (_, part) => {
    const lenient = createRefusals('openai', true);
    expect(faultOf(() => write(user(part), undefined, lenient))).toEqual({ code: 'unsupported_parameter', param: 'p' });
  });

  test('refuses to cite documents', () => {
    const source = { kind: 'text', text: 'body' };
    const request = user({ type: 'document', title: null, citations: true, source });
    expect(faultOf(() => write(request))).toEqual({ code: 'unsupported_parameter', param: 'p.citations' });
  });
});

describe('a compatible server', () => {
  const HOST = 'vllm.internal.example';

  test('knows the older name of the limit, and top_k', () => {
    expect(through({ max_completion_tokens: 5, top_k: 3 }, HOST)).toMatchObject({ max_tokens: 5, top_k: 3 });
  });

  test('takes unsigned thoughts back, and a refusal as text', () => {
    const request = model(
      { type: 'reasoning', text: 'hm', signature: null, redacted: null },
      { type: 'refusal', text: 'no' },
    );
    expect(write(request, HOST)['messages']).toEqual([{ role: 'assistant', content: 'no', reasoning_content: 'hm' }]);
  });

  test('shows its thoughts', () => {
    const reasoning = { effort: 'low', budgetTokens: null, show: true, adaptive: false } as const;
    expect(write(withSettings({ reasoning }), HOST)['reasoning_effort']).toBe('low');
  });
});
