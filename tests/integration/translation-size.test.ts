import { expect, test } from 'vitest';
import { ADAPTERS } from '#gateway/providers/registry.ts';
import type { ChatDialect } from '#translation/chat/dialect.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import { anthropicDialect } from '#translation/dialects/anthropic/dialect.ts';
import { geminiDialect } from '#translation/dialects/gemini/dialect.ts';
import { openaiChatDialect } from '#translation/dialects/openai-chat/dialect.ts';
import { openaiResponsesDialect } from '#translation/dialects/openai-responses/dialect.ts';

/**
 * As many things as fit into a body that is allowed: what is as long as that must not be spread over the arguments of a call (a
 * RangeError), nor be searched once for each of its members (a worker that stands still).
 */
const MANY = 150_000;
const many = <Item>(make: (index: number) => Item): Item[] => Array.from({ length: MANY }, (_, index) => make(index));
const TARGET = { model: 'group', stream: false, framing: 'sse' } as const;
const FACTS = { upstreamModel: 'claude-sonnet-4-5', defaultMaxTokens: 4096, host: 'example.com' };
const TRANSLATIONS = Object.values(ADAPTERS).flatMap(({ kind, chat }) => (chat === null ? [] : [{ kind, chat }]));

function read(dialect: ChatDialect, body: object) {
  return dialect.readRequest(Buffer.from(JSON.stringify(body)), TARGET);
}

const text = { type: 'text', text: 'x' };
const call = (index: number) => ({ id: `c${index}`, type: 'function', function: { name: 'f', arguments: '{}' } });
const geminiCall = (index: number) => ({ functionCall: { id: `c${index}`, name: 'f', args: {} } });
const geminiResult = (index: number) => ({ functionResponse: { id: `c${index}`, name: 'f', response: {} } });

const BODIES: readonly (readonly [what: string, ChatDialect, () => object])[] = [
  ['parts', openaiChatDialect, () => ({ messages: [{ role: 'user', content: many(() => text) }] })],
  [
    'instructions',
    openaiChatDialect,
    () => ({
      messages: [
        { role: 'system', content: many(() => text) },
        { role: 'user', content: 'x' },
      ],
    }),
  ],
  ['messages', openaiChatDialect, () => ({ messages: many(() => ({ role: 'user', content: 'x' })) })],
  [
    'calls and results',
    openaiChatDialect,
    () => ({
      messages: [
        { role: 'user', content: 'x' },
        { role: 'assistant', tool_calls: many(call) },
        ...many((index) => ({ role: 'tool', tool_call_id: `c${index}`, content: 'x' })),
      ],
    }),
  ],
  [
    'fields',
    openaiChatDialect,
    () => ({ messages: [{ role: 'user', content: 'x', ...Object.fromEntries(many((at) => [`f${at}`, 1])) }] }),
  ],
  ['items', openaiResponsesDialect, () => ({ input: many(() => ({ role: 'user', content: 'x' })) })],
  [
    'instructions',
    openaiResponsesDialect,
    () => ({
      input: [
        { role: 'system', content: many(() => ({ type: 'input_text', text: 'x' })) },
        { role: 'user', content: 'x' },
      ],
    }),
  ],
  ['blocks', anthropicDialect, () => ({ max_tokens: 9, messages: [{ role: 'user', content: many(() => text) }] })],
  [
    'documents of one title',
    anthropicDialect,
    () => ({
      max_tokens: 9,
      messages: [
        {
          role: 'user',
          content: many(() => ({ type: 'document', title: 't', source: { type: 'text', data: 'x' } })),
        },
      ],
    }),
  ],
  ['parts', geminiDialect, () => ({ contents: [{ parts: many(() => ({ text: 'x' })) }] })],
  ['contents', geminiDialect, () => ({ contents: many(() => ({ role: 'user', parts: [{ text: 'x' }] })) })],
  [
    'calls, answered from the last to the first',
    geminiDialect,
    () => ({ contents: [{ role: 'model', parts: many(geminiCall) }, { parts: many(geminiResult).reverse() }] }),
  ],
  [
    'calls without ids',
    geminiDialect,
    () => ({
      contents: [
        { role: 'model', parts: many(() => ({ functionCall: { name: 'f' } })) },
        { parts: many(() => ({ functionResponse: { name: 'f', response: {} } })) },
      ],
    }),
  ],
];

test.each(BODIES)(`${MANY} %s are written for every provider`, (_, dialect, make) => {
  const request = read(dialect, { model: 'group', ...make() });
  for (const { kind, chat } of TRANSLATIONS) {
    const refusals = createRefusals(kind, true);
    expect(() => chat.writeRequest(request, FACTS, refusals), kind).not.toThrow(RangeError);
  }
});
