import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCustomProvider } from '#core/custom-provider.ts';
import { RingsideError } from '#core/errors.ts';
import { adapter } from '#gateway/providers/custom/adapter.ts';
import { compilePointer } from '#gateway/providers/custom/pointer.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { ModelPart, TextPart, UserPart } from '#translation/chat/parts.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import { type ChatRequest, type Message, NO_SETTINGS, type Settings, type Tool } from '#translation/chat/request.ts';

/** The JSON of the example in docs/custom-providers.md, in its order. */
const [EXAMPLE, SENT, ANSWERED, STREAMED] = [
  ...readFileSync(join(import.meta.dirname, '../../docs/custom-providers.md'), 'utf8').matchAll(
    /```json\n([\s\S]*?)```/g,
  ),
].map((match) => match[1]!);
const DEFINITION = JSON.parse(EXAMPLE!) as Record<string, unknown>;
const SMALLEST = { path: ['chat'], request: { messages: { $from: 'messages' } }, reply: { text: '/text' } };

function bind(definition: object) {
  const deployment = {
    provider: {
      id: '00000000-0000-0000-0000-000000000001',
      name: 'own',
      kind: 'openai' as const,
      baseUrl: 'https://models.example/prefix/',
      credentials: null,
      timeouts: {},
      definition: definition as Record<string, unknown>,
    },
    upstreamModel: 'llama-3',
    maxOutputTokens: 1,
    cumulativeWeight: 1,
  };
  return adapter.bind(deployment, { apiKey: 'the-secret' }, { connectMs: 1, firstByteMs: 2, idleMs: 3 });
}

const base = { at: 'here', cache: null };
const text = (words: string): TextPart => ({ ...base, type: 'text', text: words, citations: [] });
const user = (...parts: UserPart[]): Message => ({ role: 'user', at: 'messages[0]', name: null, parts });
const assistant = (...parts: ModelPart[]): Message => ({ role: 'assistant', at: 'messages[1]', name: null, parts });
const QUESTION = user(text('Who are you?'));
const TOOL: Tool = {
  at: 'tools[0]',
  name: 'now',
  description: 'Tells it',
  parameters: { type: 'object' },
  strict: null,
  cache: null,
};
const CALL = { ...base, type: 'tool_call', id: 'c1', name: 'now', arguments: '{"a":', signature: null } as const;
const RESULT = {
  ...base,
  type: 'tool_result',
  callId: 'c1',
  name: 'now',
  parts: [text('noon')],
  isError: false,
} as const;
const IMAGE = {
  ...base,
  type: 'image',
  source: { kind: 'base64', mediaType: 'image/png', data: 'AAEC' },
  detail: 'low',
} as const;

interface Said extends Partial<Omit<ChatRequest, 'settings'>> {
  readonly settings?: Partial<Settings>;
}

function write(definition: object, said: Said = {}, lenient = false) {
  const refusals = createRefusals('custom', lenient);
  const request: ChatRequest = {
    model: 'group',
    stream: false,
    streamUsage: false,
    system: [],
    messages: [QUESTION],
    tools: [],
    spelling: {},
    extras: [],
    ...said,
    settings: { ...NO_SETTINGS, ...said.settings },
  };
  const { chat, model } = bind(definition);
  return { body: JSON.parse(chat!.writeRequest(request, model, refusals).toString()), dropped: refusals.dropped };
}

function paramOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof RingsideError && error.code === 'unsupported_parameter') return error.param;
    throw error;
  }
  return undefined;
}

const { chat: exampleChat } = bind(DEFINITION);
const readPlain = (definition: object, body: string) => bind(definition).chat!.readReply(Buffer.from(body));
const PROTOCOL = expect.objectContaining({ code: 'upstream_protocol' });

function readStream(definition: object, bytes: Buffer, cuts: readonly number[] = []): ChatEvent[] {
  const reader = bind(definition).chat!.openReader();
  const events: ChatEvent[] = [];
  const points = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < points.length; i++) {
    reader.push(bytes.subarray(points[i - 1], points[i]), (event) => events.push(event));
  }
  reader.close((event) => events.push(event));
  return events;
}

