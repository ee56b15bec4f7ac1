import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { called, refused, replyOf, said, thought } from '#tests/support/model-parts.ts';
import { eventsOf } from '#tests/support/reply-events.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { ModelPart, Signature } from '#translation/chat/parts.ts';
import { SIGNATURE_ORIGINS } from '#translation/chat/parts.ts';
import { FINISH_REASONS } from '#translation/chat/reply.ts';
import { responseOf, writeReply } from '#translation/dialects/openai-responses/reply.ts';
import { readRequest } from '#translation/dialects/openai-responses/request.ts';
import { openWriter } from '#translation/dialects/openai-responses/stream.ts';

const TARGET = { model: null, stream: null, framing: 'sse' } as const;
const request = readRequest(Buffer.from('{"model":"group","input":"Hi"}'), TARGET);
const context = {
  inferenceId: '019ad0c6-2c1e-7abc-8def-0123456789ab',
  createdUnixS: 1,
  request,
  framing: 'sse',
} as const;

type Written = Exclude<ChatEvent, { type: 'end' | 'error' }>;
type Event = { type: string; sequence_number: number; [key: string]: unknown };

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const signature: fc.Arbitrary<Signature> = fc.record({
  origin: fc.constantFrom(...SIGNATURE_ORIGINS),
  value: fc.string({ minLength: 1, maxLength: 12 }).filter((value) => !value.startsWith('rs1')),
});
const part: fc.Arbitrary<ModelPart> = fc.oneof(
  text.map((value) => said(value)),
  text.map((value) => refused(value)),
  // Only what a reader can tell apart: OpenAI's own value is encrypted where nothing is shown beside it, else a signature.
  fc
    .record({ value: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), signed: fc.option(signature) })
    .map(({ value, signed }) => thought(value, { signature: signed })),
  signature.map((redacted) => thought('', { redacted })),
  fc
    .record({ id: fc.uuid(), args: text, signed: fc.option(signature) })
    .map(({ id, args, signed }) => called('f', args, { id, signature: signed })),
);
const reply = fc
  .record({ parts: fc.array(part, { maxLength: 6 }), finish: fc.constantFrom(...FINISH_REASONS) })
  .map(({ parts, finish }) => replyOf(parts, { finish }));

/** Parts that are open at the same time: each event keeps its place among those of its part, and parts begin in order. */
function interleave(events: readonly Written[], choices: readonly number[]): Written[] {
  const partOf = (event: Written) => ('part' in event ? event.part : null);
  const [head, tail] = [events.slice(0, 1), events.filter((event) => partOf(event) === null).slice(1)];
  const queues = new Map<number, Written[]>();
  for (const event of events) {
    const number = partOf(event);
    if (number !== null) queues.set(number, [...(queues.get(number) ?? []), event]);
  }
  const mixed: Written[] = [];
  const open = [...queues.values()];
  let begun = 0;
  for (let turn = 0; open.some((queue) => queue.length > 0); turn++) {
    const ready = open.filter((queue, index) => queue.length > 0 && index <= begun);
    const queue = ready[(choices[turn % choices.length] ?? 0) % ready.length]!;
    if (queue[0]?.type === 'begin') begun++;
    mixed.push(queue.shift()!);
  }
  return [...head, ...mixed, ...tail];
}

function write(events: readonly Written[]): Event[] {
  const writer = openWriter(context);
  const stream = events.map((event) => writer.write(event)).join('') + writer.end();
  return stream
    .split('\n\n')
    .slice(0, -1)
    .map((block) => {
      const [name, data] = block.split('\n');
      const event = JSON.parse(data!.slice('data: '.length)) as Event;
      expect(name).toBe(`event: ${event.type}`);
      return event;
    });
}

describe('Responses dialect', () => {
  test('a stream ends with the plain answer, its items are the answer, its deltas their texts', () => {
    fc.assert(
      fc.property(
        reply,
        fc.integer({ min: 1, max: 7 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 20 }),
        (whole, pieceLength, choices) => {
          const events = interleave([...eventsOf(whole, pieceLength)], choices);
          const collector = new ReplyCollector();
          for (const event of events) collector.take(event);
          const written = write(events);
          const last = written.at(-1)!;
          const response = last['response'] as { output: { status?: string }[]; status: string };
          expect(response).toEqual(JSON.parse(writeReply(collector.reply(), context)));
          expect(last.type).toBe(`response.${response.status}`);
          expect(written.map((event) => event.sequence_number)).toEqual(written.map((_, index) => index));
          const done = written.filter(({ type }) => type === 'response.output_item.done');
          const items = done
            .sort((a, b) => Number(a['output_index']) - Number(b['output_index']))
            .map(({ item }) => item);
          // Where parts were open together, an item may have ended before it was known that the answer was cut.
          const unmarked = (list: unknown[]) => list.map((item) => ({ ...(item as object), status: '' }));
          expect(unmarked(items)).toEqual(unmarked(response.output));
          const deltas = written.filter(({ type }) => /_text\.delta$|refusal\.delta$|arguments\.delta$/.test(type));
          const said = deltas.reduce<Record<number, string>>((texts, event) => {
            const index = Number(event['output_index']);
            return Object.assign(texts, { [index]: `${texts[index] ?? ''}${String(event['delta'])}` });
          }, {});
          whole.candidates[0]?.parts.forEach((each, index) => {
            expect(said[index] ?? '').toBe(
              each.type === 'tool_call' ? each.arguments : 'text' in each ? each.text : '',
            );
          });
        },
      ),
    );
  });

  test('parts one after the other: the last item says itself that it was cut', () => {
    fc.assert(
      fc.property(reply, (whole) => {
        const written = write([...eventsOf(whole)]);
        const response = written.at(-1)?.['response'] as { output: unknown[] };
        const done = written.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item);
        expect(done).toEqual(response.output);
      }),
    );
  });

  test('what an answer said is read again when it is sent back', () => {
    fc.assert(
      fc.property(reply, (whole) => {
        const { output } = responseOf(whole, context);
        const body = { model: 'group', input: [{ role: 'user', content: 'Hi' }, ...(output as object[])] };
        const { messages } = readRequest(Buffer.from(JSON.stringify(body)), TARGET);
        const parts = messages.flatMap((message) => (message.role === 'assistant' ? message.parts : []));
        expect(parts.map((each) => ({ ...each, at: '' }))).toEqual(whole.candidates[0]?.parts);
      }),
    );
  });
});
