import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileRedactor } from '#core/redaction/redactor.ts';
import { RedactedStream } from '#gateway/flow/redacted-capture.ts';
import type { AnswerContext, RequestTarget } from '#translation/chat/dialect.ts';
import type { ModelPart } from '#translation/chat/parts.ts';
import { INGRESSES } from '#translation/dialects/routes.ts';
import { canariesIn, cutAt, EVERY_CANARY, plainText, textWithCanaries } from '../support/canaries.ts';
import { chatRequest } from '../support/chat-request.ts';
import { eventsOf } from '../support/reply-events.ts';

/** Streams of every dialect whose texts, thoughts and tool arguments hold canaries, in pieces of a few characters, in bytes cut anywhere. */
const redactor = compileRedactor({ detectors: ['email', 'phone', 'card', 'iban'], paths: [], patterns: [] })!;
const base = { at: '', cache: null };
const parts = (text: fc.Arbitrary<string>): fc.Arbitrary<ModelPart[]> =>
  fc
    .record({ thought: text, said: text, argument: text, refused: text })
    .map(({ thought, said, argument, refused }) => [
      { ...base, type: 'reasoning', text: thought, signature: null, redacted: null },
      { ...base, type: 'text', text: said, citations: [] },
      {
        ...base,
        type: 'tool_call',
        id: 'call_1',
        name: 'f',
        arguments: JSON.stringify({ deep: [{ to: argument }] }),
        signature: null,
      },
      { ...base, type: 'refusal', text: refused },
    ]);
const STREAMS = INGRESSES.flatMap((ingress) => {
  const framings: RequestTarget['framing'][] = ingress.name === 'gemini' ? ['sse', 'json-array'] : ['sse'];
  return ingress.chat === null ? [] : framings.map((framing) => ({ ingress, chat: ingress.chat!, framing }));
});

describe.each(STREAMS)('$ingress.name, $framing', ({ ingress, chat, framing }) => {
  const context: AnswerContext = {
    inferenceId: 'aaaaaaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa',
    createdUnixS: 1,
    request: chatRequest(),
    framing,
  };
  const write = (made: readonly ModelPart[], pieceLength: number, isEnded: boolean) => {
    const candidate = { index: 0, parts: made, finish: 'stop', stopSequence: null, logprobs: null } as const;
    const reply = { id: null, model: 'm', candidates: [candidate], usage: null, rawFinish: 'stop' };
    const writer = chat.openWriter(context);
    const events = [...eventsOf(reply, pieceLength)].map((event) => writer.write(event));
    return isEnded ? [...events, writer.end()].join('') : events.slice(0, Math.ceil(events.length * 0.7)).join('');
  };
  const keep = (stream: string, cuts: readonly number[], maxBytes = 65_536) => {
    const capture = new RedactedStream(redactor, maxBytes, ingress.openReassembler!);
    for (const chunk of cutAt(Buffer.from(stream), cuts)) capture.add(chunk);
    return Buffer.concat([...capture.pending]);
  };

  test('no canary is kept, whole or cut, whatever the pieces', () => {
    const run = fc.record({
      made: parts(textWithCanaries),
      pieceLength: fc.integer({ min: 1, max: 7 }),
      isEnded: fc.boolean(),
      cuts: fc.array(fc.nat(), { maxLength: 5 }),
      maxBytes: fc.constantFrom(65_536, 300, 900),
    });
    fc.assert(
      fc.property(run, ({ made, pieceLength, isEnded, cuts, maxBytes }) => {
        const stream = write(made, pieceLength, isEnded);
        expect(canariesIn(keep(stream, cuts, maxBytes))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test('of a whole stream every text is kept, without what is found', () => {
    const said = `Contact ${EVERY_CANARY.join(' ; ')} ; end of it`;
    const [kept] = fc.sample(parts(fc.constant(said)), 1).map((made) => keep(write(made, 3, true), []).toString());
    expect(kept!.match(/end of it/g)!.length).toBeGreaterThanOrEqual(3);
    expect(kept!.match(/\[redacted:iban\]/g)!.length).toBeGreaterThanOrEqual(9);
    fc.assert(
      fc.property(parts(plainText), fc.array(fc.nat(), { maxLength: 4 }), (made, cuts) => {
        expect(keep(write(made, 4, true), cuts).includes('[redacted')).toBe(false);
      }),
      { numRuns: 30 },
    );
  });
});
