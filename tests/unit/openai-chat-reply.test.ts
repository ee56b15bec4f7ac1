// Answers as OpenAI's API reference gives them: "The chat completion object", read 2026-11.
import { describe, expect, test } from 'vitest';
import type { AnswerContext } from '#translation/chat/dialect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { ModelPart } from '#translation/chat/parts.ts';
import {
  type Candidate,
  type ChatReply,
  type ChatUsage,
  type FinishReason,
  NO_USAGE,
} from '#translation/chat/reply.ts';
import { NO_SETTINGS } from '#translation/chat/request.ts';
import { openaiChatDialect } from '#translation/dialects/openai-chat/dialect.ts';

const context: AnswerContext = {
  inferenceId: '01890a5d-ac96-774b-bcce-b302099a8057',
  createdUnixS: 1_741_569_952,
  request: {
    model: 'group',
    stream: false,
    streamUsage: true,
    system: [],
    messages: [],
    tools: [],
    settings: NO_SETTINGS,
    spelling: {},
    extras: [],
  },
  framing: 'sse',
};
const BASE = { at: '', cache: null };
const candidate = (parts: object[], more: Partial<Candidate> = {}): Candidate => ({
  index: 0,
  parts: parts.map((part) => ({ ...BASE, ...part }) as ModelPart),
  finish: 'stop',
  stopSequence: null,
  logprobs: null,
  ...more,
});
const reply = (candidates: Candidate[], usage: ChatUsage | null = null): ChatReply => ({
  id: 'msg_1',
  model: 'claude',
  candidates,
  usage,
  rawFinish: null,
});
const write = (value: ChatReply) => JSON.parse(openaiChatDialect.writeReply(value, context));
const messageOf = (...parts: object[]) => write(reply([candidate(parts)])).choices[0].message;
const text = (value: string, citations: object[] = []) => ({ type: 'text', text: value, citations });
const signed = { origin: 'anthropic', value: 'abc' } as const;

describe('an answer', () => {
  test('of text', () => {
    const usage = { ...NO_USAGE, inputTokens: 5, outputTokens: 0, cachedTokens: 0, reasoningTokens: 2 };
    expect(write(reply([candidate([text('Hi')])], usage))).toEqual({
      id: 'msg_1',
      object: 'chat.completion',
      created: 1_741_569_952,
      model: 'claude',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hi', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 5,
        completion_tokens: 0,
        total_tokens: 5,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
    });
  });

  test('whose provider says neither id, model nor usage', () => {
    const { id, model, usage } = write({ ...reply([candidate([])], NO_USAGE), id: null, model: null });
    expect({ id, model, usage }).toEqual({
      id: 'chatcmpl-01890a5dac96774bbcceb302099a8057',
      model: 'group',
      usage: undefined,
    });
  });

  test('of which only one count is known', () => {
    expect(write(reply([], { ...NO_USAGE, outputTokens: 3 })).usage).toEqual({ completion_tokens: 3 });
  });

  test('of calls, with ids where there are none', () => {
    const call = { type: 'tool_call', id: null, name: 'f', arguments: '{', signature: null };
    expect(messageOf(call, { ...call, id: 'c', signature: { origin: 'google', value: 's' } })).toEqual({
      role: 'assistant',
      content: null,
      refusal: null,
      tool_calls: [
        { id: 'call_774bbcceb302099a80570', type: 'function', function: { name: 'f', arguments: '{' } },
        {
          id: 'c',
          type: 'function',
          function: { name: 'f', arguments: '{' },
          extra_content: { google: { thought_signature: 's' } },
        },
      ],
    });
  });

  test('of unsigned thoughts', () => {
    expect(messageOf({ type: 'reasoning', text: 'hm', signature: null, redacted: null }, text('Hi'))).toEqual({
      role: 'assistant',
      content: 'Hi',
      refusal: null,
      reasoning_content: 'hm',
    });
  });

  test('of signed thoughts', () => {
    const message = messageOf(
      { type: 'reasoning', text: 'hm', signature: signed, redacted: null },
      { type: 'reasoning', text: '', signature: null, redacted: { origin: 'openai', value: 'own' } },
    );
    expect(message).toMatchObject({
      reasoning_content: 'hm',
      reasoning_details: [
        { type: 'reasoning.text', index: 0, text: 'hm', signature: 'rs1.anthropic.abc' },
        { type: 'reasoning.encrypted', index: 1, data: 'own' },
      ],
    });
  });

  test('with citations, whose offsets count in the whole message', () => {
    const url = { kind: 'url', url: 'u', title: null, citedText: null };
    const document = {
      kind: 'document',
      documentIndex: 1,
      documentTitle: 'D',
      citedText: 'c',
      unit: 'page',
      from: 1,
      to: 2,
    };
    const message = messageOf(
      text('abc'),
      text('def', [{ ...url, startIndex: 1, endIndex: 2 }, { ...url, startIndex: null, endIndex: null }, document]),
    );
    expect(message).toMatchObject({
      content: 'abcdef',
      annotations: [
        { type: 'url_citation', url_citation: { start_index: 4, end_index: 5, title: '', url: 'u' } },
        { type: 'url_citation', url_citation: { start_index: 3, end_index: 6 } },
      ],
      document_citations: [
        { document_index: 1, title: 'D', cited_text: 'c', unit: 'page', start_index: 1, end_index: 2 },
      ],
    });
  });

  test('of pictures and sound', () => {
    const source = (mediaType: string) => ({ kind: 'base64', mediaType, data: 'AAAA' });
    expect(
      messageOf(
        { type: 'image', detail: null, source: source('image/png') },
        { type: 'audio', source: source('audio/wav') },
      ),
    ).toEqual({
      role: 'assistant',
      content: null,
      refusal: null,
      audio: { id: 'audio_01890a5dac96774bbcceb302099a8057', data: 'AAAA', transcript: '', expires_at: 0 },
      images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
    });
  });

  test.each<[FinishReason | null, string]>([
    ['stop', 'stop'],
    ['stop_sequence', 'stop'],
    ['length', 'length'],
    ['tool_calls', 'tool_calls'],
    ['content_filter', 'content_filter'],
    ['refusal', 'content_filter'],
    ['pause', 'stop'],
    ['malformed_tool_call', 'stop'],
    ['other', 'stop'],
    [null, 'stop'],
  ])('that ended by %s', (finish, written) => {
    expect(write(reply([candidate([], { finish })])).choices[0].finish_reason).toBe(written);
  });

  test('that is a refusal', () => {
    const [choice] = write(reply([candidate([{ type: 'refusal', text: 'no' }], { finish: 'refusal' })])).choices;
    expect(choice).toMatchObject({ message: { content: null, refusal: 'no' }, finish_reason: 'stop' });
  });

  test('with log probabilities', () => {
    const logprobs = [{ token: 'a', logprob: -1, bytes: [97], top: [{ token: 'b', logprob: -2, bytes: null }] }];
    expect(write(reply([candidate([text('a')], { logprobs })])).choices[0].logprobs).toEqual({
      content: [{ token: 'a', logprob: -1, bytes: [97], top_logprobs: [{ token: 'b', logprob: -2, bytes: null }] }],
      refusal: null,
    });
  });
});

