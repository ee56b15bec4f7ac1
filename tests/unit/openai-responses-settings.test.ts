// Bodies and their meaning after OpenAI's API reference, "Create a model response" (openai 7.55.0, resources/responses), read 2026-11.
import { describe, expect, test } from 'vitest';
import { readRequest } from '#translation/dialects/openai-responses/request.ts';

const TARGET = { model: null, stream: null, framing: 'sse' } as const;
const read = (body: object) =>
  readRequest(Buffer.from(JSON.stringify({ model: 'group', input: 'Hi', ...body })), TARGET);

const PNG = 'data:image/png;base64,iVBORw0KGgo=';

describe('settings', () => {
  test('each has its meaning, and its spelling for errors', () => {
    const { settings, spelling, extras } = read({
      max_output_tokens: 100,
      temperature: 0,
      top_p: 0.5,
      top_logprobs: 3,
      include: ['reasoning.encrypted_content', 'message.output_text.logprobs'],
      tool_choice: { type: 'function', name: 'f' },
      parallel_tool_calls: false,
      text: { format: { type: 'json_object' }, verbosity: 'low' },
      reasoning: { effort: 'high', summary: 'auto' },
      user: 'u',
      safety_identifier: 's',
      prompt_cache_key: 'k',
      service_tier: 'flex',
      store: true,
      truncation: 'disabled',
      background: false,
      previous_response_id: null,
      stream_options: { include_obfuscation: false },
      metadata: { a: 'b' },
    });
    expect(settings).toMatchObject({
      maxTokens: 100,
      temperature: 0,
      topP: 0.5,
      logprobs: true,
      topLogprobs: 3,
      toolChoice: { kind: 'tool', name: 'f' },
      parallelToolCalls: false,
      output: { kind: 'json' },
      verbosity: 'low',
      reasoning: { effort: 'high', show: true, budgetTokens: null, adaptive: false },
      user: 's',
      promptCacheKey: 'k',
      serviceTier: 'flex',
      stop: null,
      candidates: null,
    });
    expect(spelling).toEqual({
      maxTokens: 'max_output_tokens',
      temperature: 'temperature',
      topP: 'top_p',
      logprobs: 'include[1]',
      topLogprobs: 'top_logprobs',
      toolChoice: 'tool_choice',
      parallelToolCalls: 'parallel_tool_calls',
      output: 'text.format',
      verbosity: 'text.verbosity',
      reasoning: 'reasoning',
      user: 'safety_identifier',
      promptCacheKey: 'prompt_cache_key',
      serviceTier: 'service_tier',
    });
    expect(extras).toEqual([]);
  });

  test('nothing said is nothing set', () => {
    const { settings, spelling, extras, tools } = read({
      service_tier: 'auto',
      text: { format: { type: 'text' } },
      temperature: null,
      new_field: null,
    });
    expect(Object.values(settings).every((value) => value === null)).toBe(true);
    expect({ spelling, extras, tools }).toEqual({ spelling: {}, extras: [], tools: [] });
  });

  test('tools: functions are read, what OpenAI itself runs is an extra', () => {
    const search = { type: 'web_search', search_context_size: 'low' };
    const { tools, extras } = read({
      tools: [
        {
          type: 'function',
          name: 'f',
          description: 'd',
          parameters: { type: 'object' },
          strict: true,
          defer_loading: true,
          async: false,
        },
        search,
        { type: 'function', name: 'g', parameters: null, strict: null },
      ],
    });
    expect(tools).toEqual([
      { at: 'tools[0]', name: 'f', description: 'd', parameters: { type: 'object' }, strict: true, cache: null },
      { at: 'tools[2]', name: 'g', description: null, parameters: null, strict: null, cache: null },
    ]);
    expect(extras).toEqual([
      { at: 'tools[0].defer_loading', name: 'defer_loading', value: true },
      { at: 'tools[1]', name: 'web_search', value: search },
    ]);
  });

  test.each([
    ['required', { kind: 'required' }],
    ['none', { kind: 'none' }],
    [
      { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'f' }] },
      { kind: 'allowed', names: ['f'], required: true },
    ],
    [{ type: 'allowed_tools', mode: 'auto', tools: [] }, { kind: 'none' }],
  ])('tool choice %j', (choice, meaning) => expect(read({ tool_choice: choice }).settings.toolChoice).toEqual(meaning));

  test('what has no place is an extra, where the caller wrote it', () => {
    const { extras } = read({
      truncation: 'auto',
      max_tool_calls: 3,
      tool_choice: { type: 'web_search_preview' },
      include: ['file_search_call.results'],
      reasoning: { effort: 'low', mode: 'pro' },
      text: { verbosity: 'low', x: 1 },
      stream_options: { include_obfuscation: true },
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'x', prompt_cache_breakpoint: { mode: 'explicit', ttl: '12h' } },
            { type: 'input_image', image_url: PNG, detail: 'original' },
          ],
        },
      ],
    });
    expect(extras.map(({ at }) => at).sort()).toEqual([
      'include[0]',
      'input[0].content[0].prompt_cache_breakpoint.ttl',
      'input[0].content[1].detail',
      'max_tool_calls',
      'reasoning.mode',
      'stream_options.include_obfuscation',
      'text.x',
      'tool_choice',
      'truncation',
    ]);
  });
});
