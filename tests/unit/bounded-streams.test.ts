import { expect, test } from 'vitest';
import type { AnswerContext } from '#translation/chat/dialect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { openaiResponsesDialect } from '#translation/dialects/openai-responses/dialect.ts';
import { openReader } from '#translation/wires/openai/stream.ts';

/** Streams without end take a bounded part of a worker's memory and time. */
const TOO_MUCH = expect.objectContaining({ code: 'upstream_protocol' });
const push = (chunks: Iterable<object>) => {
  const reader = openReader();
  const emit = (_: ChatEvent) => undefined;
  for (const chunk of chunks) reader.push(Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`), emit);
};
const delta = (call: object) => ({ id: 'x', choices: [{ index: 0, delta: { tool_calls: [call] } }] });

test('of an answer that its last event repeats', () => {
  const request = { model: 'g', tools: [], settings: {} } as unknown as AnswerContext['request'];
  const context = { inferenceId: 'i', createdUnixS: 1, request, framing: 'sse' } as const;
  const writer = openaiResponsesDialect.openWriter(context);
  writer.write({ type: 'begin', candidate: 0, part: 0, kind: 'text' });
  const text = 'x'.repeat(1_048_576);
  const write = () => writer.write({ type: 'delta', candidate: 0, part: 0, kind: 'text', text });
  for (let megabytes = 0; megabytes < 64; megabytes++) write();
  expect(write).toThrow(TOO_MUCH);
});

test('of calls', () => {
  const calls = Array.from({ length: 1_025 }, (_, index) => delta({ index, id: `c${index}`, function: { name: 'f' } }));
  expect(() => push(calls.slice(1))).not.toThrow();
  expect(() => push(calls)).toThrow(TOO_MUCH);
});

test('of the arguments of a call without a name', () => {
  const piece = 'x'.repeat(1_048_576);
  const calls = Array.from({ length: 17 }, () => delta({ index: 0, function: { arguments: piece } }));
  expect(() => push(calls)).toThrow(TOO_MUCH);
});
