import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readResponse } from '#gateway/providers/openai/responses-reply.ts';
import { openResponsesStream } from '#gateway/providers/openai/responses-stream.ts';
import { called, refused, replyOf, said, thought } from '#tests/support/model-parts.ts';
import { eventsOf } from '#tests/support/reply-events.ts';
import { openReassembler } from '#translation/dialects/openai-responses/reassemble.ts';
import { readRequest } from '#translation/dialects/openai-responses/request.ts';
import { openWriter } from '#translation/dialects/openai-responses/stream.ts';

const request = readRequest(Buffer.from('{"model":"group","input":"Hi"}'), {
  model: null,
  stream: null,
  framing: 'sse',
});
const context = {
  inferenceId: '019ad0c6-2c1e-7abc-8def-0123456789ab',
  createdUnixS: 1,
  request,
  framing: 'sse',
} as const;

const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const part = fc.oneof(
  text.map((value) => said(value)),
  text.map((value) => refused(value)),
  text.map((value) => thought(value)),
  text.map((value) => called('f', value)),
);
const reply = fc
  .record({ parts: fc.array(part, { maxLength: 4 }), finish: fc.constantFrom('stop' as const, 'length' as const) })
  .map(({ parts, finish }) => replyOf(parts, { finish }));
const cuts = fc.array(fc.nat(), { maxLength: 30 });
const separator = fc.constantFrom('\n', '\r\n');

/** The bytes of a stream, and the last event apart. */
function streamOf(whole: Parameters<typeof eventsOf>[0], lineEnd: string): { shown: string; last: string } {
  const writer = openWriter(context);
  const shown = [...eventsOf(whole)].map((event) => writer.write(event)).join(': ping\n\n');
  return { shown: shown.replaceAll('\n', lineEnd), last: writer.end().replaceAll('\n', lineEnd) };
}

function* pieces(bytes: Buffer, points: readonly number[]): Iterable<Buffer> {
  const edges = [0, ...points.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < edges.length; i++) yield bytes.subarray(edges[i - 1], edges[i]);
}

function run(bytes: Buffer, points: readonly number[]) {
  const tap = openResponsesStream();
  const out: Buffer[] = [];
  let terminal: Buffer | null = null;
  for (const piece of pieces(bytes, points)) {
    const { forward, terminal: last } = tap.push(piece);
    if (forward) out.push(forward);
    terminal ??= last;
  }
  const rest = tap.flush();
  if (rest) out.push(rest);
  return {
    text: Buffer.concat(out).toString(),
    terminal: terminal?.toString() ?? null,
    facts: tap.facts(),
    sawToken: tap.sawToken,
    errorBody: tap.errorBody?.toString() ?? null,
    errorStatus: tap.errorStatus,
  };
}

