import { describe, expect, test } from 'vitest';
import { compileRedactor, LOOK_AHEAD_BYTES, UNREADABLE } from '#core/redaction/redactor.ts';

const NOTHING = { detectors: [], paths: [], patterns: [] };
const detecting = compileRedactor({ ...NOTHING, detectors: ['email', 'phone', 'card', 'iban'] })!;
const hiding = (...paths: string[]) => compileRedactor({ ...NOTHING, paths })!;
const keep = (redactor: NonNullable<ReturnType<typeof compileRedactor>>, body: string | Buffer, maxBytes = 100_000) =>
  redactor.body(Buffer.from(body), maxBytes).bytes.toString();

test('a policy that asks for nothing has no redactor', () => expect(compileRedactor(NOTHING)).toBeNull());

describe('detectors in JSON', () => {
  test.each([
    ['{"a":"x@y.example"}', '{"a":"[redacted:email]"}'],
    ['{"x@y.example":1}', '{"[redacted:email]":1}'],
    ['{"a":"x\\u0040y.example"}', '{"a":"[redacted:email]"}'],
    ['{"a":"say \\"x@y.example\\"\\n"}', '{"a":"say \\"[redacted:email]\\"\\n"}'],
    ['{"n":4111111111111111}', '{"n":"[redacted:card]"}'],
    ['[4111111111111111,[ "x@y.example" ]]', '["[redacted:card]",[ "[redacted:email]" ]]'],
    ['"x@y.example"', '"[redacted:email]"'],
    ['{"arguments":"{\\"to\\":\\"x\\\\u0040y.example\\"}"}', '{"arguments":"{\\"to\\":\\"[redacted:email]\\"}"}'],
    ['{"choices":[{"logprobs":{"content":[{"token":"x@"}]}}]}', '{"choices":[{"logprobs":"[redacted:logprobs]"}]}'],
    ['{"choices":[{"logprobs":null}]}', '{"choices":[{"logprobs":null}]}'],
    ['{"output":[{"content":[{"logprobs":[ ]}]}]}', '{"output":[{"content":[{"logprobs":[ ]}]}]}'],
    [
      '{"output":[{"content":[{"logprobs":[ {"token":"x@"}]}]}]}',
      '{"output":[{"content":[{"logprobs":"[redacted:logprobs]"}]}]}',
    ],
    ['{"candidates":[{"logprobsResult":{}}]}', '{"candidates":[{"logprobsResult":{}}]}'],
  ])('%s', (body, kept) => expect(keep(detecting, body)).toBe(kept));

  test.each([
    '{}',
    ' { "a" : [ 1 , -2.5e+3 , true , null ] , "a" : "twice" } ',
    '{"created":1732500000,"big":12345678901234567890,"e":"caf\\u00e9 \\ud83d\\ude00","score":0.4111111111111111}',
    '{"id":"chatcmpl-018f3c5e","object":"chat.completion","choices":[]}',
    '[NaN,-Infinity]',
    '\ufeff{"a":1}',
    'plain text',
    '',
    '{"broken":',
    '{"__proto__":{"a":1}}',
  ])('%j stays as it is', (body) => expect(keep(detecting, body)).toBe(body));

  test('what is no JSON is searched as text', () => {
    expect(keep(detecting, '<p>x@y.example</p>')).toBe('<p>[redacted:email]</p>');
    expect(keep(detecting, '{"a":"x@y.example",}')).toBe('{"a":"[redacted:email]",}');
    expect(keep(detecting, "{'a':'x@y.example'}")).toBe("{'a':'[redacted:email]'}");
  });

  test.each([
    'data: {"text":"x@y"}\n\ndata: {"text":".example"}\n\n',
    ': hello\n\ndata: {"text":"x@y"}\n\n',
    'event: delta\ndata: "x@y"\n\n',
    '{"text":"x@y"}\n{"text":".example"}\n',
  ])('nothing is kept of %j, where a text may lie in pieces', (body) => {
    expect(keep(detecting, body)).toBe(UNREADABLE.bytes.toString());
  });

  test('what breaks off is kept up to there', () => {
    expect(keep(detecting, '{"a":"x@y.example","b":"mail x@y.exa')).toBe(
      '{"a":"[redacted:email]","b":"mail [redacted:email]',
    );
    expect(keep(detecting, '{"a":"x@y.example \\u00')).toBe('{"a":"[redacted:email] ');
  });

  test('other text than UTF-8 is not kept', () => {
    expect(keep(detecting, Buffer.from('{"a":"x@y.example"}', 'utf16le'))).toBe(UNREADABLE.bytes.toString());
  });

  test('nesting that would overflow the stack is searched as text', () => {
    const deep = `${'['.repeat(100_000)}"x@y.example"`;
    expect(keep(detecting, deep, 200_000)).toBe(`${'['.repeat(100_000)}"[redacted:email]"`);
    let inside = '"x@y.example"';
    for (let i = 0; i < 12; i++) inside = JSON.stringify(`${'['.repeat(60)}${inside}${']'.repeat(60)}`);
    expect(keep(detecting, inside, 1_000_000)).not.toContain('x@y');
  });
});

