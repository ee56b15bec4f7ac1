import { describe, expect, test } from 'vitest';
import { HI, part, refused, request, said, tool, turn, write } from '#tests/support/anthropic-chat.ts';
import type { UserPart } from '#translation/chat/parts.ts';
import type { Message, Settings, Tool } from '#translation/chat/request.ts';

/** Chats of other dialects in Anthropic’s words (Anthropic API reference, "Messages", read 2026-11). */
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
