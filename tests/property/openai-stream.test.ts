import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openStream } from '#gateway/wires/openai/tap.ts';

const event = (value: unknown, separator: string) =>
  `data: ${typeof value === 'string' ? value : JSON.stringify(value)}${separator}`;
const delta = (content: string, usage?: unknown) => ({
  choices: [{ index: 0, delta: { content }, finish_reason: null }],
  usage,
});
const finish = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: null };
const USAGE = { prompt_tokens: 3, completion_tokens: 0, total_tokens: 3 };
const usageEvent = { choices: [], usage: USAGE };

/** Feeds `bytes` in the given pieces and returns all that a caller would get, the held terminal event at the end. */
function run(bytes: Buffer, cuts: readonly number[], hideUsage: boolean) {
  const tap = openStream(hideUsage);
  const out: Buffer[] = [];
  const points = [0, ...[...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  let terminal: Buffer | null = null;
  for (let i = 1; i < points.length; i++) {
    const piece = tap.push(bytes.subarray(points[i - 1], points[i]));
    if (piece.forward) out.push(piece.forward);
    terminal ??= piece.terminal;
  }
  const rest = tap.flush();
  if (rest) out.push(rest);
  return {
    text: Buffer.concat(out).toString(),
    terminal: terminal?.toString() ?? null,
    facts: tap.facts(),
    sawToken: tap.sawToken,
  };
}

describe('OpenAI stream tap', () => {
  const contents = fc.array(fc.string({ unit: 'grapheme', maxLength: 30 }), { maxLength: 12 });
  const cuts = fc.array(fc.nat(), { maxLength: 30 });

  test('the caller gets the same bytes whatever the chunk boundaries; usage is taken out only where it was not asked for', () => {
    fc.assert(
      fc.property(
        contents,
        cuts,
        fc.boolean(),
        fc.constantFrom('\n\n', '\r\n\r\n'),
        (texts, points, hideUsage, separator) => {
          const shown = [
            event(delta(''), separator),
            ...texts.map((text) => event(delta(text, null), separator)),
            event(finish, separator),
          ];
          const all = [...shown, event(usageEvent, separator)];
          const bytes = Buffer.from(`: keep-alive${separator}${all.join('')}${event('[DONE]', separator)}`);
          const result = run(bytes, points, hideUsage);
          expect(result.text).toBe(`: keep-alive${separator}${(hideUsage ? shown : all).join('')}`);
          expect(result.terminal).toBe(event('[DONE]', separator));
          expect(result.facts).toEqual({
            usage: { inputTokens: 3, outputTokens: 0, cachedTokens: null, reasoningTokens: null },
            finishReason: 'stop',
          });
          expect(result.sawToken).toBe(texts.some((text) => text !== ''));
        },
      ),
    );
  });

  test('usage beside choices is read and left where it is; without [DONE] nothing is held for ever', () => {
    const last = event({ ...finish, usage: USAGE }, '\n\n');
    const result = run(Buffer.from(event(delta('x'), '\n\n') + last), [], true);
    expect(result).toMatchObject({
      text: event(delta('x'), '\n\n') + last,
      terminal: null,
      facts: { usage: { inputTokens: 3 } },
    });
    expect(run(Buffer.from('data: {"choices":[]}'), [3, 9], true).text).toBe('data: {"choices":[]}');
  });

  test('choices that are no objects are passed on like any others', () => {
    const odd = [[null], [7], [[]], ['x', null], [{ delta: null }], [{ delta: [1] }], null, 3].map((choices) =>
      event({ choices, usage: 7 }, '\n\n'),
    );
    const text = odd.join('') + event(delta('x'), '\n\n') + event(finish, '\n\n');
    for (const hideUsage of [true, false])
      expect(run(Buffer.from(text + event('[DONE]', '\n\n')), [], hideUsage)).toMatchObject({
        text,
        terminal: event('[DONE]', '\n\n'),
        facts: { finishReason: 'stop' },
        sawToken: true,
      });
  });

  test('any bytes pass through unchanged when nothing is hidden', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), cuts, (bytes, points) => {
        const input = Buffer.from(bytes);
        fc.pre(!input.includes('[DONE]'));
        const tap = openStream(false);
        const out: Buffer[] = [];
        const edges = [0, ...points.map((cut) => cut % (input.length + 1)).sort((a, b) => a - b), input.length];
        for (let i = 1; i < edges.length; i++) {
          const { forward } = tap.push(input.subarray(edges[i - 1], edges[i]));
          if (forward) out.push(forward);
        }
        const rest = tap.flush();
        if (rest) out.push(rest);
        expect(Buffer.concat(out).equals(input)).toBe(true);
      }),
    );
  });
});
