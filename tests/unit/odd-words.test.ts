import { describe, expect, test } from 'vitest';
import type { UpstreamTarget } from '#gateway/providers/provider.ts';
import { ADAPTERS } from '#gateway/providers/registry.ts';
import { FINISH_REASONS } from '#translation/chat/reply.ts';
import { openEventStream } from '#translation/chat/sse.ts';

/** Words of an upstream's that every object of JavaScript knows: they are words like any other that is new. */
const WORDS = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'];
const TARGET = { providerName: 'p', secrets: [] } as unknown as UpstreamTarget;

const answer = (word: string) =>
  Buffer.from(
    JSON.stringify({
      choices: [{ message: { content: 'x' }, finish_reason: word }],
      content: [{ type: 'text', text: 'x' }],
      stop_reason: word,
      candidates: [{ content: { parts: [{ text: 'x' }] }, finishReason: word }],
      output: { message: { content: [{ text: 'x' }] } },
      stopReason: word,
      message: { content: [{ type: 'text', text: 'x' }] },
      finish_reason: word,
    }),
  );

describe.each(Object.values(ADAPTERS).filter(({ chat }) => chat !== null))('$kind', ({ chat, readError }) => {
  test.each(WORDS)('an answer that ends with %j ends for another reason', (word) => {
    const [candidate] = chat!.readReply(answer(word)).candidates;
    expect(FINISH_REASONS).toContain(candidate!.finish);
  });

  test.each(WORDS)('an error of the type %j is one of its status', (word) => {
    const said = { message: 'no', type: word, code: word, status: word, error_type: word };
    const body = Buffer.from(JSON.stringify({ ...said, error: said, __type: word }));
    expect(readError(429, body, undefined, TARGET)).toMatchObject({ code: 'upstream_rate_limited', status: 429 });
  });
});

test('Hugging Face: an error in a stream has a status that is a number, or none', () => {
  for (const word of WORDS) {
    const statuses: unknown[] = [];
    const event = { error: { message: 'no', error_type: word } };
    ADAPTERS.huggingface
      .chat!.openReader()
      .push(
        Buffer.from(`data: ${JSON.stringify(event)}\n\n`),
        (made) => made.type === 'error' && statuses.push(made.status),
      );
    expect(statuses).toEqual([null]);
  }
});

test('lines end in LF, CR LF and CR, mixed in one chunk', () => {
  const found: string[] = [];
  const events = openEventStream((data, event) => found.push(`${event}:${data}`));
  events.push(
    Buffer.from('data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\revent: x\rdata: e\ndata: f\r\n\ndata: g\n\n'),
  );
  events.close();
  expect(found).toEqual([':a', ':b', ':c', ':d', 'x:e\nf', ':g']);
});
