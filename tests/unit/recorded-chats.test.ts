import { describe, expect, test } from 'vitest';
import { chatAnswerOf, openAiChatOf } from '#control-plane/inferences/chat-answer.ts';
import type { AnswerContext, ChatDialect, RequestTarget } from '#translation/chat/dialect.ts';
import type { ChatReply } from '#translation/chat/reply.ts';
import { anthropicDialect } from '#translation/dialects/anthropic/dialect.ts';
import { geminiDialect } from '#translation/dialects/gemini/dialect.ts';
import { openaiChatDialect } from '#translation/dialects/openai-chat/dialect.ts';
import { openaiResponsesDialect } from '#translation/dialects/openai-responses/dialect.ts';
import { eventsOf } from '../support/reply-events.ts';

const base = { at: '', cache: null };
const signature = { origin: 'anthropic', value: 'c2lnbmVk' } as const;
const call = (id: string, name: string, args: object) =>
  ({ ...base, type: 'tool_call', id, name, arguments: JSON.stringify(args), signature: null }) as const;
const reply: ChatReply = {
  id: 'reply-1',
  model: 'model-1',
  candidates: [
    {
      index: 0,
      parts: [
        { ...base, type: 'reasoning', text: 'They want two things.', signature, redacted: null },
        { ...base, type: 'text', text: 'Let me look, grüß dich 😀\n"quoted".', citations: [] },
        call('call_a', 'find', { q: 'x', days: [1, 2] }),
        call('call_b', 'sum', {}),
      ],
      finish: 'tool_calls',
      stopSequence: null,
      logprobs: null,
    },
  ],
  usage: null,
  rawFinish: 'tool_calls',
};
const INPUT = { city: 'Uppsala', days: 2 };

/** The same conversation in each dialect: instructions, a question, a call, its result, another question. */
const CASES: readonly {
  readonly dialect: ChatDialect;
  readonly framing: RequestTarget['framing'];
  readonly contentType: string;
  readonly request: object;
}[] = [
  {
    dialect: openaiChatDialect,
    framing: 'sse',
    contentType: 'text/event-stream',
    request: {
      model: 'g',
      messages: [
        { role: 'system', content: 'Be kind' },
        { role: 'user', content: 'Weather?' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'call_1', type: 'function', function: { name: 'weather', arguments: JSON.stringify(INPUT) } },
          ],
        },
        { role: 'tool', tool_call_id: 'call_1', content: '21' },
        { role: 'user', content: 'And then?' },
      ],
      tools: [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }],
    },
  },
  {
    dialect: openaiResponsesDialect,
    framing: 'sse',
    contentType: 'text/event-stream; charset=utf-8',
    request: {
      model: 'g',
      instructions: 'Be kind',
      input: [
        { role: 'user', content: 'Weather?' },
        { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: JSON.stringify(INPUT) },
        { type: 'function_call_output', call_id: 'call_1', output: '21' },
        { role: 'user', content: [{ type: 'input_text', text: 'And then?' }] },
      ],
      tools: [{ type: 'function', name: 'weather', parameters: { type: 'object' } }],
    },
  },
  {
    dialect: anthropicDialect,
    framing: 'sse',
    contentType: 'text/event-stream',
    request: {
      model: 'g',
      max_tokens: 100,
      system: 'Be kind',
      messages: [
        { role: 'user', content: 'Weather?' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'call_1', name: 'weather', input: INPUT }] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'call_1', content: '21' },
            { type: 'text', text: 'And then?' },
          ],
        },
      ],
      tools: [{ name: 'weather', input_schema: { type: 'object' } }],
    },
  },
  ...(['sse', 'json-array'] as const).map((framing) => ({
    dialect: geminiDialect,
    framing,
    contentType: framing === 'sse' ? 'text/event-stream' : 'application/json',
    request: {
      systemInstruction: { parts: [{ text: 'Be kind' }] },
      contents: [
        { role: 'user', parts: [{ text: 'Weather?' }] },
        { role: 'model', parts: [{ functionCall: { id: 'call_1', name: 'weather', args: INPUT } }] },
        {
          role: 'user',
          parts: [
            { functionResponse: { id: 'call_1', name: 'weather', response: { output: '21' } } },
            { text: 'And then?' },
          ],
        },
      ],
      tools: [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: { type: 'object' } }] }],
    },
  })),
];

