import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openaiTranslation } from '#gateway/providers/openai/chat.ts';
import { behaviourSchema } from '#simulator/behaviour.ts';
import { readChat } from '#simulator/dialects/openai/chat.ts';
import { createRandom } from '#simulator/random.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { ChatReply } from '#translation/chat/reply.ts';

const functionOf = (name: string) => {
  return {
    type: 'function',
    function: { name, parameters: { type: 'object', properties: { a: { type: 'string' } } } },
  };
};
const requests = fc.record({
  max_tokens: fc.option(fc.integer({ min: 1, max: 20 }), { nil: null }),
  n: fc.constantFrom(1, 2),
  tools: fc.constantFrom([functionOf('f'), functionOf('g')], [functionOf('f')]),
  reasoning_effort: fc.constantFrom(null, 'low'),
  logprobs: fc.boolean(),
  stop: fc.constantFrom(null, ' the', ['hook', 'jab']),
});
const behaviours = fc.record({
  answerTokens: fc.integer({ min: 0, max: 20 }),
  reasoningTokens: fc.integer({ min: 0, max: 5 }),
  toolCalls: fc.constantFrom(null, 0, 1, 3),
  finish: fc.constantFrom(null, 'content_filter' as const, 'refusal' as const),
  usage: fc.constantFrom('full' as const, 'missing' as const, 'zero' as const, 'on-last-choice' as const),
  eventSeparator: fc.constantFrom('\n\n' as const, '\r\n\r\n' as const),
});

type Request = typeof requests extends fc.Arbitrary<infer R> ? R : never;
type Behaviour = typeof behaviours extends fc.Arbitrary<infer B> ? B : never;

function answer(request: Request, behaviour: Behaviour, more: object) {
  const messages = [{ role: 'user', content: 'How is the weather?' }];
  const call = readChat({ model: 'gpt-5', messages, ...request, ...more });
  if (call.kind !== 'call') throw new Error(JSON.stringify(call));
  const context = { seed: 1, random: createRandom('ids'), createdSeconds: 1, models: () => [] };
  return call.answer({ ...context, behaviour: behaviourSchema.parse(behaviour) });
}

function readStream(stream: Buffer, size: number): ChatReply {
  const reader = openaiTranslation.openReader();
  const collector = new ReplyCollector();
  for (let from = 0; from < stream.length; from += size) {
    reader.push(stream.subarray(from, from + size), (event) => collector.take(event));
  }
  reader.close((event) => collector.take(event));
  return collector.reply();
}

test('what a stream of the simulator says is what its plain answer says', () => {
  fc.assert(
    fc.property(requests, behaviours, fc.integer({ min: 1, max: 200 }), (request, behaviour, size) => {
      const plain = answer(request, behaviour, {});
      const made = answer(request, behaviour, { stream: true, stream_options: { include_usage: true } });
      if (plain.kind !== 'plain' || made.kind !== 'stream') throw new Error('not as asked');
      const events = [...made.events, { data: '[DONE]' }].map(({ data }) => `data: ${data}${behaviour.eventSeparator}`);
      const whole = openaiTranslation.readReply(Buffer.from(plain.body));
      expect(readStream(Buffer.from(events.join('')), size)).toEqual(withoutEmptyLogprobs(whole));
    }),
  );
});

/** A stream cannot say that there are none of nothing. */
function withoutEmptyLogprobs(reply: ChatReply): ChatReply {
  const candidates = reply.candidates.map((candidate) => ({
    ...candidate,
    logprobs: candidate.logprobs?.length === 0 ? null : candidate.logprobs,
  }));
  return { ...reply, candidates };
}