function collect(events: readonly ChatEvent[]) {
  const collector = new ReplyCollector();
  for (const event of events) collector.take(event);
  return collector.reply();
}

describe('the example of the page', () => {
  test('sends what it says', () => {
    const said = { system: [text('Be brief.')], settings: { temperature: 0 } };
    expect(write(DEFINITION, said).body).toEqual(JSON.parse(SENT!));
    const { heads } = bind(DEFINITION);
    expect(heads[exampleChat!.heads.plain]!.toString()).toMatch(
      /^POST \/prefix\/v1\/llama-3\/complete HTTP\/1\.1\r\nhost: models\.example\r\n/,
    );
    expect(heads[exampleChat!.heads.stream]!.toString()).toContain('authorization: Bearer the-secret\r\n');
  });

  test('reads what it says, whole and streamed', () => {
    const whole = exampleChat!.readReply(Buffer.from(ANSWERED!));
    expect(whole.candidates[0]).toMatchObject({ finish: 'stop', parts: [{ type: 'text', text: 'A model.' }] });
    expect(whole).toMatchObject({ rawFinish: 'eos', usage: { inputTokens: 9, outputTokens: 3, cachedTokens: null } });
    expect(collect(readStream(DEFINITION, Buffer.from(STREAMED!)))).toEqual(whole);
    expect(exampleChat!.streamTypes).toContain('application/x-ndjson');
  });

  test('reads errors where it says', () => {
    const target = bind(DEFINITION);
    const error = (status: number, body: string) => adapter.readError(status, Buffer.from(body), '3', target);
    expect(error(400, '{"failure":{"text":"too long, the-secret"}}')).toMatchObject({
      code: 'upstream_rejected',
      message: 'The provider "own" refused the request: too long, [redacted]',
      retryAfterSeconds: 3,
    });
    expect(error(403, '{"failure":{"text":"who?"}}').message).not.toContain('who?');
    expect([429, 408, 503, 529, 500].map((status) => error(status, '<html>').code)).toEqual([
      'upstream_rate_limited',
      'upstream_timeout',
      'upstream_error',
      'upstream_error',
      'upstream_error',
    ]);
  });
});

describe('definitions are checked', () => {
  const issuesOf = (change: object) => {
    const parsed = parseCustomProvider({ ...DEFINITION, ...change });
    return parsed.kind === 'ok' ? [] : parsed.issues.map(({ field, message }) => `${field}: ${message}`);
  };
  const nested = (levels: number) => JSON.parse(`${'['.repeat(levels)}{"$from":"prompt"}${']'.repeat(levels)}`);

  test('good ones', () => {
    expect(issuesOf({})).toEqual([]);
    expect(parseCustomProvider(SMALLEST).kind).toBe('ok');
    expect(issuesOf({ request: { deep: nested(30) } })).toEqual([]);
  });

  test.each<[string, object, RegExp]>([
    ['an unknown field', { replies: {} }, /"replies"/],
    ['no request', { request: undefined }, /^request: /],
    ['nothing of the chat', { request: { a: 1 } }, /^request: picks neither/],
    ['an unknown pick', { request: { a: [{ $from: 'max' }] } }, /^request\.a\[0\]: picks "max"; \$from must be one of/],
    ['a pick that is no text', { request: { a: { $from: 1 } } }, /^request\.a: picks 1/],
    ['an unknown directive', { request: { a: { $if: 1 } } }, /^request\.a: holds keys that begin with "\$"/],
    ['a directive beside keys', { request: { a: { $from: 'prompt', b: 1 } } }, /^request\.a: holds keys/],
    ['a literal beside keys', { request: { a: { $literal: 1, b: 1 } } }, /^request\.a: holds keys/],
    [
      'tools without a place for calls',
      { request: { a: { $from: 'messages' }, t: { $from: 'tools' } } },
      /^reply\.toolCalls: must be set/,
    ],
    ['a pointer without slash', { reply: { text: 'text' } }, /^reply\.text: is no JSON Pointer/],
    ['a pointer with a bare tilde', { reply: { text: '/a~2' } }, /^reply\.text: is no JSON Pointer/],
    ['a long pointer', { reply: { text: `/${'a'.repeat(256)}` } }, /^reply\.text: /],
    [
      'another finish reason',
      { reply: { text: '/a', finishReason: { at: '/b', map: { x: 'ended' } } } },
      /^reply\.finishReason\.map\.x: /,
    ],
    ['a path that climbs', { path: ['v1', '..'] }, /^path\[1\]/],
    ['a path with a slash', { path: ['v1/chat'] }, /^path\[0\]/],
    ['a path with a line break', { path: ['v1\r\nx: y'] }, /^path\[0\]/],
    ['an empty path', { path: [] }, /^path: /],
    ['no path', { path: undefined }, /^path: is missing/],
    ['no reply, though it infers', { reply: undefined, infer: { path: ['x'] } }, /^reply: is missing/],
    [
      'nothing at all',
      { path: undefined, request: undefined, reply: undefined, infer: undefined },
      /^request: is missing/,
    ],
    ['another framing', { stream: { framing: 'chunks', delta: '/a' } }, /^stream\.framing: /],
    [
      'a long template',
      { request: { a: { $from: 'prompt' }, b: 'x'.repeat(65_536) } },
      /^request: is longer than 65536/,
    ],
    ['a deep template', { request: { a: nested(32) } }, /^request: is nested deeper than 32/],
    ['a template deeper than a stack', { request: { a: { $literal: nested(20_000) } } }, /^request: is nested deeper/],
  ])('%s', (_what, change, message) => {
    const issues = issuesOf(change);
    expect(
      issues.some((issue) => message.test(issue)),
      issues.join('\n'),
    ).toBe(true);
    expect(() => bind({ ...DEFINITION, ...change })).toThrow(/the definition of provider "own" is not valid/);
  });
});