describe('a stream', () => {
  const open = (streamUsage: boolean) =>
    openaiChatDialect.openWriter({ ...context, request: { ...context.request, streamUsage } });
  const dataOf = (written: string) =>
    written
      .split('\n\n')
      .filter((event) => event !== '')
      .map((event) => JSON.parse(event.slice('data: '.length)));

  test('event by event', () => {
    const writer = open(true);
    const events: [Exclude<ChatEvent, { type: 'end' | 'error' }>, object[]][] = [
      [{ type: 'start', id: 'msg_1', model: 'claude', usage: null }, [{ role: 'assistant' }]],
      [{ type: 'begin', candidate: 0, part: 0, kind: 'reasoning' }, []],
      [{ type: 'delta', candidate: 0, part: 0, kind: 'text', text: 'hm' }, [{ reasoning_content: 'hm' }]],
      [{ type: 'delta', candidate: 0, part: 0, kind: 'signature', signature: signed, redacted: false }, []],
      [{ type: 'close', candidate: 0, part: 0 }, []],
      [{ type: 'begin', candidate: 0, part: 1, kind: 'text' }, []],
      [{ type: 'delta', candidate: 0, part: 1, kind: 'text', text: 'Hi' }, [{ content: 'Hi' }]],
      [{ type: 'close', candidate: 0, part: 1 }, []],
      [
        { type: 'begin', candidate: 0, part: 2, kind: 'tool_call', id: 'c', name: 'f' },
        [{ tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '' } }] }],
      ],
      [
        { type: 'delta', candidate: 0, part: 2, kind: 'text', text: '{}' },
        [{ tool_calls: [{ index: 0, function: { arguments: '{}' } }] }],
      ],
      [{ type: 'close', candidate: 0, part: 2 }, []],
      [
        { type: 'finish', candidate: 0, finish: 'tool_calls', rawFinish: 'tool_use', stopSequence: null },
        [
          {
            reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'hm', signature: 'rs1.anthropic.abc' }],
          },
          {},
        ],
      ],
    ];
    for (const [event, deltas] of events) {
      const written = dataOf(writer.write(event));
      expect(written.map(({ choices }) => choices[0].delta)).toEqual(deltas);
      for (const chunk of written) {
        expect(chunk).toMatchObject({ id: 'msg_1', object: 'chat.completion.chunk', model: 'claude', usage: null });
      }
    }
    expect(dataOf(writer.write({ type: 'usage', usage: { ...NO_USAGE, inputTokens: 1, outputTokens: 2 } }))).toEqual([
      {
        id: 'msg_1',
        object: 'chat.completion.chunk',
        created: 1_741_569_952,
        model: 'claude',
        choices: [],
        usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
      },
    ]);
    expect(writer.end()).toBe('data: [DONE]\n\n');
  });

  test('without the usage that nobody asked for', () => {
    const writer = open(false);
    expect(writer.write({ type: 'start', id: null, model: null, usage: null })).not.toContain('usage');
    expect(writer.write({ type: 'usage', usage: { ...NO_USAGE, inputTokens: 1 } })).toBe('');
  });

  test('with a sign of life that is no event', () => {
    expect(open(false).write({ type: 'alive' })).toBe(': keep-alive\n\n');
  });
});
