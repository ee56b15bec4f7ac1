import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bedrockChat } from '#gateway/providers/bedrock/chat.ts';
import { behaviourSchema } from '#simulator/behaviour.ts';
import { readCall } from '#simulator/dialects/bedrock/converse.ts';
import { createRandom } from '#simulator/random.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { ChatReply } from '#translation/chat/reply.ts';

const schema = { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } };
const tools = [{ toolSpec: { name: 'weather', inputSchema: { json: schema } } }];

/** A request and the behaviour that together decide what an answer is made of. */
const asked = fc.record({
  words: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }).filter((text) => text.trim() !== ''),
  answerTokens: fc.nat(20),
  reasoningTokens: fc.nat(6),
  toolCalls: fc.nat(3),
  maxTokens: fc.integer({ min: 1, max: 30 }),
  usage: fc.constantFrom('full' as const, 'missing' as const, 'zero' as const),
});
type Asked = typeof asked extends fc.Arbitrary<infer Value> ? Value : never;

function answer(said: Asked, stream: boolean): Buffer {
  const { words, maxTokens, ...behaviour } = said;
  const call = readCall('anthropic.any', stream, {
    messages: [{ role: 'user', content: [{ text: words }] }],
    inferenceConfig: { maxTokens },
    toolConfig: { tools },
    additionalModelRequestFields: { thinking: { type: 'enabled' } },
  });
  if (call.kind !== 'call') throw new Error(JSON.stringify(call));
  const made = call.answer({
    seed: 1,
    behaviour: behaviourSchema.parse(behaviour),
    random: createRandom('property'),
    createdSeconds: 0,
    models: () => [],
  });
  if (made.kind === 'plain') return Buffer.from(made.body);
  return Buffer.concat([...made.events].map((event, at) => Buffer.from(made.framing!.encode(event, at))));
}

function read(bytes: Buffer, cuts: readonly number[]): ChatEvent[] {
  const reader = bedrockChat.openReader();
  const events: ChatEvent[] = [];
  const points = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < points.length; i++) {
    reader.push(bytes.subarray(points[i - 1], points[i]), (event) => events.push(event));
  }
  reader.close((event) => events.push(event));
  return events;
}

function collect(events: readonly ChatEvent[]): ChatReply {
  const collector = new ReplyCollector();
  for (const event of events) collector.take(event);
  return collector.reply();
}

describe('Bedrock streams', () => {
  test('give the same events whatever the chunk boundaries', () => {
    fc.assert(
      fc.property(asked, fc.array(fc.nat(), { maxLength: 60 }), (said, cuts) => {
        const bytes = answer(said, true);
        expect(read(bytes, cuts)).toEqual(read(bytes, []));
      }),
    );
  });

  test('make the answer that is given without streaming', () => {
    fc.assert(
      fc.property(asked, (said) => {
        expect(collect(read(answer(said, true), []))).toEqual(bedrockChat.readReply(answer(said, false)));
      }),
    );
  });

  test('one byte at a time, and never an event after the end', () => {
    const bytes = answer(
      { words: 'a', answerTokens: 3, reasoningTokens: 2, toolCalls: 0, maxTokens: 30, usage: 'full' },
      true,
    );
    const events = read(bytes, [...bytes.keys()]);
    expect(events).toEqual(read(bytes, []));
    expect(events.findIndex(({ type }) => type === 'end')).toBe(events.length - 1);
  });
});
