import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type BehaviourInput, behaviourSchema } from '#simulator/behaviour.ts';
import { readChat } from '#simulator/dialects/openai/chat.ts';
import { createRandom } from '#simulator/random.ts';

/** Answers in plain text stay as they are, byte for byte: measurements of different days are compared. */
const ask = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Who are you, and why?' }] };
const parts = [
  { type: 'text', text: 'Look' },
  { type: 'image_url', image_url: { url: 'https://example.com/ring.png' } },
];

function answer(body: object, behaviour: BehaviourInput): string {
  const call = readChat(body);
  if (call.kind !== 'call') throw new Error(`refused: ${JSON.stringify(call)}`);
  const context = { seed: 7, random: createRandom('ids'), createdSeconds: 1_700_000_000, models: () => [] };
  const made = call.answer({ ...context, behaviour: behaviourSchema.parse(behaviour) });
  if (made.kind === 'plain') return `${made.tokens} ${made.body}`;
  return `${made.tokens} ${[...made.events].map(({ data, tokens }) => `${tokens} ${data}`).join('\n')}`;
}

const stream = { stream: true, stream_options: { include_usage: true } };

test.each<[string, object, BehaviourInput, string]>([
  ['plain', {}, {}, '0f019a1c08f9ec93'],
  ['stream', { stream: true }, {}, 'e45be80bf81c8873'],
  ['stream with usage', stream, {}, '9512a890d5f94642'],
  [
    'candidates and a limit',
    { n: 2, max_tokens: 10 },
    { reasoningTokens: 4, cachedPromptTokens: 2 },
    'de1d6cdc6ea1d73a',
  ],
  ['the same as a stream', { n: 2, max_tokens: 10, ...stream }, { reasoningTokens: 4 }, 'd321e8bd83628483'],
  ['usage on the last choice', stream, { usage: 'on-last-choice' }, '5ca7e11afac3d175'],
  ['no usage', stream, { usage: 'missing' }, 'e45be80bf81c8873'],
  ['zero usage', {}, { usage: 'zero' }, '707acaf4cc71c5b3'],
  [
    'parts',
    {
      messages: [
        { role: 'system', content: 'Be brief' },
        { role: 'user', content: parts },
      ],
    },
    {},
    '189c3bd4c80761d4',
  ],
  [
    'tools that are not called',
    { tools: [{ type: 'function', function: { name: 'f' } }] },
    { answerTokens: 0 },
    'b1d02ea7d51acae4',
  ],
])('%s', (_, more, behaviour, digest) => {
  expect(
    createHash('sha256')
      .update(answer({ ...ask, ...more }, behaviour))
      .digest('hex')
      .slice(0, 16),
  ).toBe(digest);
});
