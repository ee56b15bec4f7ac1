// Past 300 lines because the wire bodies of all features stand beside each other.
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { anthropicChat } from '#gateway/providers/anthropic/chat.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import { anthropicDialect } from '#translation/dialects/anthropic/dialect.ts';

/**
 * From Anthropic's words to ours and back: the wire bodies are written by hand after the Anthropic API reference, "Messages",
 * read 2026-11.
 */
const TARGET = { model: null, stream: null, framing: 'sse' } as const;
const base = { model: 'group', max_tokens: 4096, messages: [{ role: 'user', content: 'Hi' }] };
const HI = [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }];
const cache = { type: 'ephemeral', ttl: '1h' };

const read = (body: object) => anthropicDialect.readRequest(Buffer.from(JSON.stringify(body)), TARGET);

function roundTrip(body: object, upstreamModel = 'claude-sonnet-4-5') {
  const refusals = createRefusals('anthropic', false);
  const bytes = anthropicChat.writeRequest(read(body), { upstreamModel, defaultMaxTokens: 8192 }, refusals);
  const { model, ...rest } = JSON.parse(bytes.toString());
  expect(model).toBe(upstreamModel);
  return rest;
}

function refusal(body: object): RingsideError {
  try {
    read(body);
  } catch (error) {
    if (error instanceof RingsideError) return error;
  }
  throw new Error('it was not refused');
}

describe('what comes back as it went in', () => {
  const cases: Record<string, { more: object; wire?: object }> = {
    plain: { more: {}, wire: { max_tokens: 4096, messages: HI } },
    stream: { more: { stream: true } },
    system: { more: { system: [{ type: 'text', text: 'Be brief.', cache_control: cache }] } },
    sampling: { more: { temperature: 0, top_p: 0.5, top_k: 5, stop_sequences: ['END'] } },
    user: { more: { metadata: { user_id: 'u-1' }, service_tier: 'standard_only' } },
    tools: {
      more: {
        tools: [
          {
            name: 'weather',
            description: 'Of a city',
            input_schema: { type: 'object', properties: { city: { type: 'string' } } },
            strict: true,
            cache_control: { type: 'ephemeral' },
          },
        ],
        tool_choice: { type: 'tool', name: 'weather', disable_parallel_tool_use: true },
      },
    },
    'any tool': { more: { tools: [{ name: 'a', input_schema: { type: 'object' } }], tool_choice: { type: 'any' } } },
    'JSON by a schema': {
      more: {
        output_config: { format: { type: 'json_schema', schema: { type: 'object', additionalProperties: false } } },
      },
    },
    'thoughts within a budget': { more: { thinking: { type: 'enabled', budget_tokens: 2048, display: 'omitted' } } },
    'no thoughts': { more: { thinking: { type: 'disabled' } } },
    images: {
      more: {
        messages: [
          {
            role: 'user',
            content: [
              {
                type: 'image',
                source: { type: 'base64', media_type: 'image/png', data: 'AAAA' },
                cache_control: cache,
              },
              { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
              { type: 'image', source: { type: 'file', file_id: 'file_1' } },
            ],
          },
        ],
      },
    },
    documents: {
      more: {
        messages: [
          {
            role: 'user',
            content: [
              {
                type: 'document',
                source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' },
                title: 'A',
                citations: { enabled: true },
              },
              { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'words' } },
              { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } },
            ],
          },
        ],
      },
    },
    'a turn with tools, thoughts and citations': {
      more: {
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Weather?' }] },
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'hm', signature: 'sig==' },
              { type: 'redacted_thinking', data: 'secret==' },
              {
                type: 'text',
                text: 'I look.',
                citations: [
                  {
                    type: 'char_location',
                    cited_text: 'x',
                    document_index: 0,
                    document_title: null,
                    start_char_index: 1,
                    end_char_index: 2,
                  },
                ],
              },
              { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Basel' } },
              { type: 'tool_use', id: 'toolu_2', name: 'weather', input: {} },
            ],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'sunny' }] },
              { type: 'tool_result', tool_use_id: 'toolu_2', is_error: true },
              { type: 'text', text: 'And?' },
            ],
          },
          { role: 'system', content: [{ type: 'text', text: 'Answer in German.' }] },
        ],
      },
    },
  };

  test.each(Object.entries(cases))('%s', (_, { more, wire }) => {
    expect(roundTrip({ ...base, ...more })).toEqual(wire ?? { max_tokens: 4096, messages: HI, ...more });
  });

  test('thoughts by effort, for a model that knows it', () => {
    const more = { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'xhigh' } };
    expect(roundTrip({ ...base, ...more }, 'claude-opus-5-5')).toEqual({ max_tokens: 4096, messages: HI, ...more });
  });

  test('the cache mark of the request is one on its last block', () => {
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'Hi', cache_control: cache }] }];
    expect(roundTrip({ ...base, cache_control: cache })).toEqual({ max_tokens: 4096, messages });
  });

  test('turns of one role are joined, results of tools first', () => {
    const call = (id: string) => ({ type: 'tool_use', id, name: 'a', input: {} });
    const result = (id: string) => ({ type: 'tool_result', tool_use_id: id });
    const text = { type: 'text', text: 'And now?' };
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: [call('1')] },
      { role: 'assistant', content: [call('2')] },
      { role: 'user', content: [text] },
      { role: 'user', content: [result('1'), result('2')] },
    ];
    expect(roundTrip({ ...base, messages }).messages).toEqual([
      ...HI,
      { role: 'assistant', content: [call('1'), call('2')] },
      { role: 'user', content: [result('1'), result('2'), text] },
    ]);
  });
});