describe('tensors', () => {
  const definition = { infer: { path: ['models', { $from: 'model' }, 'predict'] }, errorMessage: '/why' };
  const wire = adapter.natives.oip!;

  test('go on as they are to a path of its own', () => {
    const target = bind(definition);
    const head = target.heads[wire.headName('infer', false, 'sse', false)]!.toString();
    expect(head).toMatch(/^POST \/prefix\/models\/llama-3\/predict HTTP/);
    expect([target.chat, target.heads['chat']]).toEqual([undefined, undefined]);
    expect(adapter.readError(400, Buffer.from('{"why":"no"}'), undefined, target).message).toContain(': no');
  });

  test('beside a chat, or not at all', () => {
    const both = bind({ ...SMALLEST, ...definition });
    expect(Object.keys(both.heads).sort()).toEqual(['chat', 'chat-stream', 'infer']);
    expect(bind(SMALLEST).heads['infer']).toBeUndefined();
  });
});

describe('templates', () => {
  test('every pick', () => {
    const all = Object.fromEntries(
      [
        ...['model', 'stream', 'messages', 'system', 'tools', 'tool_choice', 'parallel_tool_calls', 'response_format'],
        ...['max_tokens', 'temperature', 'top_p', 'top_k', 'seed', 'stop', 'frequency_penalty', 'presence_penalty'],
        ...['reasoning_effort', 'user'],
      ].map((name) => [name, { $from: name }]),
    );
    const definition = { ...SMALLEST, request: all, reply: { text: '/text', toolCalls: '/calls' } };
    expect(write(definition).body).toEqual({
      model: 'llama-3',
      stream: false,
      messages: [{ role: 'user', content: 'Who are you?' }],
    });
    const schema = { type: 'object' };
    const settings: Partial<Settings> = {
      maxTokens: 1,
      temperature: 0,
      topP: 0.5,
      topK: 2,
      seed: 0,
      stop: ['a'],
      frequencyPenalty: 0,
      presencePenalty: 1,
      toolChoice: { kind: 'tool', name: 'now' },
      parallelToolCalls: false,
      output: { kind: 'json_schema', name: null, description: null, schema, strict: true },
      reasoning: { effort: null, budgetTokens: 9000, show: null, adaptive: false },
      user: 'u',
    };
    expect(write(definition, { settings, tools: [TOOL], system: [text('Be'), text('brief')] }).body).toEqual({
      model: 'llama-3',
      stream: false,
      messages: [{ role: 'user', content: 'Who are you?' }],
      system: 'Be\n\nbrief',
      tools: [{ type: 'function', function: { name: 'now', description: 'Tells it', parameters: { type: 'object' } } }],
      tool_choice: { type: 'function', function: { name: 'now' } },
      parallel_tool_calls: false,
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } },
      max_tokens: 1,
      temperature: 0,
      top_p: 0.5,
      top_k: 2,
      seed: 0,
      stop: ['a'],
      frequency_penalty: 0,
      presence_penalty: 1,
      reasoning_effort: 'medium',
      user: 'u',
    });
  });

  test('messages as OpenAI writes them', () => {
    const definition = {
      ...SMALLEST,
      request: { messages: { $from: 'messages' }, tools: { $from: 'tools' } },
      reply: { text: '/text', toolCalls: '/calls' },
      images: true,
    };
    const thought = { ...base, at: 'thought', type: 'reasoning', text: 'So', signature: null, redacted: null } as const;
    const { body, dropped } = write(definition, {
      system: [text('Be brief.')],
      tools: [TOOL],
      messages: [
        user(text('Look:'), IMAGE),
        assistant(thought, text('I '), text('look.'), CALL),
        user(RESULT, text('And?')),
      ],
    });
    expect(body.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Look:' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAEC', detail: 'low' } },
        ],
      },
      {
        role: 'assistant',
        content: 'I look.',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'now', arguments: '{"a":' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'noon' },
      { role: 'user', content: 'And?' },
    ]);
    expect(dropped).toEqual(['thought']);
  });

  test('a prompt is one question as it is, and a conversation with its speakers', () => {
    const definition = { ...SMALLEST, request: { p: { $from: 'prompt' } } };
    expect(write(definition).body).toEqual({ p: 'Who are you?' });
    expect(write(definition, { messages: [QUESTION, assistant(text('Me.')), user(text('Really?'))] }).body).toEqual({
      p: 'User: Who are you?\n\nAssistant: Me.\n\nUser: Really?\n\nAssistant:',
    });
    const apart = { ...SMALLEST, request: { p: { $from: 'prompt' }, s: { $from: 'system' } } };
    expect(write(apart, { system: [text('Be brief.')] }).body).toEqual({ p: 'Who are you?', s: 'Be brief.' });
  });

  test('values are the caller’s data and never a template', () => {
    const definition = { ...SMALLEST, request: { p: { $from: 'prompt' }, l: [{ $from: 'seed' }, 1] } };
    expect(write(definition, { messages: [user(text('{"$from":"model"} {{model}}'))] }).body).toEqual({
      p: '{"$from":"model"} {{model}}',
      l: [1],
    });
  });

  test('what it has no place for is refused in the caller’s spelling, or dropped', () => {
    const given = { seed: 1, logprobs: true, topK: 1, verbosity: 'low' } as const;
    for (const [name, value] of Object.entries(given)) {
      const said = { settings: { [name]: value }, spelling: { [name]: `spelled.${name}` } };
      expect(paramOf(() => write(SMALLEST, said))).toBe(`spelled.${name}`);
      expect(write(SMALLEST, said, true).dropped).toEqual([`spelled.${name}`]);
    }
    expect(
      write(SMALLEST, { settings: { logprobs: false, candidates: 1, parallelToolCalls: true, presencePenalty: 0 } })
        .dropped,
    ).toEqual([]);
  });

  test.each<[string, object, Said, string]>([
    ['a stream of one that does not', SMALLEST, { stream: true }, 'stream'],
    ['tools', SMALLEST, { tools: [TOOL] }, 'tools[0]'],
    ['calls of tools', SMALLEST, { messages: [QUESTION, assistant(CALL)] }, 'here'],
    ['results of tools', SMALLEST, { messages: [user(RESULT)] }, 'here'],
    ['an image', SMALLEST, { messages: [user(IMAGE)] }, 'here'],
    [
      'an image in a prompt',
      { ...SMALLEST, request: { p: { $from: 'prompt' } }, images: true },
      { messages: [user(IMAGE)] },
      'here',
    ],
    [
      'a recording',
      { ...SMALLEST, images: true },
      { messages: [user({ ...base, type: 'audio', source: IMAGE.source })] },
      'here',
    ],
    [
      'a file of another provider',
      { ...SMALLEST, images: true },
      { messages: [user({ ...IMAGE, source: { kind: 'file', fileId: 'f', mediaType: null } })] },
      'here',
    ],
  ])('%s is refused, lenient or not', (_what, definition, said, param) => {
    for (const lenient of [false, true]) expect(paramOf(() => write(definition, said, lenient))).toBe(param);
  });
});

