// Bodies as the Cohere API reference, Chat v2, has them (docs.cohere.com/reference/chat, read 2026-11).
import { describe, expect, test } from 'vitest';
import { cohereChat } from '#gateway/providers/cohere/chat.ts';
import { chatRequest, textPart, userTurn } from '#tests/support/chat-request.ts';
import type { DocumentPart, ModelPart } from '#translation/chat/parts.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, Tool } from '#translation/chat/request.ts';

const MODEL = { upstreamModel: 'command-a-03-2025', defaultMaxTokens: 4096 };

function write(request: ChatRequest, lenient = false) {
  const refusals = createRefusals('cohere', lenient);
  const body = JSON.parse(cohereChat.writeRequest(request, MODEL, refusals).toString()) as Record<string, unknown>;
  return { body, dropped: refusals.dropped };
}

const refusal = (request: ChatRequest) => {
  try {
    write(request);
  } catch (error) {
    return error as { code: string; param: string; message: string };
  }
  throw new Error('nothing was refused');
};

const tool = (name: string, more: Partial<Tool> = {}): Tool => ({
  at: 'tools[0]',
  name,
  description: null,
  parameters: null,
  strict: null,
  cache: null,
  ...more,
});

const document = (more: Partial<DocumentPart> = {}): DocumentPart => ({
  type: 'document',
  at: 'messages[0].content[1]',
  cache: null,
  source: { kind: 'text', text: 'Bells ring.' },
  title: null,
  citations: true,
  ...more,
});

const assistant = (...parts: ModelPart[]): ChatRequest['messages'][number] => ({
  role: 'assistant',
  at: 'messages[1]',
  name: null,
  parts,
});

const call = (id: string | null, name: string, args: string): ModelPart => ({
  type: 'tool_call',
  at: 'messages[1].tool_calls[0]',
  cache: null,
  id,
  name,
  arguments: args,
  signature: null,
});

