import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CUT, REDACTED, type SideFacts, WHOLE } from '#core/capture-facts.ts';
import { hasLuhnDigit, isCardNumber } from '#core/redaction/card.ts';
import { hasIbanCheck } from '#core/redaction/iban.ts';
import { compileRedactor } from '#core/redaction/redactor.ts';
import { RedactedBody, RedactedStream } from '#gateway/flow/redacted-capture.ts';
import { openStream } from '#gateway/wires/openai/tap.ts';
import { openReassembler } from '#translation/dialects/openai-chat/reassemble.ts';
import { canariesIn, cutAt, plainText, textWithCanaries } from '../support/canaries.ts';

const detectors = ['email', 'phone', 'card', 'iban'] as const;
const redactor = compileRedactor({ detectors: [...detectors], paths: [], patterns: [] })!;
const hiding = compileRedactor({ detectors: [], paths: ['messages.*.content', 'choices.*.message'], patterns: [] })!;
const points = fc.array(fc.nat(), { maxLength: 12 });
const maxBytes = fc.oneof(fc.constant(65_536), fc.nat(600));
const event = (value: unknown) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;

/** JSON with every character of its strings escaped, as it may come too. */
function escapeAll(text: string): string {
  return text.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function kept(capture: RedactedBody | RedactedStream, chunks: readonly Buffer[]): Buffer {
  for (const chunk of chunks) capture.add(chunk);
  return Buffer.concat(capture.pending);
}

/** What is said of a body agrees with its bytes. */
function checkFacts(facts: SideFacts, body: Buffer, bytes: Buffer, most: number): void {
  expect(facts === WHOLE).toBe(bytes.equals(body));
  if (body.length > most) expect(facts & (CUT.limit | CUT.unreadable)).not.toBe(0);
  if ((facts & REDACTED) === 0) expect(bytes.equals(body.subarray(0, bytes.length))).toBe(true);
}

describe('no canary is kept', () => {
  test('of a text, a JSON body, one with all its characters escaped, JSON inside of JSON; cut into any chunks and at any length', () => {
    fc.assert(
      fc.property(textWithCanaries, points, maxBytes, (text, cuts, most) => {
        const bodies = [
          text,
          JSON.stringify({ messages: [{ role: 'user', content: text }], [text]: 1 }),
          `{"a":"${escapeAll(text)}"}`,
          JSON.stringify({ arguments: JSON.stringify({ deep: JSON.stringify([text]) }) }),
          `{"a":${JSON.stringify(text)},}`,
        ];
        for (const body of bodies) {
          const capture = new RedactedBody(redactor, most);
          const bytes = kept(capture, cutAt(Buffer.from(body), cuts));
          expect(canariesIn(bytes)).toEqual([]);
          expect(bytes.length).toBeLessThanOrEqual(most);
          checkFacts(capture.facts, Buffer.from(body), bytes, most);
        }
      }),
    );
  });

  test('of a stream, wherever its deltas, events and chunks are cut', () => {
    fc.assert(
      fc.property(textWithCanaries, points, points, fc.boolean(), maxBytes, (text, deltas, cuts, isWhole, most) => {
        const delta = (part: string) => ({ content: part, tool_calls: [{ index: 0, function: { arguments: part } }] });
        const events = cutAt(text, deltas).map((part) =>
          event({
            choices: [{ index: 0, delta: delta(part), logprobs: { content: [{ token: part }] } }],
          }),
        );
        const wire = Buffer.from(events.join('') + (isWhole ? event('[DONE]') : ''));
        const tap = openStream(false);
        const capture = new RedactedStream(redactor, most, openReassembler);
        // As adapt-response hands it over: what the caller gets.
        for (const chunk of cutAt(wire, cuts)) {
          const { forward, terminal } = tap.push(chunk);
          for (const bytes of [forward, terminal]) if (bytes !== null) capture.add(bytes);
        }
        const rest = tap.flush();
        if (rest !== null) capture.add(rest);
        const bytes = Buffer.concat(capture.pending);
        expect(canariesIn(bytes)).toEqual([]);
        expect(bytes.toString()).not.toContain('"token"');
        if (most === 65_536) {
          const [choice] = JSON.parse(bytes.toString()).choices;
          // A text that looks like JSON is read as JSON, in a stream as in a body.
          const whole = redactor.body(Buffer.from(JSON.stringify([text])), 65_536);
          expect([choice.message.content]).toEqual(JSON.parse(whole.bytes.toString()));
        }
      }),
    );
  });

  test('of a stream that ends anywhere', () => {
    fc.assert(
      fc.property(textWithCanaries, fc.nat(), (text, end) => {
        const wire = Buffer.from(
          [...text].map((part) => event({ choices: [{ index: 0, delta: { content: part } }] })).join(''),
        );
        const bytes = kept(new RedactedStream(redactor, 65_536, openReassembler), [
          wire.subarray(0, end % wire.length),
        ]);
        expect(canariesIn(bytes)).toEqual([]);
      }),
    );
  });

  test('of what a path hides, in a body that is whole, cut or broken', () => {
    const secret = 'the-secret';
    const mark = fc.constantFrom('{', '}', '[', ']', '"', ',', ':', 'x', '\\', ' ', '\n', '\u0000');
    fc.assert(
      fc.property(fc.nat(), mark, fc.boolean(), fc.nat(300), (place, inserted, isBroken, most) => {
        const body = JSON.stringify({
          messages: [{ content: secret }, { content: [{ text: secret }] }, { content: { deep: [secret] } }],
        });
        const at = place % body.length;
        const given = isBroken ? body.slice(0, at) + inserted + body.slice(at) : body.slice(0, at);
        const whole = hiding.body(Buffer.from(given), 65_536).bytes.toString();
        // A mark may move the value from its path, into another key or list; it is then not what the path names.
        if (whole.includes(secret)) expect(() => JSON.parse(given)).not.toThrow();
        if (isBroken) return;
        expect(whole).not.toContain('the-');
        expect(hiding.body(Buffer.from(given), most).bytes.toString()).not.toContain('the-');
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('what is not looked for stays', () => {
  test('any JSON and any text without canaries is unchanged', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'grapheme' }), plainText, fc.nat(2), (json, text, indent) => {
        const isQuiet = !/[0-9@]/.test(json);
        const written = JSON.stringify({ [text]: text }, null, indent);
        expect(redactor.body(Buffer.from(written), 65_536).bytes.toString()).toBe(written);
        expect(redactor.text(text)).toBe(text);
        if (isQuiet)
          expect(redactor.body(Buffer.from(json), 65_536).bytes.toString()).toBe(Buffer.from(json).toString());
      }),
    );
  });

  test('ids, timestamps and measures', () => {
    const number = fc.oneof(
      fc.uuid(),
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString()),
      fc.integer({ min: 1_000_000_000, max: 1_999_999_999 }).map(String),
      fc.double({ noNaN: true, noDefaultInfinity: true, min: -10, max: 10 }).map((value) => value.toFixed(8)),
    );
    const phones = compileRedactor({ detectors: ['phone', 'email'], paths: [], patterns: [] })!;
    fc.assert(
      fc.property(number, (text) => {
        expect(phones.text(`at ${text}.`)).toBe(`at ${text}.`);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('check digits', () => {
  const digits = (length: number) => fc.stringMatching(new RegExp(`^[0-9]{${length}}$`));

  test('exactly one last digit makes a card, and it is found', () => {
    fc.assert(
      fc.property(digits(14), (rest) => {
        const numbers = Array.from({ length: 10 }, (_, last) => `4${rest}${last}`);
        expect(numbers.filter(hasLuhnDigit)).toHaveLength(1);
        const card = numbers.find(isCardNumber)!;
        expect(redactor.text(`a ${card} b`)).toBe('a [redacted:card] b');
      }),
    );
  });

  test('exactly one pair of check digits from 02 to 98 makes an IBAN', () => {
    fc.assert(
      fc.property(digits(18), (account) => {
        const all = Array.from({ length: 97 }, (_, i) => `DE${String(i + 2).padStart(2, '0')}${account}`);
        const right = all.filter(hasIbanCheck);
        expect(right).toHaveLength(1);
        expect(redactor.text(`a ${right[0]} b`)).toBe('a [redacted:iban] b');
      }),
    );
  });
});
