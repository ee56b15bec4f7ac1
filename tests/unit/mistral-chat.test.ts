// Bodies as Mistral's API reference has them (docs.mistral.ai/api, Chat completions, and the types of its SDK; read 2026-11).
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mistralCallId } from '#gateway/providers/mistral/call-id.ts';
import { mistralChat } from '#gateway/providers/mistral/chat.ts';
import { readError } from '#gateway/providers/mistral/errors.ts';
import { chatRequest, textPart, userTurn } from '#tests/support/chat-request.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { ModelPart } from '#translation/chat/parts.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import type { ChatRequest } from '#translation/chat/request.ts';
import { openaiChatDialect } from '#translation/dialects/openai-chat/dialect.ts';

const MODEL = { upstreamModel: 'mistral-large-latest', defaultMaxTokens: 4096 };
const TARGET = { model: null, stream: null, framing: 'sse' } as const;

function write(request: ChatRequest, lenient = false) {
  const refusals = createRefusals('mistral', lenient);
  const body = JSON.parse(mistralChat.writeRequest(request, MODEL, refusals).toString()) as Record<string, unknown>;
  return { body, dropped: refusals.dropped };
}

/** What a caller of OpenAI's chat completions says, in Mistral's words. */
const through = (body: object) =>
  write(openaiChatDialect.readRequest(Buffer.from(JSON.stringify({ model: 'group', ...body })), TARGET)).body;

const refusedBy = (request: ChatRequest): string | undefined => {
  try {
    write(request);
  } catch (error) {
    return (error as { param?: string }).param;
  }
  return undefined;
};

