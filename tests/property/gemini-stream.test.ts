import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readReply } from '#gateway/providers/google/chat-reply.ts';
import { openReader } from '#gateway/providers/google/chat-stream.ts';
import { openStream } from '#gateway/providers/google/stream.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { AnswerContext } from '#translation/chat/dialect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { NO_SETTINGS } from '#translation/chat/request.ts';
import { openReassembler } from '#translation/dialects/gemini/reassemble.ts';
import { writeReply } from '#translation/dialects/gemini/reply.ts';
import { openWriter } from '#translation/dialects/gemini/stream.ts';
import { type Frame, openFrames } from '#translation/wires/gemini/frames.ts';

/** Whatever may stand in a text: quotes, brackets, escapes, characters of several bytes, half of one. */
const text = fc.string({
  unit: fc.constantFrom('a', '"', '\\', '{', ']', '\n', 'ö', '𝄞', ' ', 'data: ', '\u2028'),
  minLength: 1,
  maxLength: 6,
});
const part = fc.oneof(
  fc.record({ text }),
  fc.record({ text, thought: fc.constant(true) }),
  fc.record({ text, thought: fc.constant(true), thoughtSignature: fc.constant('U0lH') }),
  fc.record({ text, thoughtSignature: fc.constant('VA==') }),
  fc.record({ functionCall: fc.record({ name: fc.constant('f'), id: text, args: fc.dictionary(text, text) }) }),
  fc.record({ inlineData: fc.constant({ mimeType: 'image/png', data: 'AAAA' }) }),
);
const plan = fc.record({
  parts: fc.array(part, { minLength: 1, maxLength: 6 }),
  finish: fc.constantFrom('STOP', 'MAX_TOKENS', 'SAFETY'),
});
const usageMetadata = { promptTokenCount: 3, candidatesTokenCount: 4, thoughtsTokenCount: 1 };

/** As Google streams them: one piece at a time, texts in pieces, the reason at the end. */
function responsesOf({ parts, finish }: { parts: readonly object[]; finish: string }): object[] {
  const pieces = parts.map((made) => ({
    candidates: [{ content: { parts: [made], role: 'model' } }],
    usageMetadata: { promptTokenCount: 3 },
  }));
  return [...pieces, { candidates: [{ content: { parts: [{ text: '' }] }, finishReason: finish }], usageMetadata }];
}
const framed = (responses: readonly object[], framing: 'sse' | 'json-array', lineEnd = '\n') =>
  framing === 'sse'
    ? responses.map((response) => `data: ${JSON.stringify(response)}${lineEnd}${lineEnd}`).join('')
    : `[${responses.map((response) => JSON.stringify(response)).join('\n,\r\n')}\n]\n`;

const cuts = fc.array(fc.nat(2_000), { maxLength: 12 });
function cut(whole: string, at: readonly number[]): Buffer[] {
  const bytes = Buffer.from(whole);
  const edges = [0, ...new Set(at.map((place) => place % (bytes.length + 1))), bytes.length].toSorted((a, b) => a - b);
  return edges.slice(1).map((to, index) => bytes.subarray(edges[index], to));
}

function eventsOf(chunks: readonly Buffer[]): ChatEvent[] {
  const reader = openReader();
  const events: ChatEvent[] = [];
  for (const chunk of chunks) reader.push(chunk, (event) => events.push(event));
  reader.close((event) => events.push(event));
  return events;
}

const framing = fc.constantFrom('sse' as const, 'json-array' as const);
const lineEnd = fc.constantFrom('\n', '\r\n');

