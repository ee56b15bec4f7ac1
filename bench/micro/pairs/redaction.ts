import { compileRedactor } from '#core/redaction/redactor.ts';
import { openReassembler } from '#translation/dialects/openai-chat/reassemble.ts';
import type { Pair } from '../pair.ts';

const SENTENCE = 'The quick brown fox jumps over the lazy dog, then reads 3 of its 27 mails from 2026-11-25 10:30. ';
const FOUND = 'Write to alice@example.com or +49 170 5550123. ';
const DETECTORS = ['email', 'phone', 'card', 'iban'] as const;
const MAX_BYTES = 65_536;

/** What redaction costs a body of 10 KB, beside replacing with the expressions that everybody writes in the parsed body. */
export function redactionPairs(): Pair[] {
  const quiet = bodyOf(SENTENCE.repeat(100));
  const busy = bodyOf((SENTENCE.repeat(4) + FOUND).repeat(23));
  const detecting = compileRedactor({ detectors: [...DETECTORS], paths: [], patterns: [] })!;
  const hiding = compileRedactor({ detectors: [], paths: ['messages.*.content'], patterns: [] })!;
  const patterns = [
    { name: 'ssn', pattern: '\\b\\d{3}-\\d{2}-\\d{4}\\b' },
    { name: 'token', pattern: 'sk-[A-Za-z0-9]{20,}' },
  ];
  const matching = compileRedactor({ detectors: [], paths: [], patterns })!;
  const expressions = patterns.map(({ pattern }) => new RegExp(pattern, 'g'));
  const naive = (body: Buffer, replaced: readonly RegExp[]) => () =>
    JSON.stringify(
      JSON.parse(body.toString(), (_, value: unknown) =>
        typeof value === 'string' ? replaced.reduce((text, found) => text.replace(found, '[redacted]'), value) : value,
      ),
    );
  const pair = (name: string, body: Buffer, redactor: typeof detecting, replaced: readonly RegExp[]): Pair => ({
    name,
    bytes: body.length,
    ours: () => redactor.body(body, MAX_BYTES),
    naive: naive(body, replaced),
    naiveName: 'parse, replace',
  });
  const events = [...SENTENCE.repeat(10)].map((content) =>
    Buffer.from(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`),
  );
  return [
    pair('redact 10 KB, nothing to find', quiet, detecting, NAIVE),
    pair('redact 10 KB, 46 to find', busy, detecting, NAIVE),
    pair('redact 10 KB, two patterns', quiet, matching, expressions),
    pair('redact 10 KB, by path', quiet, hiding, []),
    {
      name: `reassemble ${events.length} events`,
      bytes: events.reduce((sum, { length }) => sum + length, 0),
      ours: () => {
        const reassembler = openReassembler({ maxHeld: MAX_BYTES, lookAhead: 0 });
        for (const event of events) reassembler.push(event);
        return reassembler.message();
      },
      naive: () => events.map((event) => JSON.parse(event.toString('utf8', 6)).choices[0].delta.content).join(''),
      naiveName: 'parse, join texts',
    },
  ];
}

/** Each has flaws: no check digits, dates and ids are telephones, time that grows with the square of the text. */
const NAIVE = [
  /[\w.%+-]+@[\w.-]+\.[a-z]{2,}/gi,
  /\+?\d[\d ().-]{7,}\d/g,
  /\b(?:\d[ -]?){13,19}\b/g,
  /\b[A-Z]{2}\d{2}[A-Z0-9 ]{11,30}\b/g,
];

function bodyOf(content: string): Buffer {
  return Buffer.from(JSON.stringify({ model: 'demo', messages: [{ role: 'user', content }] }));
}