describe('a request', () => {
  test('settings have their names there', () => {
    const schema = { type: 'object', properties: { name: { type: 'string' } } };
    expect(
      through({
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hi.' },
        ],
        stream: true,
        max_completion_tokens: 100,
        temperature: 0.2,
        top_p: 0.9,
        seed: 7,
        stop: 'END',
        frequency_penalty: 0.1,
        presence_penalty: 0.2,
        n: 2,
        reasoning_effort: 'high',
        tools: [{ type: 'function', function: { name: 'look', parameters: schema } }],
        tool_choice: 'required',
        parallel_tool_calls: false,
        response_format: { type: 'json_schema', json_schema: { name: 'who', schema, strict: true } },
      }),
    ).toEqual({
      model: 'mistral-large-latest',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi.' },
      ],
      stream: true,
      max_tokens: 100,
      temperature: 0.2,
      top_p: 0.9,
      random_seed: 7,
      stop: ['END'],
      frequency_penalty: 0.1,
      presence_penalty: 0.2,
      n: 2,
      reasoning_effort: 'high',
      tools: [{ type: 'function', function: { name: 'look', parameters: schema } }],
      tool_choice: 'any',
      parallel_tool_calls: false,
      response_format: { type: 'json_schema', json_schema: { name: 'who', schema, strict: true } },
    });
  });

  test.each([
    [{ logprobs: true }, 'logprobs'],
    [{ topK: 5 }, 'topK'],
    [{ logitBias: { 5: 1 } }, 'logitBias'],
    [{ user: 'u1' }, 'user'],
    [{ serviceTier: 'flex' }, 'serviceTier'],
    [{ temperature: 1.6 }, 'temperature'],
    [{ reasoning: { effort: 'low', budgetTokens: null, show: null, adaptive: false } as const }, 'reasoning'],
  ])('%j is refused', (settings, setting) => {
    expect(refusedBy(chatRequest({ settings, spelling: { [setting]: 'their_word' } }))).toBe('their_word');
  });

  test('a name of a speaker is refused', () => {
    const named = { ...userTurn('Hi.'), name: 'Ada' } as ChatRequest['messages'][number];
    expect(refusedBy(chatRequest({ messages: [named] }))).toBe('messages[0].name');
    expect(write(chatRequest({ messages: [named] }), true).body['messages']).toEqual([
      { role: 'user', content: 'Hi.' },
    ]);
  });

  test('images, documents and recordings', () => {
    const part = { at: 'messages[0].content[0]', cache: null };
    const { body } = write(
      chatRequest({
        messages: [
          userTurn(
            { ...part, type: 'image', detail: null, source: { kind: 'url', url: 'https://example.com/cat.png' } },
            {
              ...part,
              type: 'document',
              title: 'Bells',
              citations: false,
              source: { kind: 'base64', mediaType: 'application/pdf', data: 'JVBERi0=' },
            },
            { ...part, type: 'document', title: null, citations: false, source: { kind: 'text', text: 'Bells ring.' } },
            { ...part, type: 'audio', source: { kind: 'base64', mediaType: 'audio/mpeg', data: 'SUQz' } },
          ),
        ],
      }),
    );
    expect(body['messages']).toEqual([
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'https://example.com/cat.png' } },
          {
            type: 'document_url',
            document_url: 'data:application/pdf;base64,JVBERi0=',
            document_name: 'Bells',
          },
          { type: 'text', text: 'Bells ring.' },
          { type: 'input_audio', input_audio: 'SUQz' },
        ],
      },
    ]);
    const video = { ...part, type: 'video', source: { kind: 'url', url: 'https://example.com/cat.mp4' } } as const;
    expect(refusedBy(chatRequest({ messages: [userTurn(video)] }))).toBe('messages[0].content[0]');
  });

  test('calls and results share an id that Mistral takes; thoughts are a chunk', () => {
    const parts: ModelPart[] = [
      { type: 'reasoning', at: '', cache: null, text: 'Hm.', signature: null, redacted: null },
      textPart('Looking.'),
      ...['call_of_openai', 'D681PevKs'].map((id) => ({
        type: 'tool_call' as const,
        at: '',
        cache: null,
        id,
        name: 'look',
        arguments: '{}',
        signature: null,
      })),
    ];
    const results = ['call_of_openai', 'D681PevKs'].map((callId) => ({
      type: 'tool_result' as const,
      at: '',
      cache: null,
      callId,
      name: 'look',
      parts: [textPart('seen')],
      isError: false,
    }));
    const turn = { role: 'assistant' as const, at: 'messages[1]', name: null, parts };
    const { body } = write(chatRequest({ messages: [userTurn('Look.'), turn, userTurn(...results)] }));
    const mapped = mistralCallId('call_of_openai');
    expect(mapped).toMatch(/^[A-Za-z0-9]{9}$/);
    const called = (id: string) => ({ id, type: 'function', function: { name: 'look', arguments: '{}' } });
    expect(body['messages']).toEqual([
      { role: 'user', content: 'Look.' },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] },
          { type: 'text', text: 'Looking.' },
        ],
        tool_calls: [called(mapped), called('D681PevKs')],
      },
      { role: 'tool', tool_call_id: mapped, content: 'seen' },
      { role: 'tool', tool_call_id: 'D681PevKs', content: 'seen' },
    ]);
  });

  test('an answer at the end is one to go on with', () => {
    const turn = { role: 'assistant' as const, at: 'messages[1]', name: null, parts: [textPart('Once upon')] };
    const { body } = write(chatRequest({ messages: [userTurn('A tale.'), turn] }));
    expect(body['messages']).toEqual([
      { role: 'user', content: 'A tale.' },
      { role: 'assistant', content: 'Once upon', prefix: true },
    ]);
    const later = write(chatRequest({ messages: [userTurn('A tale.'), turn, userTurn('Go on.')] })).body;
    expect((later['messages'] as object[])[1]).toEqual({ role: 'assistant', content: 'Once upon' });
  });

  test('ids are mapped to nine letters and digits, the same each time', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ maxLength: 60 }), { minLength: 1, maxLength: 20 }), (ids) => {
        const mapped = ids.map(mistralCallId);
        for (const id of mapped) {
          expect(id).toMatch(/^[A-Za-z0-9]{9}$/);
          expect(mistralCallId(id)).toBe(id);
        }
        expect(ids.map(mistralCallId)).toEqual(mapped);
        expect(new Set(mapped).size).toBe(ids.length);
      }),
    );
  });
});

function read(chunks: readonly Buffer[]): ChatEvent[] {
  const events: ChatEvent[] = [];
  const reader = mistralChat.openReader();
  for (const chunk of chunks) reader.push(chunk, (event) => events.push(event));
  reader.close((event) => events.push(event));
  return events;
}