describe.each(CASES)('$dialect.name, $framing', ({ dialect, framing, contentType, request }) => {
  const target: RequestTarget = { model: 'g', stream: true, framing };
  const context: AnswerContext = {
    inferenceId: '01890000-0000-7000-8000-000000000009',
    createdUnixS: 1_700_000_000,
    request: dialect.readRequest(Buffer.from(JSON.stringify(request)), target),
    framing,
  };
  const plain = dialect.writeReply(reply, context);
  const writer = dialect.openWriter(context);
  const events = [...eventsOf(reply)].map((event) => writer.write(event));
  const streamed = [...events, writer.end()].join('');
  const answer = chatAnswerOf(dialect.name, plain, 'application/json');

  test('a stream makes the plain answer', () => {
    expect(answer).toMatchObject({ isWhole: true });
    expect(JSON.stringify(answer!.said)).toContain('grüß dich 😀');
    expect(chatAnswerOf(dialect.name, streamed, contentType)).toEqual(answer);
    // The type is the upstream's word; the body says what it is.
    expect(chatAnswerOf(dialect.name, streamed, 'application/octet-stream')).toEqual(answer);
    expect(chatAnswerOf(dialect.name, streamed.replaceAll('\n', '\r'), contentType)).toEqual(answer);
  });

  test('of a stream that was cut anywhere there is what came, and it says so', () => {
    for (let end = 0; end < streamed.length; end += 7) {
      const cut = chatAnswerOf(dialect.name, streamed.slice(0, end), contentType);
      if (cut?.isWhole) expect(cut).toEqual(answer);
    }
    const half = chatAnswerOf(dialect.name, events.slice(0, Math.ceil(events.length / 2)).join(''), contentType);
    expect(half).toMatchObject({ isWhole: false });
    expect(chatAnswerOf(dialect.name, plain.slice(0, -9), 'application/json')).toBeUndefined();
  });

  test('it is a line of fine-tuning data', () => {
    const chat = openAiChatOf(dialect.name, JSON.stringify(request), answer!)!;
    expect(chat.messages).toMatchObject([
      { role: 'system', content: 'Be kind' },
      { role: 'user', content: 'Weather?' },
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function' }] },
      { role: 'tool', tool_call_id: 'call_1', content: '21' },
      { role: 'user', content: 'And then?' },
      {
        role: 'assistant',
        content: 'Let me look, grüß dich 😀\n"quoted".',
        tool_calls: [
          { id: 'call_a', type: 'function', function: { name: 'find', arguments: '{"q":"x","days":[1,2]}' } },
          { id: 'call_b', type: 'function', function: { name: 'sum', arguments: '{}' } },
        ],
      },
    ]);
    expect(JSON.stringify(chat.messages)).not.toMatch(/They want|c2lnbmVk|"index"/);
    expect(chat.tools).toEqual([{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }]);
  });
});

test('what has no place in a fine-tuning line makes none', () => {
  const said = [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'y' }] }];
  const responses = (request: object) =>
    openAiChatOf('openai-responses', JSON.stringify(request), { said, isWhole: true });
  expect(responses({ input: 'x' })!.messages).toEqual([
    { role: 'user', content: 'x' },
    { role: 'assistant', content: 'y' },
  ]);
  // The turns before lie with OpenAI.
  expect(responses({ input: 'x', previous_response_id: 'resp_1' })).toBeUndefined();
  expect(responses({ input: [{ type: 'web_search_call', id: 'ws_1' }] })).toBeUndefined();
  const ran = { role: 'model', parts: [{ executableCode: { code: 'print(1)' } }, { text: '1' }] };
  const gemini = JSON.stringify({ contents: { parts: [{ text: 'x' }] } });
  expect(openAiChatOf('gemini', gemini, { said: ran, isWhole: true })).toBeUndefined();
  const text = { said: { parts: [{ text: '1' }] }, isWhole: true };
  expect(openAiChatOf('gemini', gemini, text)!.messages.at(-1)).toEqual({ role: 'assistant', content: '1' });
});
