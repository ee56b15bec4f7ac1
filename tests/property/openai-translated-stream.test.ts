import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openaiTranslation } from '#gateway/providers/openai/chat.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { AnswerContext } from '#translation/chat/dialect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { ModelPart } from '#translation/chat/parts.ts';
import type { ChatReply } from '#translation/chat/reply.ts';
import { NO_SETTINGS } from '#translation/chat/request.ts';
import { openaiChatDialect } from '#translation/dialects/openai-chat/dialect.ts';

const context: AnswerContext = {
  inferenceId: '01890a5d-ac96-774b-bcce-b302099a8057',
  createdUnixS: 1,
  request: {
    model: 'group',
    stream: true,
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
const said = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const reasoning = said.map((text) => ({ ...BASE, type: 'reasoning', text, signature: null, redacted: null }) as const);
const text = said.map((text) => ({ ...BASE, type: 'text', text, citations: [] }) as const);
const refusal = said.map((text) => ({ ...BASE, type: 'refusal', text }) as const);
const call = fc
  .record({ name: fc.constantFrom('f', 'g'), arguments: fc.json({ maxDepth: 1 }) })
  .map((made) => ({ ...BASE, type: 'tool_call', id: null, signature: null, ...made }) as const);
const optional = <Part>(part: fc.Arbitrary<Part>) => fc.array(part, { maxLength: 1 });

/** Parts in the order in which OpenAI's message has them. */
const parts: fc.Arbitrary<ModelPart[]> = fc
  .tuple(optional(reasoning), optional(text), optional(refusal), fc.array(call, { maxLength: 3 }))
  .map((lists) => lists.flat());
const count = fc.option(fc.nat(1_000_000), { nil: null });
const usage = fc.record({
  inputTokens: fc.nat(1_000),
  outputTokens: count,
  cachedTokens: count,
  cacheWriteTokens: count,
  reasoningTokens: count,
  audioInputTokens: count,
  audioOutputTokens: count,
});
const replies: fc.Arbitrary<ChatReply> = fc
  .record({ lists: fc.array(parts, { minLength: 1, maxLength: 2 }), length: fc.boolean(), usage })
  .map(({ lists, length, usage }) => ({
    id: 'a',
    model: 'm',
    usage,
    rawFinish: null,
    candidates: lists.map((made, index) => ({
      index,
      parts: made.map((part, at) => (part.type === 'tool_call' ? { ...part, id: `c${at}` } : part)),
      finish: length ? 'length' : finishOf(made),
      stopSequence: null,
      logprobs: null,
    })),
  }));

function finishOf(made: readonly ModelPart[]): 'tool_calls' | 'refusal' | 'stop' {
  if (made.some(({ type }) => type === 'tool_call')) return 'tool_calls';
  return made.some(({ type }) => type === 'refusal') ? 'refusal' : 'stop';
}

/** The events of an answer, its texts in pieces of `size` characters. */
function* eventsOf(reply: ChatReply, size: number): Generator<Exclude<ChatEvent, { type: 'end' | 'error' }>> {
  yield { type: 'start', id: reply.id, model: reply.model, usage: null };
  for (const { index: candidate, parts, finish } of reply.candidates) {
    for (const [part, made] of parts.entries()) {
      if (made.type === 'image' || made.type === 'audio') throw new Error('not here');
      if (made.type === 'tool_call')
        yield { type: 'begin', candidate, part, kind: made.type, id: made.id, name: made.name };
      else yield { type: 'begin', candidate, part, kind: made.type };
      const whole = made.type === 'tool_call' ? made.arguments : made.text;
      for (let at = 0; at < whole.length; at += size) {
        yield { type: 'delta', candidate, part, kind: 'text', text: whole.slice(at, at + size) };
      }
      yield { type: 'close', candidate, part };
    }
    yield { type: 'finish', candidate, finish: finish ?? 'other', rawFinish: null, stopSequence: null };
  }
  if (reply.usage !== null) yield { type: 'usage', usage: reply.usage };
}

function write(reply: ChatReply, size: number): string {
  const writer = openaiChatDialect.openWriter(context);
  return [...eventsOf(reply, size)].map((event) => writer.write(event)).join('') + writer.end();
}

function read(bytes: Buffer, sizes: readonly number[]): ChatEvent[] {
  const reader = openaiTranslation.openReader();
  const events: ChatEvent[] = [];
  const take = (event: ChatEvent) => void events.push(event);
  for (let from = 0, turn = 0; from < bytes.length; turn++) {
    const to = from + sizes[turn % sizes.length]!;
    reader.push(bytes.subarray(from, to), take);
    from = to;
  }
  reader.close(take);
  return events;
}

/** The provider's own word is not a neutral answer's; ids stay. */
const neutral = (reply: ChatReply): ChatReply => ({ ...reply, rawFinish: null });

test('events are the same wherever the stream is cut, in the middle of a character too', () => {
  fc.assert(
    fc.property(
      replies,
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
      fc.constantFrom('\n', '\r\n', '\r'),
      (reply, size, sizes, lineEnd) => {
        const stream = Buffer.from(write(reply, size).replaceAll('\n', lineEnd));
        expect(read(stream, sizes)).toEqual(read(stream, [stream.length]));
      },
    ),
  );
});

test('a stream that is written and read again is the answer that it was written of, and so is the plain one', () => {
  fc.assert(
    fc.property(replies, fc.integer({ min: 1, max: 5 }), (reply, size) => {
      const collector = new ReplyCollector();
      for (const event of read(Buffer.from(write(reply, size)), [64])) collector.take(event);
      expect(neutral(collector.reply())).toEqual(reply);
      const plain = openaiTranslation.readReply(Buffer.from(openaiChatDialect.writeReply(reply, context)));
      expect(neutral(plain)).toEqual(reply);
    }),
  );
});