const chunk = (delta: object, more: object = {}) =>
  `data: ${JSON.stringify({ id: 'm1', model: 'mistral-large-latest', choices: [{ index: 0, delta, finish_reason: null, ...more }] })}\n\n`;
const think = (text: string) => ({ type: 'thinking', thinking: [{ type: 'text', text }], closed: true });

describe('an answer', () => {
  const call = { id: 'D681PevKs', type: 'function', function: { name: 'look', arguments: '{"at": 1}' }, index: 0 };
  const plain = (message: object, finish: string) =>
    Buffer.from(
      JSON.stringify({
        id: 'm1',
        object: 'chat.completion',
        created: 1,
        model: 'mistral-large-latest',
        choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
      }),
    );

  test('chunks of content, a call, and references that are left out', () => {
    const whole = mistralChat.readReply(
      plain(
        {
          content: [
            think('Hm.'),
            { type: 'text', text: 'Bells ' },
            { type: 'reference', reference_ids: [1] },
            { type: 'text', text: 'ring.' },
          ],
          tool_calls: [call],
        },
        'tool_calls',
      ),
    );
    expect(whole.candidates[0]).toMatchObject({
      finish: 'tool_calls',
      parts: [
        { type: 'reasoning', text: 'Hm.' },
        { type: 'text', text: 'Bells ring.' },
        { type: 'tool_call', id: 'D681PevKs', name: 'look', arguments: '{"at": 1}' },
      ],
    });
    const stream = Buffer.from(
      [
        chunk({ role: 'assistant', content: '' }),
        chunk({ content: [think('H')] }),
        chunk({ content: [think('m.')] }),
        chunk({
          content: [
            { type: 'text', text: 'Bells ' },
            { type: 'reference', reference_ids: [1] },
          ],
        }),
        chunk({ content: 'ring.' }),
        chunk({ content: '', tool_calls: [call] }, { finish_reason: 'tool_calls' }),
        'data: [DONE]\n\n',
      ].join(''),
    );
    const collector = new ReplyCollector();
    const events = read([stream]);
    for (const event of events) collector.take(event);
    expect(collector.reply()).toEqual(whole);
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 10 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
        expect(read(edges.slice(1).map((edge, at) => stream.subarray(edges[at], edge)))).toEqual(events);
      }),
    );
  });

  test('a full context is a length', () => {
    expect(mistralChat.readReply(plain({ content: 'Bells' }, 'model_length'))).toMatchObject({
      rawFinish: 'model_length',
      candidates: [{ finish: 'length' }],
    });
  });

  test('one that failed is none', () => {
    expect(() => mistralChat.readReply(plain({ content: 'Bells' }, 'error'))).toThrow(
      expect.objectContaining({ code: 'upstream_error' }),
    );
    const failed = read([
      Buffer.from(`${chunk({ content: 'Be' })}${chunk({}, { finish_reason: 'error' })}data: [DONE]\n\n`),
    ]);
    expect(failed.at(-1)).toMatchObject({ type: 'error', status: null });
    expect(failed.some(({ type }) => type === 'finish' || type === 'end')).toBe(false);
  });
});

test.each([
  [401, '{"detail":"Unauthorized"}', 'upstream_error', 502, 'did not accept the credentials'],
  [
    429,
    '{"object":"error","message":"Rate limit exceeded","type":"rate_limited","code":"1300"}',
    'upstream_rate_limited',
    429,
    'Rate limit exceeded',
  ],
  [
    400,
    '{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}',
    'upstream_rejected',
    400,
    'Invalid model: x',
  ],
  [
    422,
    '{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required"}]}',
    'upstream_rejected',
    422,
    'messages: Field required',
  ],
  [
    422,
    '{"object":"error","message":{"detail":[{"loc":["body","n"],"msg":"Too many"}]},"type":"invalid_request_error"}',
    'upstream_rejected',
    422,
    'n: Too many',
  ],
  [500, '<html>', 'upstream_error', 502, 'failed with status 500'],
])('an error of status %i: %s', (status, body, code, seen, text) => {
  const error = readError(status, Buffer.from(body), undefined, { providerName: 'm', secrets: ['mi-secret'] });
  expect(error).toMatchObject({ code, status: seen });
  expect(error.message).toContain(text);
});