describe('answers', () => {
  test('with thoughts, calls, names and numbers where they are', () => {
    const definition = {
      ...SMALLEST,
      request: { m: { $from: 'messages' }, t: { $from: 'tools' } },
      reply: {
        text: '/out/text',
        reasoning: '/out/thoughts',
        toolCalls: '/out/calls',
        finishReason: { at: '/out/code', map: { '7': 'content_filter' } },
        usage: { inputTokens: '/n/0', cachedTokens: '/n/1', reasoningTokens: '/n/2' },
        id: '/id',
        model: '/out/a~1b',
      },
    };
    const calls = [
      { id: 'c1', function: { name: 'now', arguments: '{"a":1}' } },
      { function: { name: 'then', arguments: { b: 2 } } },
      {},
    ];
    const reply = readPlain(
      definition,
      JSON.stringify({ id: 'r', n: [5, 0], out: { text: null, thoughts: 'So', calls, code: 7, 'a/b': 'm' } }),
    );
    expect(reply).toMatchObject({
      id: 'r',
      model: 'm',
      rawFinish: '7',
      usage: { inputTokens: 5, cachedTokens: 0, outputTokens: null, reasoningTokens: null },
    });
    expect(reply.candidates[0]!.finish).toBe('content_filter');
    expect(reply.candidates[0]!.parts).toMatchObject([
      { type: 'reasoning', text: 'So' },
      { type: 'tool_call', id: 'c1', arguments: '{"a":1}' },
      { type: 'tool_call', id: null, arguments: '{"b":2}' },
    ]);
  });

  test('words of ours are kept, others are other; nothing said is a stop, and no usage', () => {
    const definition = { ...SMALLEST, reply: { text: '/t', finishReason: { at: '/f' } } };
    const finish = (f: unknown) => readPlain(definition, JSON.stringify({ t: 'x', f })).candidates[0]!.finish;
    expect(['length', 'eos', 'pause', true, null].map(finish)).toEqual(['length', 'other', 'other', 'other', 'stop']);
    expect(readPlain(SMALLEST, '{"text":""}')).toMatchObject({
      usage: null,
      rawFinish: null,
      candidates: [{ parts: [] }],
    });
  });

  test.each(['<html>', '', '{"text":1}', '{}', 'null', '[]', '{"__proto__":{"text":"x"}}'])('%s is none', (body) => {
    expect(() => readPlain(SMALLEST, body)).toThrow(PROTOCOL);
  });

  test('pointers find own values only', () => {
    const at = (pointer: string, value: unknown) => compilePointer(pointer)(value);
    expect(at('', 1)).toBe(1);
    expect(at('/~01/1', { '~1': ['a', 'b'] })).toBe('b');
    expect(at('//x', { '': { x: 2 } })).toBe(2);
    for (const [pointer, value] of [
      ['/length', [1]],
      ['/01', [1, 2]],
      ['/constructor', {}],
      ['/length', 'text'],
      ['/a', null],
    ] as const) {
      expect(at(pointer, value)).toBeUndefined();
    }
  });
});