describe('Gemini streams, cut anywhere', () => {
  test('are read alike, and make the plain answer', () => {
    fc.assert(
      fc.property(plan, cuts, lineEnd, (planned, at, end) => {
        const whole = framed(responsesOf(planned), 'sse', end);
        const events = eventsOf(cut(whole, at));
        expect(events).toEqual(eventsOf([Buffer.from(whole)]));
        const collector = new ReplyCollector();
        for (const event of events) collector.take(event);
        const plain = {
          candidates: [{ content: { parts: planned.parts }, finishReason: planned.finish }],
          usageMetadata,
        };
        expect(collector.reply()).toEqual(readReply(Buffer.from(JSON.stringify(plain))));
      }),
    );
  });

  test('pass as the bytes that they are, the end last', () => {
    fc.assert(
      fc.property(plan, cuts, lineEnd, framing, (planned, at, end, given) => {
        const whole = framed(responsesOf(planned), given, end);
        const tap = openStream(given);
        let passed = '';
        let last = '';
        for (const chunk of cut(whole, at)) {
          const { forward, terminal } = tap.push(chunk);
          passed += forward?.toString('latin1') ?? '';
          last += terminal?.toString('latin1') ?? '';
        }
        last += tap.flush()?.toString('latin1') ?? '';
        expect(
          Buffer.from(passed + last, 'latin1')
            .toString()
            .trimEnd(),
        ).toBe(whole.trimEnd());
        expect(last).toContain('"finishReason"');
        expect(passed).not.toContain('"finishReason"');
        expect(tap.facts()).toMatchObject({ finishReason: planned.finish, usage: { inputTokens: 3, outputTokens: 5 } });
      }),
    );
  });

  test('have the same frames', () => {
    const framesOf = (chunks: readonly Buffer[], given: 'sse' | 'json-array') => {
      const frames = openFrames(given, 1_000_000);
      const found: Frame[] = [];
      for (const chunk of chunks) frames.push(chunk, (frame) => found.push(frame));
      frames.close((frame) => found.push(frame));
      return found.map(({ bytes, json, isEnd }) => [bytes.toString('latin1'), json?.toString('latin1'), isEnd]);
    };
    fc.assert(
      fc.property(plan, cuts, lineEnd, framing, (planned, at, end, given) => {
        const responses = responsesOf(planned);
        const whole = framed(responses, given, end);
        const found = framesOf(cut(whole, at), given);
        expect(found).toEqual(framesOf([Buffer.from(whole)], given));
        const json = found.flatMap(([, body]) =>
          typeof body === 'string' ? [JSON.parse(Buffer.from(body, 'latin1').toString())] : [],
        );
        expect(json).toEqual(responses);
      }),
    );
  });

  test('frames that are too large come in pieces, and the next one is whole', () => {
    fc.assert(
      fc.property(cuts, framing, (at, given) => {
        const large = { candidates: [{ content: { parts: [{ text: 'x'.repeat(500) }] } }] };
        const whole = framed([{ a: 1 }, large, { b: 2 }], given);
        const frames = openFrames(given, 100);
        let passed = '';
        const json: unknown[] = [];
        const take = (frame: Frame) => {
          passed += frame.bytes.toString();
          if (frame.json !== null) json.push(JSON.parse(frame.json.toString()));
        };
        // Only what is held is bounded: a frame that comes in one chunk is never held.
        for (const chunk of cut(whole, [...at, 150, 250, 350])) frames.push(chunk, take);
        frames.close(take);
        expect(passed).toBe(whole);
        expect(json[0]).toEqual({ a: 1 });
        expect(json.at(-1)).toEqual({ b: 2 });
      }),
    );
  });

  test('are put together for the log alike, and hold every text whole', () => {
    fc.assert(
      fc.property(plan, cuts, framing, (planned, at, given) => {
        const whole = framed(responsesOf(planned), given);
        const messageOf = (chunks: readonly Buffer[]) => {
          const reassembler = openReassembler({ maxHeld: 100_000, lookAhead: 10 });
          for (const chunk of chunks) reassembler.push(chunk);
          return reassembler.message();
        };
        const message = messageOf(cut(whole, at));
        expect(message).toEqual(messageOf([Buffer.from(whole)]));
        expect(message.isWhole).toBe(true);
        const [candidate] = JSON.parse(message.text).candidates;
        const said = (parts: readonly { text?: string }[]) => parts.map(({ text: piece }) => piece ?? '').join('');
        expect(said(candidate.content.parts)).toBe(said(planned.parts as { text?: string }[]));
        expect(candidate.finishReason).toBe(planned.finish);
      }),
    );
  });
});

test('what a stream writes is what the plain answer says', () => {
  const context = (given: AnswerContext['framing']): AnswerContext => ({
    ...{ inferenceId: '01890000-0000-7000-8000-0123456789ab', createdUnixS: 1, framing: given },
    request: {
      ...{ model: 'g', stream: true, streamUsage: true, system: [], messages: [], tools: [], spelling: {}, extras: [] },
      settings: { ...NO_SETTINGS, reasoning: { effort: null, budgetTokens: null, show: true, adaptive: false } },
    },
  });
  fc.assert(
    fc.property(plan, framing, (planned, given) => {
      const events = eventsOf([Buffer.from(framed(responsesOf(planned), 'sse'))]);
      const writer = openWriter(context(given));
      const collector = new ReplyCollector();
      let written = '';
      for (const event of events) {
        collector.take(event);
        if (event.type !== 'end' && event.type !== 'error') written += writer.write(event);
      }
      written += writer.end();
      const bodies =
        given === 'sse'
          ? written
              .split('\n\n')
              .filter(Boolean)
              .map((event) => JSON.parse(event.slice(6)))
          : JSON.parse(written);
      // Put together by our own reader of Google's streams, and of its plain answers.
      const again = new ReplyCollector();
      for (const event of eventsOf([Buffer.from(framed(bodies, 'sse'))])) again.take(event);
      const plain = readReply(Buffer.from(writeReply(collector.reply(), context(given))));
      expect(again.reply()).toEqual(plain);
    }),
  );
});