describe('what is said', () => {
  test('text, with instructions first', () => {
    const request = chatRequest({
      stream: true,
      system: [textPart('Be brief.')],
      messages: [userTurn('Hi.'), assistant(textPart('Hello.')), userTurn('Bye.')],
    });
    expect(write(request).body).toEqual({
      model: 'command-a-03-2025',
      stream: true,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi.' },
        { role: 'assistant', content: 'Hello.' },
        { role: 'user', content: 'Bye.' },
      ],
    });
  });

  test('instructions that open the conversation are joined to the others; later ones are refused', () => {
    const late = { role: 'system' as const, at: 'messages[1]', parts: [textPart('Now shout.')] };
    const { body } = write(chatRequest({ system: [textPart('Be brief.')], messages: [late, userTurn('Hi.')] }));
    expect(body['messages']).toEqual([
      {
        role: 'system',
        content: [
          { type: 'text', text: 'Be brief.' },
          { type: 'text', text: 'Now shout.' },
        ],
      },
      { role: 'user', content: 'Hi.' },
    ]);
    expect(refusal(chatRequest({ messages: [userTurn('Hi.'), late] }))).toMatchObject({
      code: 'unsupported_parameter',
      param: 'messages[1]',
    });
  });

  test('images by address and as data', () => {
    const image = { type: 'image', at: 'messages[0].content[1]', cache: null, detail: null } as const;
    const { body } = write(
      chatRequest({
        messages: [
          userTurn(
            'Look.',
            { ...image, source: { kind: 'url', url: 'https://example.com/cat.png' }, detail: 'low' },
            { ...image, source: { kind: 'base64', mediaType: 'image/png', data: 'iVBORw==' } },
          ),
        ],
      }),
    );
    expect(body['messages']).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Look.' },
          { type: 'image_url', image_url: { url: 'https://example.com/cat.png', detail: 'low' } },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw==' } },
        ],
      },
    ]);
    const file = { ...image, source: { kind: 'file', fileId: 'file-1', mediaType: null } } as const;
    expect(refusal(chatRequest({ messages: [userTurn(file)] })).param).toBe('messages[0].content[1]');
  });

  test('audio and video are refused', () => {
    const source = { kind: 'base64', mediaType: 'audio/wav', data: 'UklGRg==' } as const;
    for (const type of ['audio', 'video'] as const) {
      const part = { type, at: 'messages[0].content[0]', cache: null, source };
      expect(refusal(chatRequest({ messages: [userTurn(part)] })).param).toBe('messages[0].content[0]');
    }
  });

  test('documents stand beside the messages', () => {
    const data = Buffer.from('Ropes give.').toString('base64');
    const encoded = document({ title: 'Ropes', source: { kind: 'base64', mediaType: 'text/plain', data } });
    const { body } = write(chatRequest({ messages: [userTurn('What rings?', document(), encoded)] }));
    expect(body).toMatchObject({
      messages: [{ role: 'user', content: 'What rings?' }],
      documents: [
        { id: '0', data: { text: 'Bells ring.' } },
        { id: '1', data: { title: 'Ropes', text: 'Ropes give.' } },
      ],
    });
    expect(body).not.toHaveProperty('citation_options');
    const uncited = write(chatRequest({ messages: [userTurn('What rings?', document({ citations: false }))] })).body;
    expect(uncited['citation_options']).toEqual({ mode: 'OFF' });
    const pdf = document({ source: { kind: 'base64', mediaType: 'application/pdf', data: 'JVBERi0=' } });
    expect(refusal(chatRequest({ messages: [userTurn('What rings?', pdf)] })).message).toBe(
      '"messages[0].content[1]" cannot be sent on: the provider kind "cohere" reads documents as plain text only. Remove it, or ask a model group whose provider takes it.',
    );
  });

  test('tool calls, their plan and their results, which go first', () => {
    const result = (callId: string, ...parts: (DocumentPart | ReturnType<typeof textPart>)[]) =>
      ({ type: 'tool_result', at: 'messages[2]', cache: null, callId, name: 'look', parts, isError: false }) as const;
    const { body } = write(
      chatRequest({
        messages: [
          userTurn('Look twice.'),
          assistant(
            { type: 'reasoning', at: '', cache: null, text: 'Two looks.', signature: null, redacted: null },
            textPart('I will look.'),
            call('call_1', 'look', '{"at":1}'),
            call('call_2', 'look', '{broken'),
          ),
          userTurn('And?', result('call_1', textPart('one')), result('call_2', textPart('two'), document())),
        ],
      }),
    );
    expect(body['messages']).toEqual([
      { role: 'user', content: 'Look twice.' },
      {
        role: 'assistant',
        content: [{ type: 'thinking', thinking: 'Two looks.' }],
        tool_plan: 'I will look.',
        tool_calls: [
          { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":1}' } },
          { id: 'call_2', type: 'function', function: { name: 'look', arguments: '{broken' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'one' },
      {
        role: 'tool',
        tool_call_id: 'call_2',
        content: [
          { type: 'text', text: 'two' },
          { type: 'document', document: { data: { text: 'Bells ring.' } } },
        ],
      },
      { role: 'user', content: 'And?' },
    ]);
    expect(body).not.toHaveProperty('documents');
    const [nameless] = write(chatRequest({ messages: [assistant(call(null, 'look', ''))] })).body[
      'messages'
    ] as object[];
    expect(nameless).toEqual({
      role: 'assistant',
      tool_calls: [{ id: 'call_0', type: 'function', function: { name: 'look', arguments: '{}' } }],
    });
  });

  test('signed thoughts of other providers are left out, and said to be', () => {
    const signature = { origin: 'anthropic', value: 'c2ln' } as const;
    const { body, dropped } = write(
      chatRequest({
        messages: [
          assistant(
            { type: 'reasoning', at: 'messages[0].content[0]', cache: null, text: 'Hm.', signature, redacted: null },
            textPart('Yes.'),
          ),
          userTurn('Sure?'),
        ],
      }),
    );
    expect(body['messages']).toEqual([
      { role: 'assistant', content: 'Yes.' },
      { role: 'user', content: 'Sure?' },
    ]);
    expect(dropped).toEqual(['messages[0].content[0]']);
  });

  test("a failed tool's result, speakers' names and cache marks", () => {
    const failed = {
      type: 'tool_result',
      at: 'messages[2].content[0]',
      cache: null,
      callId: 'call_1',
      name: null,
      parts: [],
      isError: true,
    } as const;
    expect(write(chatRequest({ messages: [userTurn(failed)] }))).toMatchObject({
      body: { messages: [{ role: 'tool', tool_call_id: 'call_1', content: '' }] },
      dropped: ['messages[2].content[0].is_error'],
    });
    const named = { ...userTurn('Hi.'), name: 'Ada' } as ChatRequest['messages'][number];
    expect(refusal(chatRequest({ messages: [named] })).param).toBe('messages[0].name');
    const marked = { ...textPart('Hi.'), cache: { ttl: null } };
    expect(write(chatRequest({ messages: [userTurn(marked)] })).dropped).toEqual(['messages[0].content.cache_control']);
  });
});

describe('settings', () => {
  test('all that have a counterpart', () => {
    const { body } = write(
      chatRequest({
        settings: {
          maxTokens: 100,
          temperature: 0,
          topP: 0.5,
          topK: 20,
          seed: 7,
          stop: ['END'],
          frequencyPenalty: 0.5,
          presencePenalty: 0,
          logprobs: true,
          candidates: 1,
          parallelToolCalls: true,
        },
      }),
    );
    expect(body).toEqual({
      model: 'command-a-03-2025',
      stream: false,
      messages: [{ role: 'user', content: 'Hi.' }],
      max_tokens: 100,
      temperature: 0,
      p: 0.5,
      k: 20,
      seed: 7,
      stop_sequences: ['END'],
      frequency_penalty: 0.5,
      presence_penalty: 0,
      logprobs: true,
    });
  });

  test('top-p is kept inside the range that Cohere takes', () => {
    expect(write(chatRequest({ settings: { topP: 1 } })).body['p']).toBe(0.99);
    expect(write(chatRequest({ settings: { topP: 0 } })).body['p']).toBe(0.01);
  });

  test.each([
    [{ logitBias: { 5: 1 } }, 'logitBias'],
    [{ topLogprobs: 3 }, 'topLogprobs'],
    [{ candidates: 2 }, 'candidates'],
    [{ parallelToolCalls: false }, 'parallelToolCalls'],
    [{ user: 'u1' }, 'user'],
    [{ promptCacheKey: 'k' }, 'promptCacheKey'],
    [{ verbosity: 'low' as const }, 'verbosity'],
    [{ serviceTier: 'flex' }, 'serviceTier'],
    [{ topK: 501 }, 'topK'],
    [{ stop: ['1', '2', '3', '4', '5', '6'] }, 'stop'],
    [{ frequencyPenalty: -0.1 }, 'frequencyPenalty'],
    [{ presencePenalty: 1.5 }, 'presencePenalty'],
  ])('%j is refused in the words of the caller, or dropped', (settings, setting) => {
    const request = chatRequest({ settings, spelling: { [setting]: 'their_word' } });
    expect(refusal(request)).toMatchObject({ code: 'unsupported_parameter', param: 'their_word' });
    const { body, dropped } = write(request, true);
    expect(dropped).toEqual(['their_word']);
    expect(Object.keys(body).sort()).toEqual(['messages', 'model', 'stream']);
  });

  test.each([
    [{ effort: 'none' as const }, { type: 'disabled' }],
    [{ budgetTokens: 0 }, { type: 'disabled' }],
    [{ budgetTokens: 500 }, { type: 'enabled', token_budget: 500 }],
    [{ effort: 'medium' as const }, { type: 'enabled', token_budget: 8192 }],
    [{ effort: 'max' as const }, { type: 'enabled', token_budget: 65536 }],
    [{ adaptive: true }, { type: 'enabled' }],
  ])('reasoning %j', (reasoning, thinking) => {
    const whole = { effort: null, budgetTokens: null, show: null, adaptive: false, ...reasoning };
    expect(write(chatRequest({ settings: { reasoning: whole } })).body['thinking']).toEqual(thinking);
  });

  test('JSON, with and without a schema, but not beside tools or documents', () => {
    const schema = { type: 'object', properties: { name: { type: 'string' } } };
    const output = { kind: 'json_schema', name: 'who', description: null, schema, strict: true } as const;
    expect(write(chatRequest({ settings: { output: { kind: 'json' } } })).body['response_format']).toEqual({
      type: 'json_object',
    });
    expect(write(chatRequest({ settings: { output } })).body['response_format']).toEqual({
      type: 'json_object',
      json_schema: schema,
    });
    const spelling = { output: 'response_format' };
    expect(refusal(chatRequest({ settings: { output }, spelling, tools: [tool('look')] })).param).toBe(
      'response_format',
    );
    const withDocument = [userTurn('Who?', document())];
    expect(refusal(chatRequest({ settings: { output }, spelling, messages: withDocument })).message).toContain(
      'takes no output format beside documents',
    );
  });
});

describe('tools', () => {
  const parameters = { type: 'object', properties: { at: { type: 'integer' } } };
  const tools = [tool('look', { description: 'Looks.', parameters }), tool('ring')];

  test('are written with the parameters that Cohere requires', () => {
    expect(write(chatRequest({ tools })).body).toMatchObject({
      tools: [
        { type: 'function', function: { name: 'look', description: 'Looks.', parameters } },
        { type: 'function', function: { name: 'ring', parameters: { type: 'object', properties: {} } } },
      ],
    });
    expect(write(chatRequest({ tools })).body).not.toHaveProperty('tool_choice');
  });

  test.each([
    [{ kind: 'auto' } as const, ['look', 'ring'], undefined],
    [{ kind: 'none' } as const, ['look', 'ring'], 'NONE'],
    [{ kind: 'required' } as const, ['look', 'ring'], 'REQUIRED'],
    [{ kind: 'tool', name: 'ring' } as const, ['ring'], 'REQUIRED'],
    [{ kind: 'allowed', names: ['look'], required: false } as const, ['look'], undefined],
    [{ kind: 'allowed', names: ['look', 'ring'], required: true } as const, ['look', 'ring'], 'REQUIRED'],
  ])('choice %j', (toolChoice, names, choice) => {
    const { body } = write(chatRequest({ tools, settings: { toolChoice } }));
    expect((body['tools'] as { function: { name: string } }[]).map((one) => one.function.name)).toEqual(names);
    expect(body['tool_choice']).toBe(choice);
  });

  test('a choice of a tool that is not there is refused', () => {
    const toolChoice = { kind: 'tool', name: 'fly' } as const;
    const request = chatRequest({ tools, settings: { toolChoice }, spelling: { toolChoice: 'tool_choice' } });
    expect(refusal(request).param).toBe('tool_choice');
    const { body } = write(request, true);
    expect(body).not.toHaveProperty('tool_choice');
    expect(body['tools']).toHaveLength(2);
    const without = { ...request, tools: [] };
    expect(refusal(without).param).toBe('tool_choice');
    expect(
      write({ ...without, settings: { ...without.settings, toolChoice: { kind: 'none' } } }).body,
    ).not.toHaveProperty('tools');
  });

  test('are strict together', () => {
    const strict = tools.map((one) => ({ ...one, strict: true }));
    expect(write(chatRequest({ tools: strict })).body['strict_tools']).toBe(true);
    expect(refusal(chatRequest({ tools: [strict[0]!, tools[1]!] })).param).toBe('tools[0].strict');
  });
});