describe('paths', () => {
  const body = JSON.stringify({
    model: 'm',
    messages: [
      { role: 'user', content: 'secret', name: 'n' },
      { role: 'user', content: [{ type: 'text', text: 'secret' }] },
    ],
    metadata: { ssn: 'secret', other: 1 },
  });

  test('the value is replaced whole, whatever it is', () => {
    expect(JSON.parse(keep(hiding('messages.*.content', 'metadata.ssn'), body))).toEqual({
      model: 'm',
      messages: [
        { role: 'user', content: '[redacted:path]', name: 'n' },
        { role: 'user', content: '[redacted:path]' },
      ],
      metadata: { ssn: '[redacted:path]', other: 1 },
    });
    expect(JSON.parse(keep(hiding('messages'), body)).messages).toBe('[redacted:path]');
    expect(JSON.parse(keep(hiding('messages.0.content'), body)).messages[1].content).toHaveLength(1);
    expect(JSON.parse(keep(hiding('*'), '{"a":{"b":1},"c":null}'))).toEqual({ a: '[redacted:path]', c: null });
  });

  test('keys are found escaped, twice and in any case', () => {
    const tricky = '{"Secret":1,"secret":"a","s\\u0065cret":"b","secret":{"x":[1,2]}}';
    expect(keep(hiding('secret'), tricky)).not.toMatch(/"a"|"b"|:1|\[1/);
  });

  test.each([
    'secret',
    '{"a":"secret"',
    '{"a":"secret"}}',
    "{'content':'secret'}",
    '{"a":"secret",}',
    '\u0000secret',
  ])('nothing is kept of %j, which cannot be read', (broken) => {
    // A text that only breaks off was read up to there.
    const kept = keep(hiding('a', 'content'), broken);
    expect(kept).not.toContain('secret');
  });

  test('a value at its path is hidden where the text breaks off or is cut', () => {
    for (let bytes = 1; bytes <= body.length; bytes++) {
      const redactor = hiding('messages.*.content', 'metadata.ssn');
      expect(keep(redactor, body.slice(0, bytes))).not.toMatch(/"sec/);
      expect(keep(redactor, body, bytes)).not.toMatch(/"sec/);
    }
  });
});

describe('a body that is longer than what is kept', () => {
  const canary = 'alice@example.com';
  const bodyOf = (before: number) =>
    JSON.stringify({ a: 'x'.repeat(before), b: canary, c: 'y'.repeat(2 * LOOK_AHEAD_BYTES) });

  test('ends at maxBytes, and what lies across the cut is not kept in part', () => {
    const body = bodyOf(50);
    for (let maxBytes = 0; maxBytes < 120; maxBytes++) {
      const kept = keep(detecting, body, maxBytes);
      expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(maxBytes);
      expect(kept).not.toContain('alice');
    }
  });

  test('also in text that is no JSON, with escapes and with characters of several bytes', () => {
    const texts = [
      `${'é'.repeat(40)} ${canary} ${'z'.repeat(9_000)}`,
      `{"a":"\\n\\u00e9\\n ${canary} ${'z'.repeat(9_000)}"}`,
    ];
    for (const text of texts) {
      for (let maxBytes = 1; maxBytes < 120; maxBytes++) expect(keep(detecting, text, maxBytes)).not.toContain('alice');
    }
  });
});

test('a value is redacted as a document of its own', () => {
  const redactor = compileRedactor({ ...NOTHING, detectors: ['email', 'card'], paths: ['metadata.ssn'] })!;
  expect(redactor.value({ metadata: { mail: 'x@y.example', ssn: '1', n: 4111111111111111, ok: true } })).toEqual({
    metadata: { mail: '[redacted:email]', ssn: '[redacted:path]', n: '[redacted:card]', ok: true },
  });
});

describe('patterns', () => {
  const redactor = compileRedactor({
    ...NOTHING,
    patterns: [
      { name: 'ssn', pattern: '\\b\\d{3}-\\d{2}-\\d{4}\\b' },
      { name: 'employee', pattern: '(?i)emp-[0-9a-f]{6}' },
    ],
  })!;

  test.each([
    ['😀 078-05-1120 and EMP-00ffee', '😀 [redacted:ssn] and [redacted:employee]'],
    ['no 1078-05-1120', 'no 1078-05-1120'],
  ])('%s', (text, kept) => expect(redactor.text(text)).toBe(kept));

  test('numbers of JSON are looked at too', () => {
    const digits = compileRedactor({ ...NOTHING, patterns: [{ name: 'id', pattern: '\\b77\\d{4}\\b' }] })!;
    expect(keep(digits, '{"n":[771234,7712345,77.5]}')).toBe('{"n":["[redacted:id]",7712345,77.5]}');
  });

  test('one that does not compile fails the snapshot', () => {
    const bad = { ...NOTHING, patterns: [{ name: 'bad', pattern: '(?<=a)b(' }] };
    expect(() => compileRedactor(bad)).toThrow(/"bad" is no RE2 pattern/);
  });
});