describe('tap', () => {
  test('the caller gets the same bytes whatever the chunk boundaries, the last event apart; what it says is read', () => {
    fc.assert(
      fc.property(reply, cuts, separator, (whole, points, lineEnd) => {
        const { shown, last } = streamOf(whole, lineEnd);
        const result = run(Buffer.from(`${shown}${last}data: [DONE]${lineEnd}${lineEnd}`), points);
        expect(result).toEqual({
          text: shown,
          terminal: last,
          facts: {
            usage: { inputTokens: 11, outputTokens: 7, cachedTokens: 0, reasoningTokens: 2 },
            finishReason: whole.candidates[0]?.finish === 'length' ? 'max_output_tokens' : 'completed',
          },
          sawToken: whole.candidates[0]?.parts.some(
            (each) => ('text' in each ? each.text : each.type === 'tool_call' && each.arguments) !== '',
          ),
          errorBody: null,
          errorStatus: null,
        });
      }),
    );
  });

  test('an error event is not passed on, nor what follows it', () => {
    const { shown } = streamOf(replyOf([said('So')]), '\n');
    const nested = { type: 'error', sequence_number: 3, error: { code: 'rate_limit_exceeded', message: 'Slow down.' } };
    const flat = { type: 'error', code: 'server_error', message: 'It broke.', param: null, sequence_number: 3 };
    for (const [event, status] of [
      [nested, 429],
      [flat, null],
    ] as const) {
      const data = JSON.stringify(event);
      const result = run(Buffer.from(`${shown}event: error\ndata: ${data}\n\n${shown}`), [9, 700]);
      expect(result).toMatchObject({ text: shown, terminal: null, errorBody: data, errorStatus: status });
    }
  });

  test('a failed response is a failure, and not passed on', () => {
    const response = { status: 'failed', error: { code: 'server_error', message: 'x' }, usage: null };
    const last = `data: ${JSON.stringify({ type: 'response.failed', response })}\n\n`;
    expect(run(Buffer.from(last), [])).toMatchObject({
      text: '',
      terminal: null,
      facts: { usage: null, finishReason: 'failed' },
      errorBody: JSON.stringify(response),
      errorStatus: null,
    });
  });

  test('texts that look like the end are texts', () => {
    const { shown, last } = streamOf(
      replyOf([said('"type":"response.completed" "type":"error"'), called('f', '{"type":"error"}')]),
      '\n',
    );
    expect(run(Buffer.from(shown + last), [])).toMatchObject({ text: shown, terminal: last, errorBody: null });
    const item = `data: ${JSON.stringify({ type: 'response.output_item.done', item: { type: 'error', result: { type: 'response.failed' } } })}\n\n`;
    expect(run(Buffer.from(shown + item), [])).toMatchObject({ text: shown + item, terminal: null, errorBody: null });
  });

  test('a last event of 5 MB is held back and read; one beyond 16 MB goes by in pieces', () => {
    const last = (length: number) =>
      `data: ${JSON.stringify({ type: 'response.completed', response: { status: 'completed', output: 'x'.repeat(length), usage: { input_tokens: 1, output_tokens: 0 } } })}\n\n`;
    const fits = last(5_000_000);
    const result = run(Buffer.from(fits), [1_000_000, 2_000_000, 3_000_000]);
    expect(result.terminal).toBe(fits);
    expect(result.facts.usage).toEqual({ inputTokens: 1, outputTokens: 0, cachedTokens: null, reasoningTokens: null });
    const tooLong = last(17_000_000);
    const passed = run(Buffer.from(tooLong), [1_000_000, 8_000_000, 16_900_000]);
    expect(passed.text === tooLong).toBe(true);
    expect(passed.terminal).toBeNull();
  });

  test('any bytes pass through unchanged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), cuts, (bytes, points) => {
        const input = Buffer.from(bytes);
        const tap = openResponsesStream();
        const out: Buffer[] = [];
        for (const piece of pieces(input, points)) {
          const { forward } = tap.push(piece);
          if (forward) out.push(forward);
        }
        const rest = tap.flush();
        if (rest) out.push(rest);
        expect(Buffer.concat(out).equals(input)).toBe(true);
      }),
    );
  });

  test('a whole answer says its usage and how it ended, missing and zero apart', () => {
    const read = (value: unknown) => readResponse(Buffer.from(JSON.stringify(value)));
    const usage = {
      input_tokens: 3,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 0,
      output_tokens_details: null,
    };
    expect(read({ status: 'completed', output: [{ status: 'x', usage: 7 }], usage })).toEqual({
      usage: { inputTokens: 3, outputTokens: 0, cachedTokens: 0, reasoningTokens: null },
      finishReason: 'completed',
    });
    expect(read({ status: 'incomplete', incomplete_details: { reason: 'content_filter' }, usage: null })).toEqual({
      usage: null,
      finishReason: 'content_filter',
    });
    expect(readResponse(Buffer.from('<html>'))).toEqual({ usage: null, finishReason: null });
  });
});

describe('reassembler', () => {
  const open = (maxHeld = 100_000, lookAhead = 10) => openReassembler({ maxHeld, lookAhead });

  test('a whole stream becomes its Response, one that broke off what came of it; whatever the boundaries', () => {
    fc.assert(
      fc.property(reply, cuts, separator, fc.boolean(), (whole, points, lineEnd, isWhole) => {
        const { shown, last } = streamOf(whole, lineEnd);
        const reassembler = open();
        for (const piece of pieces(Buffer.from(isWhole ? shown + last : shown), points)) reassembler.push(piece);
        const message = reassembler.message();
        const said = JSON.parse(message.text) as { output: unknown[]; status: string };
        const response = (JSON.parse(/data: ([^\r\n]*)/.exec(last)![1]!) as { response: { output: unknown[] } })
          .response;
        expect(message.isWhole).toBe(true);
        if (isWhole) expect(said).toEqual(response);
        else {
          expect(said.output).toEqual(response.output);
          expect(said.status).toBe('in_progress');
        }
      }),
    );
  });
});
