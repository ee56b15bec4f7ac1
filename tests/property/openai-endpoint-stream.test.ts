import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openEndpointStream } from '#gateway/providers/openai/endpoint-stream.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';

type End = '\n' | '\r\n';
const event = (value: object | string, end: End) =>
  `data: ${typeof value === 'string' ? value : JSON.stringify(value)}${end}${end}`;
const delta = (text: string) => ({ type: 'transcript.text.delta', delta: text });
const usage = { input_tokens: 7, output_tokens: 3, input_tokens_details: { cached_tokens: 2 } };
const done = { type: 'transcript.text.done', text: 'x', usage };

/** What a caller gets, and when it is over. */
function run(chunks: readonly Buffer[]) {
  const tap = openEndpointStream();
  const passed: Buffer[] = [];
  let terminal: Buffer | null = null;
  for (const chunk of chunks) {
    const piece = tap.push(chunk);
    if (piece.forward !== null) passed.push(piece.forward);
    terminal = piece.terminal ?? terminal;
  }
  const last = tap.flush();
  const { errorBody, failure, sawToken } = tap;
  const all = [...passed, terminal ?? '', last ?? ''].map((piece) => piece.toString()).join('');
  return { all, held: (terminal ?? last)?.toString() ?? null, facts: tap.facts(), errorBody, failure, sawToken };
}

function cut(text: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text);
  const edges = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

const ends = fc.constantFrom<End[]>('\n', '\r\n');
const texts = fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 5 });

test('a stream passes byte for byte whatever its chunks; its closing event is kept for the end and read', () => {
  fc.assert(
    fc.property(texts, ends, fc.boolean(), fc.array(fc.nat(), { maxLength: 12 }), (deltas, end, hasDone, places) => {
      const terminator = hasDone ? event('[DONE]', end) : '';
      const stream = `${deltas.map((text) => event(delta(text), end)).join('')}: hm${end}${end}${event(done, end)}${terminator}`;
      const result = run(cut(stream, places));
      expect(result.all).toBe(stream);
      expect(result.held).toBe(`${event(done, end)}${terminator}`);
      expect(result.facts).toEqual({
        usage: { inputTokens: 7, outputTokens: 3, cachedTokens: 2, reasoningTokens: null },
        finishReason: 'transcript.text.done',
      });
    }),
  );
});

test('an error is not passed on, and nothing that follows it', () => {
  fc.assert(
    fc.property(texts, ends, fc.array(fc.nat(), { maxLength: 8 }), (deltas, end, places) => {
      const before = deltas.map((text) => event(delta(text), end)).join('');
      const error = { error: { message: 'no', type: 'server_error' } };
      const result = run(cut(`${before}${event(error, end)}${event(done, end)}`, places));
      expect(result.all).toBe(before);
      expect(JSON.parse(result.errorBody!.toString())).toEqual(error);
      expect(result.facts.finishReason).toBeNull();
    }),
  );
});

test('closing events that are not the last pass on; a half event and unknown ones, too', () => {
  const two = ['a', 'b'].map((text) => event({ type: 'image_generation.completed', b64_json: text }, '\n')).join('');
  expect(run([Buffer.from(two)]).all).toBe(two);
  const half = `${event({ type: 'new.thing' }, '\n')}${event('{broken', '\n')}data: {"type":"transcr`;
  expect(run([Buffer.from(half)])).toMatchObject({ all: half, facts: { finishReason: null, usage: null } });
});

test('an event of 5 MB passes; one that is longer than any may be does not', () => {
  const image = (bytes: number) =>
    event({ type: 'image_generation.completed', b64_json: 'a'.repeat(bytes), usage }, '\n');
  const chunks = (text: string) =>
    Array.from({ length: Math.ceil(text.length / 65_536) }, (_, index) =>
      Buffer.from(text.slice(index * 65_536, (index + 1) * 65_536)),
    );
  const fine = image(5_000_000);
  const result = run(chunks(fine));
  expect(result.all).toBe(fine);
  expect(result.facts.usage?.outputTokens).toBe(3);
  const broken = run(chunks(image(MAX_EVENT_BYTES)));
  expect(broken.failure?.code).toBe('upstream_protocol');
  expect(broken.all.length).toBe(0);
});
