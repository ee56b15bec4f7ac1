import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cohereChat } from '#gateway/providers/cohere/chat.ts';
import type { ChatEvent } from '#translation/chat/events.ts';

const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });

/** A stream of Cohere's with these words as thoughts, text and arguments. */
function stream(
  thoughts: readonly string[],
  words: readonly string[],
  args: readonly string[],
  lineEnd: string,
): Buffer {
  const content = (type: string, index: number, value: object) => ({
    type,
    index,
    delta: { message: { content: value } },
  });
  const call = (type: string, value: object) => ({ type, index: 0, delta: { message: { tool_calls: value } } });
  const events: { type: string }[] = [
    { type: 'message-start', ...{ id: 'c1' } },
    content('content-start', 0, { type: 'thinking', thinking: '' }),
    ...thoughts.map((thinking) => content('content-delta', 0, { thinking })),
    { type: 'content-end', ...{ index: 0 } },
    content('content-start', 1, { type: 'text', text: '' }),
    ...words.map((text) => content('content-delta', 1, { text })),
    { type: 'content-end', ...{ index: 1 } },
    call('tool-call-start', { id: 'call_1', type: 'function', function: { name: 'look', arguments: '' } }),
    ...args.map((json) => call('tool-call-delta', { function: { arguments: json } })),
    { type: 'tool-call-end', ...{ index: 0 } },
    { type: 'message-end', ...{ delta: { finish_reason: 'COMPLETE' } } },
  ];
  const text = events.map(
    (event) => `event: ${event.type}${lineEnd}data: ${JSON.stringify(event)}${lineEnd}${lineEnd}`,
  );
  return Buffer.from(text.join(''));
}

function read(chunks: readonly Buffer[]): ChatEvent[] {
  const events: ChatEvent[] = [];
  const reader = cohereChat.openReader();
  for (const chunk of chunks) reader.push(chunk, (event) => events.push(event));
  reader.close((event) => events.push(event));
  return events;
}

test('a stream gives the same events wherever it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 3 }),
      fc.array(word, { maxLength: 3 }),
      fc.array(word, { maxLength: 3 }),
      fc.constantFrom('\n', '\r\n'),
      fc.array(fc.nat(), { maxLength: 12 }),
      (thoughts, words, args, lineEnd, cuts) => {
        const bytes = stream(thoughts, words, args, lineEnd);
        const edges = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
        const chunks = edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
        const whole = read([bytes]);
        expect(read(chunks)).toEqual(whole);
        const texts = whole.flatMap((event) => (event.type === 'delta' && event.kind === 'text' ? [event.text] : []));
        expect(texts).toEqual([...thoughts, ...words, ...args]);
      },
    ),
  );
});
