import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addHeader, bindEndpoint, bindHead, encodeRequest, NO_HEADERS } from '#gateway/upstream/request-head.ts';

const origin = 'https://api.example:8443';
const call = (body: readonly Buffer[], bodyBytes = body.reduce((sum, piece) => sum + piece.length, 0)) => ({
  endpoint: bindEndpoint(origin, 1_000),
  head: bindHead(origin, '/v1/chat', ['authorization', 'Bearer \xe4']),
  headers: addHeader(NO_HEADERS, 'tracestate', 'a=b'),
  body,
  bodyBytes,
  firstByteTimeoutMs: 1,
  idleTimeoutMs: 1,
});
const HEAD =
  'POST /v1/chat HTTP/1.1\r\nhost: api.example:8443\r\nconnection: keep-alive\r\nauthorization: Bearer \xe4\r\ntracestate: a=b\r\n';

describe('headers', () => {
  test.each([
    ['CR and LF', 'x', 'a\r\nb: c'],
    ['CR', 'x', 'a\rb'],
    ['LF', 'x', 'a\nb'],
    ['NUL', 'x', 'a\0b'],
    ['beyond latin1', 'x', 'ā'],
    ['LF that latin1 would cut out of a larger character', 'x', '\u010a'],
    ['no name', '', 'a'],
    ['a name with a colon', 'x: y', 'a'],
    ['a name with a line end', 'x\r\ny', 'a'],
    ['a length of its own', 'Content-Length', '5'],
    ['a coding of its own', 'transfer-encoding', 'chunked'],
  ])('refused: %s', (_, name, value) =>
    expect(() => addHeader(NO_HEADERS, name, value)).toThrow(expect.objectContaining({ code: 'bad_request' })));

  test('the refusal names the header and never its value', () =>
    expect(() => addHeader(NO_HEADERS, 'tracestate', 'planted\n')).toThrow(
      'The header "tracestate" cannot be passed on as it is.',
    ));

  test('any name and value make one line or none', () => {
    const text = fc.string({ unit: 'binary', maxLength: 12 });
    fc.assert(
      fc.property(text, text, (name, value) => {
        let line: string;
        try {
          line = addHeader(NO_HEADERS, name, value);
        } catch {
          return;
        }
        expect(Buffer.from(line, 'latin1').toString('latin1')).toBe(line);
        expect(line.slice(0, -2)).not.toMatch(/[\r\n\0]/);
        expect(line.endsWith('\r\n')).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  test('a path that could end the request line is refused', () => {
    for (const path of ['v1', '/a b', '/a\r\n', '/\u010a', '/\x7f'])
      expect(() => bindHead(origin, path, [])).toThrow(TypeError);
  });
});

describe('requests', () => {
  test('a small body stands behind its head', () => {
    const { bytes, whole } = encodeRequest(call([Buffer.from('{'), Buffer.from('ä}')]));
    expect(whole).toBe(true);
    expect(
      bytes.equals(Buffer.concat([Buffer.from(`${HEAD}content-length: 4\r\n\r\n`, 'latin1'), Buffer.from('{ä}')])),
    ).toBe(true);
  });

  test('a large one is not copied', () => {
    const { bytes, whole } = encodeRequest(call([Buffer.alloc(65_537)]));
    expect(whole).toBe(false);
    expect(bytes.toString('latin1')).toBe(`${HEAD}content-length: 65537\r\n\r\n`);
  });

  test('a length that is not the body’s is our defect', () => {
    expect(() => encodeRequest(call([Buffer.from('ab')], 3))).toThrow(RangeError);
    expect(() => encodeRequest(call([Buffer.from('ab')], 1))).toThrow(RangeError);
    expect(() => encodeRequest(call([Buffer.alloc(70_000)], 70_001))).toThrow(RangeError);
  });
});
