import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeString, planScan, scanBody } from '#core/body-scan.ts';

const KEYS = ['model', 'stream', 'stream_options', 'user', 'models'];
const plan = planScan(KEYS);
const scan = (text: string | Buffer) => scanBody(Buffer.from(text as string), plan);
const message = (text: string) => {
  const result = scan(text);
  return result.kind === 'bad' ? result.message : 'accepted';
};

describe('scanBody', () => {
  test('agrees with JSON.parse on every object: each governed value is found where it is, whatever surrounds it', () => {
    const value = fc.jsonValue({ maxDepth: 4 });
    const object = fc.dictionary(
      fc.oneof(fc.constantFrom(...KEYS), fc.string({ unit: 'grapheme', maxLength: 8 })),
      value,
    );
    fc.assert(
      fc.property(object, fc.constantFrom(0, 1, '\t', '\r\n'), (body, indent) => {
        fc.pre(Object.keys(body).every((key) => KEYS.includes(key) || !KEYS.includes(key.toLowerCase())));
        const bytes = Buffer.from(` \n${JSON.stringify(body, null, indent)}\r\n`);
        const result = scanBody(bytes, plan);
        if (result.kind !== 'ok') throw new Error(result.message);
        const parsed = JSON.parse(bytes.toString()) as Record<string, unknown>;
        KEYS.forEach((key, index) => {
          const span = result.spans[index];
          expect(span === undefined).toBe(!Object.hasOwn(parsed, key));
          if (span) expect(JSON.parse(bytes.toString('utf8', span.start, span.end))).toEqual(parsed[key]);
        });
      }),
    );
  });

  test('never accepts a cut: no proper prefix of an object is an object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (body, cut) => {
        const whole = Buffer.from(JSON.stringify(body));
        expect(scan(whole.subarray(0, cut % whole.length)).kind).toBe('bad');
      }),
    );
  });

  test('never throws and never reads past the end, whatever the bytes', () => {
    const nasty = fc.array(
      fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', ' ', '1', 'model', '\u0000', '\ud800', 'é'),
    );
    fc.assert(
      fc.property(nasty, (parts) => void scan(`{${parts.join('')}`)),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => void scan(Buffer.from(bytes))),
      { numRuns: 1000 },
    );
  });

  test('judges a key by its decoded text, however it is written', () => {
    const own = planScan(['model', 'top_k', 'stop', 'Seed', 'n']);
    const written = (char: string) =>
      fc.constantFrom(
        ...[char, char, char, char.toUpperCase(), `\\u00${char.charCodeAt(0).toString(16)}`],
        ...(char === 's' ? ['\u017f', '\\u017f'] : char === 'k' ? ['\u212a', '\\u212A'] : []),
      );
    const key = fc
      .constantFrom(...own.keys, 'models', 'tools', '_odel', 'n'.repeat(70))
      .chain((name) => fc.tuple(...[...name].map(written)).map((chars) => chars.join('')));
    const folded = (name: string) => name.toLowerCase().replaceAll('\u017f', 's');
    fc.assert(
      fc.property(key, key, (first, second) => {
        const names = [first, second].map((raw) => JSON.parse(`"${raw}"`) as string);
        const known = names.map((name) => own.keys.find((each) => folded(each) === folded(name)));
        const wrong = names.findIndex((name, index) => known[index] !== undefined && known[index] !== name);
        const isTwice = known[0] !== undefined && names[0] === known[0] && names[0] === names[1];
        const result = scanBody(Buffer.from(`{"${first}":1, "${second}" : 2}`), own);
        const param = wrong !== -1 ? known[wrong] : isTwice ? names[0] : undefined;
        if (result.kind === 'bad') expect(result.param).toBe(param);
        else {
          expect(param).toBeUndefined();
          own.keys.forEach((name, index) => {
            expect(result.spans[index]?.start).toBe(
              names[0] === name
                ? Buffer.byteLength(first) + 4
                : names[1] === name
                  ? Buffer.byteLength(first + second) + 12
                  : undefined,
            );
          });
        }
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['', /empty/],
    ['   ', /empty/],
    ['[]', /one JSON object/],
    ['null', /one JSON object/],
    ['\ufeff{}', /one JSON object/],
    ['{"a":1}x', /goes on/],
    ['{"a":1}{}', /goes on/],
    ['{"a":[1,2}', /unbalanced/],
    ['{"a":{"b":1]}', /unbalanced/],
    ['{"a":"b}', /ends before/],
    ['{"a', /inside a string/],
    ['{"a":1,}', /Expected a key/],
    ['{"a" 1}', /Expected ":"/],
    ['{"a":1 "b":2}', /Expected ","/],
    ['{"a":}', /Expected a JSON value/],
    ['{"model":"x","model":"y"}', /"model" appears twice/],
    ['{"model":"x","mod\\u0065l":"y"}', /"model" appears twice/],
    ['{"Model":"x"}', /only in case/],
    ['{"u\\u017fer":"x"}', /only in case/],
    ['{"uſer":"x"}', /only in case/],
    ['{"\\x":1}', /not a valid JSON string/],
    [`{"a":${'['.repeat(128)}${']'.repeat(128)}}`, /deeper than 128/],
  ])('refuses %j', (body, wanted) => {
    expect(message(body)).toMatch(wanted);
  });

  test('accepts 127 levels inside the object and decodes escaped keys and values', () => {
    expect(scan(`{"a":${'['.repeat(127)}${']'.repeat(127)}}`).kind).toBe('ok');
    const bytes = Buffer.from('{"mod\\u0065l":"caf\\u00e9 \\"x\\""}');
    const result = scanBody(bytes, plan);
    if (result.kind !== 'ok') throw new Error(result.message);
    expect(decodeString(bytes, result.spans[0]!)).toBe('café "x"');
  });
});
