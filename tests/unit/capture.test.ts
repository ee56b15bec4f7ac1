import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CUT, missingFacts, REDACTED, WHOLE } from '#core/capture-facts.ts';
import { compileRedactor } from '#core/redaction/redactor.ts';
import { redactionSchema } from '#core/snapshot/log-policy.ts';
import { type BodyCapture, Capture, hashBeside } from '#gateway/flow/capture.ts';
import { RedactedBody, RedactedStream, UnreadableBody } from '#gateway/flow/redacted-capture.ts';
import { openReassembler } from '#translation/dialects/openai-chat/reassemble.ts';

test('what is hashed beside the call may be overwritten at once: its memory is used again', async () => {
  const bytes = Buffer.alloc(1_000_000, 'prompt');
  const expected = createHash('sha256').update(bytes).digest('hex');
  const digest = hashBeside(bytes);
  bytes.fill(0);
  expect(await digest).toBe(expected);
});

describe('what a capture says of what it keeps', () => {
  const redactor = compileRedactor(
    redactionSchema.parse({ detectors: ['email'], patterns: [{ name: 'long-name', pattern: 'abcde' }] }),
  )!;
  const of = (capture: BodyCapture, ...texts: string[]) => {
    for (const text of texts) capture.add(Buffer.from(text));
    // Asked for before the bytes, as `record` does.
    const { facts } = capture;
    return { facts, kept: Buffer.concat(capture.pending ?? []).toString() };
  };
  const event = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;

  test('as it came: whole up to the limit, none of it by the policy', () => {
    expect(of(new Capture(null, 4, null), 'ab', 'cd')).toEqual({ facts: WHOLE, kept: 'abcd' });
    expect(of(new Capture(null, 4, null), 'ab', 'cde')).toEqual({ facts: CUT.limit, kept: 'abcd' });
    expect(of(new Capture(null, 0, null), 'a')).toEqual({ facts: CUT.limit, kept: '' });
    expect(of(new Capture(missingFacts('not_sampled'), 4, null), 'abcde')).toEqual({
      facts: missingFacts('not_sampled'),
      kept: '',
    });
  });

  test('a redacted body: what has nothing to hide is the original, what has is none, also at the same length', () => {
    const body = (text: string, most = 100) => of(new RedactedBody(redactor, most), text);
    expect(body('{"a":"b"}')).toEqual({ facts: WHOLE, kept: '{"a":"b"}' });
    expect(body('')).toEqual({ facts: WHOLE, kept: '' });
    const address = 'alice.b@d.example';
    expect(body(address)).toEqual({ facts: REDACTED, kept: '[redacted:email]' });
    expect(address.length).not.toBe('[redacted:email]'.length);
    expect(body('alice@xy.example').kept).toHaveLength('alice@xy.example'.length);
    expect(body('alice@xy.example').facts).toBe(REDACTED);
    // Bytes that are no UTF-8 are not kept as they were.
    const capture = new RedactedBody(redactor, 100);
    capture.add(Buffer.from([0x61, 0xff]));
    expect(capture.facts).toBe(REDACTED);
  });

  test('a redacted body that is cut: by the limit, or by labels that are longer than what they stand for', () => {
    const body = (text: string, most: number) => of(new RedactedBody(redactor, most), text);
    expect(body('nothing to hide', 7)).toEqual({ facts: CUT.limit, kept: 'nothing' });
    expect(body('nothing é', 9)).toEqual({ facts: CUT.limit, kept: expect.stringMatching(/^nothing /) });
    expect(body('a abcde and more', 9).facts).toBe(CUT.limit | REDACTED);
    expect(body('a abcde', 7)).toEqual({ facts: CUT.limit | REDACTED, kept: 'a [reda' });
    const label = '[redacted:long-name]';
    expect(body('abcde', label.length)).toEqual({ facts: REDACTED, kept: label });
    expect(body('abcde', label.length - 1).facts).toBe(CUT.limit | REDACTED);
  });

  test('a redacted stream is never what was sent, and knows whether parts of it are missing', () => {
    const stream = (most: number, ...texts: string[]) =>
      of(new RedactedStream(redactor, most, openReassembler), ...texts).facts;
    expect(stream(1_000, event('hello'))).toBe(REDACTED);
    expect(stream(1_000, event('hello'), 'data: nonsense\n\n')).toBe(REDACTED | CUT.reassembly);
    expect(stream(1_000, event('x'.repeat(2_000)))).toBe(REDACTED | CUT.limit);
    // So much that the reassembler drops some of it, though what it keeps is valid JSON and fits.
    const dropped = of(new RedactedStream(redactor, 1_000, openReassembler), event('hello'), event('x'.repeat(9_000)));
    expect(JSON.parse(dropped.kept).choices).toHaveLength(1);
    expect(dropped.facts & (REDACTED | CUT.reassembly)).toBe(REDACTED | CUT.reassembly);
  });

  test('what cannot be read', () => {
    const facts = REDACTED | CUT.unreadable;
    expect(of(new UnreadableBody(), 'x')).toEqual({ facts, kept: '[redacted:unreadable]' });
    expect(of(new RedactedBody(redactor, 100), 'x\0y')).toEqual({ facts, kept: '[redacted:unreadable]' });
    expect(of(new RedactedBody(redactor, 100), 'data: x').facts).toBe(facts);
  });
});
