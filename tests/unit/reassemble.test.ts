import { expect, test } from 'vitest';
import { openReassembler } from '#translation/dialects/openai-chat/reassemble.ts';

const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const open = (maxHeld = 100_000, lookAhead = 10) => openReassembler({ maxHeld, lookAhead });
const message = (text: string, reassembler = open()) => {
  reassembler.push(Buffer.from(text));
  return JSON.parse(reassembler.message().text);
};
const chunk = (delta: object, more: object = {}) => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: null, ...more }],
});

test('a chat with tool calls, refusals and usage is what it would have been without a stream', () => {
  const call = (part: object) => chunk({ tool_calls: [{ index: 0, ...part }] });
  const text = [
    chunk({ role: 'assistant', content: '' }),
    chunk({ content: 'Hel' }),
    chunk({ content: 'lo' }),
    chunk({ content: 'lo' }),
    call({ id: 'call_1', type: 'function', function: { name: 'send', arguments: '' } }),
    call({ function: { arguments: '{"to":' } }),
    call({ function: { arguments: '"x"}' } }),
    chunk({ tool_calls: [{ index: 1, id: 'call_2', type: 'function', function: { name: 'b', arguments: '{}' } }] }),
    chunk({}, { finish_reason: 'tool_calls' }),
    { id: 'c1', object: 'chat.completion.chunk', choices: [], usage: { prompt_tokens: 3 } },
  ];
  expect(message(`: comment\n\n${text.map(event).join('')}data: [DONE]\n\n`)).toEqual({
    id: 'c1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [
      {
        index: 0,
        finish_reason: 'tool_calls',
        message: {
          role: 'assistant',
          content: 'Hellolo',
          tool_calls: [
            { index: 0, id: 'call_1', type: 'function', function: { name: 'send', arguments: '{"to":"x"}' } },
            { index: 1, id: 'call_2', type: 'function', function: { name: 'b', arguments: '{}' } },
          ],
        },
      },
    ],
    usage: { prompt_tokens: 3 },
  });
});

test('completions, several choices, names sent with each chunk, token probabilities left out', () => {
  const text = [
    { object: 'text_completion', choices: [{ index: 1, text: 'b' }] },
    { object: 'text_completion', choices: [{ index: 0, text: 'a', logprobs: { tokens: ['a'] } }] },
    { object: 'text_completion', choices: [{ index: 1, text: 'c', finish_reason: 'stop' }] },
    { object: 'text_completion', choices: [{ index: 0, delta: { role: 'assistant' } }] },
    { object: 'text_completion', choices: [{ index: 0, delta: { role: 'assistant' } }] },
  ];
  expect(message(text.map(event).join(''))).toEqual({
    object: 'text_completion',
    choices: [
      { index: 1, text: 'bc', finish_reason: 'stop' },
      { index: 0, text: 'a', logprobs: {}, message: { role: 'assistant' } },
    ],
  });
});

test('parts without an index, as of content that is a list, go on in the last one; a choice without one is the first', () => {
  const text = [
    { choices: [{ delta: { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'al' }] }] } }] },
    { choices: [{ delta: { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'ice' }] }] } }] },
    { choices: [{ delta: { content: [{ type: 'text', text: 'a' }] } }] },
    { choices: [{ delta: { content: [{ type: 'text', text: 'b' }] } }] },
    { choices: [{ delta: { annotations: [{ type: 'link', url: 'x' }] } }] },
    { choices: [{ delta: { annotations: [{ type: 'link', url: 'y' }] } }] },
  ];
  expect(message(text.map(event).join(''))).toEqual({
    choices: [
      {
        index: 0,
        message: {
          content: [
            { type: 'thinking', thinking: [{ type: 'text', text: 'alice' }] },
            { type: 'text', text: 'ab' },
          ],
          annotations: [
            { type: 'link', url: 'x' },
            { type: 'link', url: 'y' },
          ],
        },
      },
    ],
  });
});

test('line ends, several data lines, a byte order mark, an end without a blank line', () => {
  const text = `\ufeffdata: {"choices":[{"index":0,\r\ndata: "delta":{"content":"a"}}]}\r\n\r\ndata:{"choices":[{"index":0,"delta":{"content":"b"}}]}`;
  expect(message(text)).toEqual({ choices: [{ index: 0, message: { content: 'ab' } }] });
});