describe('streams', () => {
  const SSE = {
    ...SMALLEST,
    stream: {
      framing: 'sse',
      path: ['chat', 'live'],
      delta: '/d',
      reasoningDelta: '/r',
      finishReason: { at: '/f' },
      usage: { outputTokens: '/u' },
      error: '/e',
      done: { data: '[DONE]' },
    },
  };
  const sse = (...events: (object | string)[]) =>
    Buffer.from(
      events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join(''),
    );

  test('events, thoughts before text, usage last', () => {
    const bytes = sse(
      { r: 'So' },
      { r: '' },
      { d: 'A', u: 1 },
      { later: 1 },
      { d: 'B' },
      { f: 'length', u: 2 },
      '[DONE]',
      { d: 'late' },
    );
    const at = (part: number) => ({ candidate: 0, part });
    expect(readStream(SSE, bytes)).toEqual([
      { type: 'start', id: null, model: null, usage: null },
      { type: 'begin', ...at(0), kind: 'reasoning' },
      { type: 'delta', ...at(0), kind: 'text', text: 'So' },
      { type: 'close', ...at(0) },
      { type: 'begin', ...at(1), kind: 'text' },
      { type: 'delta', ...at(1), kind: 'text', text: 'A' },
      { type: 'delta', ...at(1), kind: 'text', text: 'B' },
      { type: 'close', ...at(1) },
      { type: 'finish', candidate: 0, finish: 'length', rawFinish: 'length', stopSequence: null },
      { type: 'usage', usage: expect.objectContaining({ inputTokens: null, outputTokens: 2 }) },
      { type: 'end' },
    ]);
    expect(bind(SSE).heads[exampleChat!.heads.stream]!.toString()).toContain('POST /prefix/chat/live ');
  });

  test('cut anywhere they give the same events', () => {
    const ndjson = { ...SMALLEST, stream: { ...SSE.stream, framing: 'ndjson', done: undefined } };
    const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 8 });
    fc.assert(
      fc.property(
        texts,
        fc.array(fc.nat(), { maxLength: 30 }),
        fc.constantFrom('\n', '\r\n', '\n\n'),
        (words, cuts, end) => {
          const events = [...words.map((d) => ({ d })), { f: 'stop' }];
          const lines = Buffer.from(events.map((event) => JSON.stringify(event) + end).join(''));
          expect(readStream(ndjson, lines, cuts)).toEqual(readStream(ndjson, lines));
          const bytes = sse(...events, '[DONE]');
          expect(readStream(SSE, bytes, cuts)).toEqual(readStream(ndjson, lines));
        },
      ),
    );
  });

  test('a failure in it is the provider’s error', () => {
    expect(readStream(SSE, sse({ d: 'A' }, { e: { why: 'x' } }, '[DONE]')).at(-1)).toEqual({
      type: 'error',
      status: null,
      body: Buffer.from('{"e":{"why":"x"}}'),
    });
  });

  test('one that is closed is whole if it gave a reason, or if none is declared', () => {
    const last = (definition: object, bytes: Buffer) => readStream(definition, bytes).at(-1);
    expect(last(SSE, sse({ d: 'A' }, { f: 'stop' }))).toEqual({ type: 'end' });
    const open = { ...SMALLEST, stream: { framing: 'sse', delta: '/d' } };
    expect(last(open, sse({ d: 'A' }))).toEqual({ type: 'end' });
  });

  test.each([
    ['one that breaks off', sse({ d: 'A' })],
    ['one without events', Buffer.alloc(0)],
    ['a web page', Buffer.from('<html></html>')],
    ['broken JSON', sse('{"d":')],
    ['an event that is too long', Buffer.concat([Buffer.from('data: '), Buffer.alloc(MAX_EVENT_BYTES + 1, 'x')])],
  ])('%s is the upstream’s fault', (_what, bytes) => {
    expect(() => readStream(SSE, bytes)).toThrow(PROTOCOL);
  });

  test('lines are bounded, too; 5 MB fit', () => {
    const ndjson = { ...SMALLEST, stream: { framing: 'ndjson', delta: '/d' } };
    expect(readStream(ndjson, Buffer.from(JSON.stringify({ d: 'x'.repeat(5_000_000) })))).toHaveLength(6);
    expect(() => readStream(ndjson, Buffer.alloc(MAX_EVENT_BYTES + 1, 'x'))).toThrow(PROTOCOL);
  });
});