describe('what a request means in our words', () => {
  test('settings, spelled as the caller spells them', () => {
    const { settings, spelling } = read({
      ...base,
      temperature: 0.2,
      metadata: { user_id: 'u' },
      output_config: { effort: 'low' },
    });
    expect(settings).toMatchObject({
      maxTokens: 4096,
      temperature: 0.2,
      topP: null,
      user: 'u',
      reasoning: { effort: 'low', budgetTokens: null, adaptive: false },
    });
    expect(spelling).toEqual({
      maxTokens: 'max_tokens',
      temperature: 'temperature',
      user: 'metadata.user_id',
      reasoning: 'output_config.effort',
    });
  });

  test('fields that only Anthropic knows are extras, named where they stand', () => {
    const { extras, tools } = read({
      ...base,
      container: 'c',
      output_config: { later: 1 },
      tools: [
        { type: 'web_search_20260318', name: 'web_search' },
        { name: 'own', input_schema: { type: 'object' }, defer_loading: true },
      ],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi', later: true }] }],
    });
    expect(extras.map(({ at }) => at).sort()).toEqual([
      'container',
      'messages[0].content[0].later',
      'output_config.later',
      'tools[0]',
      'tools[1].defer_loading',
    ]);
    expect(tools.map(({ name }) => name)).toEqual(['own']);
  });

  test('a result knows the name of its tool', () => {
    const { messages } = read({
      ...base,
      messages: [
        { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'weather', input: { a: 1 } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: 'sunny' }] },
      ],
    });
    expect(messages[0]?.parts[0]).toMatchObject({ arguments: '{"a":1}', at: 'messages[0].content[0]' });
    expect(messages[1]?.parts[0]).toMatchObject({ type: 'tool_result', name: 'weather', parts: [{ text: 'sunny' }] });
  });

  test('signatures of other providers are known by their origin, on thoughts and on calls', () => {
    const { messages } = read({
      ...base,
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 'rs1.openai.a.b=' },
            { type: 'tool_use', id: 't', name: 'weather', input: {} },
            { type: 'redacted_thinking', data: 'rs1.google.g=' },
            { type: 'thinking', thinking: '', signature: '' },
            { type: 'thinking', thinking: '', signature: 'rs1.nobody.x' },
          ],
        },
      ],
    });
    expect(messages[0]?.parts).toMatchObject([
      { type: 'reasoning', text: 'hm', signature: { origin: 'openai', value: 'a.b=' } },
      { type: 'tool_call', signature: { origin: 'google', value: 'g=' } },
      { type: 'reasoning', signature: null, redacted: null },
      { type: 'reasoning', signature: { origin: 'anthropic', value: 'rs1.nobody.x' } },
    ]);
  });

  test('ten thousand messages', () => {
    const messages = Array.from({ length: 10_000 }, (_, index) => ({
      role: index % 2 === 0 ? 'user' : 'assistant',
      content: `turn ${index}`,
    }));
    expect(roundTrip({ ...base, messages }).messages).toHaveLength(10_000);
  });
});

describe('what is refused, and where', () => {
  const bad: [string, object, string | undefined][] = [
    ['no limit', { ...base, max_tokens: undefined }, 'max_tokens'],
    ['a limit of nothing', { ...base, max_tokens: 0 }, 'max_tokens'],
    ['no messages', { ...base, messages: [] }, 'messages'],
    ['an unknown role', { ...base, messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].role'],
    ['no content', { ...base, messages: [{ role: 'user' }] }, 'messages[0].content'],
    ['too warm', { ...base, temperature: 1.1 }, 'temperature'],
    ['a small budget', { ...base, thinking: { type: 'enabled', budget_tokens: 3 } }, 'thinking.budget_tokens'],
    [
      'an unknown block',
      { ...base, messages: [{ role: 'user', content: [{ type: 'x' }] }] },
      'messages[0].content[0].type',
    ],
    [
      'a source without data',
      { ...base, messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64' } }] }] },
      'messages[0].content[0].source.media_type',
    ],
    [
      'arguments that are no object',
      { ...base, messages: [{ role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'b', input: 'x' }] }] },
      'messages[0].content[0].input',
    ],
  ];
  test.each(bad)('%s', (_, body, param) => {
    expect(refusal(body)).toMatchObject({ code: 'bad_request', status: 400, param });
  });

  test('blocks of server tools cannot go anywhere else, and cannot be left out', () => {
    const content = [{ type: 'server_tool_use', id: 'srv', name: 'web_search', input: {} }];
    const error = refusal({ ...base, messages: [{ role: 'assistant', content }] });
    expect(error).toMatchObject({ code: 'unsupported_parameter', param: 'messages[0].content[0]' });
    expect(error.message).toContain('server_tool_use');
  });

  test('a body that is no JSON', () => {
    expect(() => anthropicDialect.readRequest(Buffer.from('{'), TARGET)).toThrow(/not valid JSON/);
  });
});