test('what is no JSON object is counted and not kept', () => {
  expect(message(`data: secret\n\ndata: [1]\n\n${event(chunk({ content: 'a' }))}`)).toMatchObject({
    unreadable_events: 2,
    choices: [{ message: { content: 'a' } }],
  });
  const long = open();
  long.push(Buffer.from(`data: {"secret":"${'x'.repeat(5_000_000)}`));
  long.push(Buffer.from(`more"}\r\n\r\n${event({ id: 'c' })}`));
  expect(JSON.parse(long.message().text)).toEqual({ id: 'c', unreadable_events: 1 });
  // Lines with nothing in them take memory, too.
  const empty = open();
  for (let lines = 0; lines <= 1_048_576; lines += 1_024) empty.push(Buffer.from('data:\n'.repeat(1_024)));
  expect(message(`data: {"secret":"x"}\n\n${event({ id: 'd' })}`, empty)).toEqual({ id: 'd', unreadable_events: 1 });
});

test('memory is bounded; a text that goes on in what was dropped loses its end', () => {
  const held = open(400, 10);
  for (let i = 0; i < 1_000; i++)
    held.push(Buffer.from(event(chunk({ content: 'x'.repeat(20), other: [{ a: 'y' }] }))));
  const { text: kept, isWhole } = held.message();
  expect(isWhole).toBe(false);
  expect(kept.length).toBeLessThan(1_000);
  expect(JSON.parse(kept).choices[0].message.content).toMatch(/^x+$/);
  const exact = open(400, 10);
  exact.push(Buffer.from(event({ choices: [{ delta: { content: 'x'.repeat(1_000) } }] })));
  expect(JSON.parse(exact.message().text).choices[0].message.content.length).toBeLessThan(400 - 10);
});

test('keys with a meaning for JavaScript are only keys', () => {
  const text =
    'data: {"__proto__":{"x":1},"choices":[{"index":0,"delta":{"__proto__":{"y":"z"},"constructor":"c"}}]}\n\n';
  const reassembler = open();
  reassembler.push(Buffer.from(text));
  expect(reassembler.message().text).toBe(
    '{"__proto__":{"x":1},"choices":[{"index":0,"message":{"__proto__":{"y":"z"},"constructor":"c"}}]}',
  );
  expect(({} as Record<string, unknown>)['y']).toBeUndefined();
});

test.each<[string, string, boolean]>([
  ['everything', event(chunk({ content: 'a' }, { logprobs: { content: [] } })), true],
  ['an event that is no JSON', `data: x\n\n${event(chunk({ content: 'a' }))}`, false],
  ['a text that does not fit', event(chunk({ content: 'x'.repeat(2_000) })), false],
  ['a key that does not fit', event(chunk({ ['k'.repeat(2_000)]: 1 })), false],
  ['a list in a list', event(chunk({ points: [[1, 2]] })), false],
])('it knows whether it is whole: %s', (_, text, isWhole) => {
  const reassembler = open(1_000, 10);
  reassembler.push(Buffer.from(text));
  expect(reassembler.message().isWhole).toBe(isWhole);
});

const LONG = 'k'.repeat(100_000);
test.each<[string, (index: number) => unknown]>([
  ['keys of deltas', (index) => chunk({ [`${index}${LONG}`]: '' })],
  ['keys without a value', (index) => chunk({ [`${index}${LONG}`]: null })],
  ['keys of objects and lists', (index) => chunk({ [`${index}${LONG}`]: index % 2 === 0 ? {} : [] })],
  ['keys of chunks', (index) => ({ [`${index}${LONG}`]: 1 })],
  ['values that replace short ones', (index) => (index < 100 ? { [index]: 1 } : { [index - 100]: LONG })],
  ['finish reasons', (index) => ({ choices: [{ index, finish_reason: LONG }] })],
])('nothing grows past the budget: %s', (_, of) => {
  const reassembler = open(70_000, 10);
  for (let index = 0; index < 200; index++) reassembler.push(Buffer.from(event(of(index))));
  const { text, isWhole } = reassembler.message();
  expect(text.length).toBeLessThan(70_000);
  expect(isWhole).toBe(false);
});

test.each([
  ['objects', '{"a":', '}'],
  ['lists', '[', ']'],
  ['objects in lists', '[{"a":', '}]'],
])('nesting does not overflow the stack: %s', (_, before, behind) => {
  const deep = `${before.repeat(100_000)}1${behind.repeat(100_000)}`;
  for (const text of [`{"choices":[{"index":0,"delta":{"x":${deep}}}]}`, `{"x":${deep}}`]) {
    const reassembler = open(1_052_672, 10);
    reassembler.push(Buffer.from(`data: ${text}\n\n`));
    expect(() => reassembler.message()).not.toThrow();
  }
});
