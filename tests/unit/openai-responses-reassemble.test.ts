import { expect, test } from 'vitest';
import { openReassembler } from '#translation/dialects/openai-responses/reassemble.ts';

const event = (type: string, fields: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
const open = (maxHeld = 100_000, lookAhead = 10) => openReassembler({ maxHeld, lookAhead });
const messageOf = (text: string, reassembler = open()) => {
  reassembler.push(Buffer.from(text));
  const { text: json, isWhole } = reassembler.message();
  return { ...JSON.parse(json), isWhole };
};

const created = event('response.created', {
  response: { id: 'resp_1', status: 'in_progress', output: [], usage: null },
});
const added = (index: number, item: object) => event('response.output_item.added', { output_index: index, item });
const done = (index: number, item: object) => event('response.output_item.done', { output_index: index, item });
const delta = (kind: string, index: number, text: string, more: object = {}) =>
  event(`response.${kind}.delta`, { output_index: index, delta: text, obfuscation: 'xyz', ...more });

test('texts of every kind grow where they stand, until a stream breaks off', () => {
  const text = [
    created,
    added(0, { id: 'rs_1', type: 'reasoning', summary: [] }),
    delta('reasoning_summary_text', 0, 'Let ', { summary_index: 0 }),
    delta('reasoning_summary_text', 0, 'me', { summary_index: 0 }),
    delta('reasoning_summary_text', 0, 'Two', { summary_index: 1 }),
    added(1, { id: 'msg_1', type: 'message', content: [] }),
    delta('output_text', 1, 'my card is 4111', { content_index: 0, logprobs: [{ token: '4111' }] }),
    added(2, { id: 'fc_1', type: 'function_call', name: 'f', arguments: '' }),
    delta('output_text', 1, '1111', { content_index: 0 }),
    delta('refusal', 1, 'No', { content_index: 1 }),
    delta('function_call_arguments', 2, '{"a"'),
    delta('function_call_arguments', 2, ':1}'),
    delta('new_kind', 3, 'sec'),
    delta('new_kind', 3, 'ret'),
  ].join('');
  expect(messageOf(text)).toEqual({
    id: 'resp_1',
    status: 'in_progress',
    usage: null,
    output: [
      {
        id: 'rs_1',
        type: 'reasoning',
        summary: [
          { type: 'summary_text', text: 'Let me' },
          { type: 'summary_text', text: 'Two' },
        ],
      },
      {
        id: 'msg_1',
        type: 'message',
        content: [
          { type: 'output_text', text: 'my card is 41111111' },
          { type: 'refusal', refusal: 'No' },
        ],
      },
      { id: 'fc_1', type: 'function_call', name: 'f', arguments: '{"a":1}' },
    ],
    other_texts: { 'response.new_kind.delta 3': 'secret' },
    isWhole: true,
  });
});

test('an item that has ended is what its end says; token probabilities are left out', () => {
  const item = {
    id: 'msg_1',
    type: 'message',
    content: [{ type: 'output_text', text: 'Hello', logprobs: [{ token: 'Hel' }] }],
  };
  const bare = { ...item, content: [{ type: 'output_text', text: 'Hello', logprobs: [] }] };
  const annotation = event('response.output_text.annotation.added', {
    output_index: 0,
    annotation: { type: 'url_citation' },
  });
  const begun =
    created + added(0, { ...item, content: [] }) + delta('output_text', 0, 'Hel', { content_index: 0 }) + annotation;
  expect(messageOf(begun)).toMatchObject({ isWhole: false });
  expect(messageOf(begun + done(0, item))).toMatchObject({ output: [bare], isWhole: true });
  const last = event('response.completed', { response: { id: 'resp_1', status: 'completed', output: [item] } });
  expect(messageOf(begun + last)).toEqual({ id: 'resp_1', status: 'completed', output: [bare], isWhole: true });
});

test('what is no JSON object is counted and not kept', () => {
  const text = `: ping\n\ndata: secret\n\ndata: [1]\n\n${created}data: [DONE]\n\n`;
  expect(messageOf(text)).toMatchObject({ id: 'resp_1', unreadable_events: 2, isWhole: false });
  expect(messageOf(event('error', { code: 'server_error', message: 'x' }))).toMatchObject({ error: { message: 'x' } });
});

test('memory is bounded; a text that goes on in what was dropped loses its end', () => {
  const held = open(600, 10);
  held.push(Buffer.from(created + added(0, { id: 'msg_1', type: 'message', content: [] })));
  for (let i = 0; i < 1_000; i++) held.push(Buffer.from(delta('output_text', 0, 'x'.repeat(20), { content_index: 0 })));
  const item = { id: 'msg_1', type: 'message', content: [{ type: 'output_text', text: 'x'.repeat(20_000) }] };
  held.push(Buffer.from(done(0, item)));
  const response = { id: 'resp_1', status: 'completed', output: [item] };
  const message = messageOf(event('response.completed', { response }), held);
  expect(message.isWhole).toBe(false);
  const { text } = message.output[0].content[0];
  expect(text).toMatch(/^x+$/);
  expect(text.length).toBeLessThan(600 - 10);
});

test('keys with a meaning for JavaScript are only keys', () => {
  const text =
    'data: {"type":"response.created","response":{"__proto__":{"x":1}}}\n\ndata: {"type":"constructor","output_index":"__proto__"}\n\n';
  const reassembler = open();
  reassembler.push(Buffer.from(text));
  expect(reassembler.message().text).toContain('"__proto__":{"x":1}');
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});
