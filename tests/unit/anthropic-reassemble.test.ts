import { describe, expect, test } from 'vitest';
import { openReassembler } from '#translation/dialects/anthropic/reassemble.ts';

describe('put together for a log that redacts', () => {
  const event = (type: string, fields: object = {}) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  const run = (stream: string, options = { maxHeld: 100_000, lookAhead: 0 }) => {
    const reassembler = openReassembler(options);
    for (const piece of stream.match(/.{1,7}/gs) ?? []) reassembler.push(Buffer.from(piece));
    const { text, isWhole } = reassembler.message();
    return { message: JSON.parse(text), isWhole };
  };
  const start = event('message_start', {
    message: { id: 'msg_1', content: [], stop_reason: null, usage: { input_tokens: 1, output_tokens: 1 } },
  });

  test('blocks of server tools, unknown deltas, events and fields are kept', () => {
    const results = [
      { type: 'web_search_result', url: 'https://a', title: 'A' },
      { type: 'text', text: 'B' },
    ];
    const { message, isWhole } = run(
      start +
        event('content_block_start', {
          index: 0,
          content_block: { type: 'server_tool_use', id: 's', name: 'w', input: {} },
        }) +
        event('content_block_delta', { index: 0, delta: { type: 'input_json_delta', partial_json: '{"q":' } }) +
        event('content_block_delta', { index: 0, delta: { type: 'input_json_delta', partial_json: '1}' } }) +
        event('content_block_stop', { index: 0 }) +
        event('content_block_start', {
          index: 1,
          content_block: { type: 'web_search_tool_result', content: results },
        }) +
        event('content_block_start', { index: 2, content_block: { type: 'compaction', content: null } }) +
        event('content_block_delta', { index: 2, delta: { type: 'compaction_delta', content: 'sum' } }) +
        event('content_block_delta', { index: 2, delta: { type: 'compaction_delta', content: 'mary' } }) +
        event('content_block_delta', { index: 9, delta: { type: 'text_delta', text: 'stray' } }) +
        event('ping') +
        event('later_event', { said: 'more' }) +
        event('message_delta', {
          delta: { stop_reason: 'end_turn' },
          usage: { output_tokens: 5, input_tokens: null },
          context_management: { applied_edits: [] },
        }) +
        event('message_stop'),
    );
    expect(isWhole).toBe(true);
    expect(message).toEqual({
      id: 'msg_1',
      content: [
        { type: 'server_tool_use', id: 's', name: 'w', input: { q: 1 } },
        { type: 'web_search_tool_result', content: results },
        { type: 'compaction', content: 'summary' },
        { text: 'stray' },
      ],
      stop_reason: 'end_turn',
      usage: { input_tokens: 1, output_tokens: 5 },
      context_management: { applied_edits: [] },
      other_events: [{ type: 'later_event', said: 'more' }],
    });
  });

  test('a stream that broke off, with an error and an event that nobody can read', () => {
    const { message, isWhole } = run(
      start +
        event('content_block_start', { index: 0, content_block: { type: 'tool_use', id: 't', name: 'a', input: {} } }) +
        event('content_block_delta', { index: 0, delta: { type: 'input_json_delta', partial_json: '{"q":' } }) +
        'data: {broken\n\n' +
        event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } }),
    );
    expect(isWhole).toBe(false);
    expect(message).toMatchObject({
      content: [{ input: '{"q":' }],
      error: { type: 'overloaded_error' },
      unreadable_events: 1,
    });
  });

  test('no more is held than allowed, and a text that was cut loses what may be half a secret', () => {
    const block = event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
    const delta = event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'x'.repeat(100) } });
    const { message, isWhole } = run(start + block + delta.repeat(20), { maxHeld: 1_000, lookAhead: 50 });
    expect(isWhole).toBe(false);
    const { text } = message.content[0];
    expect(text.length).toBeGreaterThan(100);
    expect(text.length).toBeLessThan(950);
  });
});
