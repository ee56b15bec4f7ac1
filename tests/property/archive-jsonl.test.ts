import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ArchivePage } from '#inference-log/archive/format.ts';
import { JSONL, lineOf } from '#inference-log/archive/jsonl.ts';

const bytes = fc.oneof(
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => new Uint8Array(Buffer.from(text))),
  fc.constantFrom('\u2028\n"}', ',"payload":null}', '\ufeff{}', '').map((text) => new Uint8Array(Buffer.from(text))),
);
const row = fc.record({
  row: fc
    .dictionary(fc.string(), fc.jsonValue(), { minKeys: 1, noNullPrototype: true })
    .map((value) => JSON.stringify(value)),
  payload: fc.option(
    fc.record({
      fields: fc.constantFrom('{"response_type" : "a"}', '{"response_type":null}', '{}'),
      bytes: fc.record({ request: bytes, response: bytes }),
    }),
  ),
});
const columns = { inferences: [], payloads: [] };
const types = { inferences: {}, payloads: {} };

interface Decoded {
  readonly payload: null | Record<string, null | { readonly text?: string; readonly base64?: string }>;
}

test('every line is JSON from which each byte comes back, and none is text that PostgreSQL could not take', () => {
  fc.assert(
    fc.property(row, ({ row: json, payload }) => {
      const line = lineOf({ row: json, payload });
      expect(line).not.toContain('\n');
      const decoded = JSON.parse(line) as Decoded;
      if (payload === null) {
        expect(line.endsWith('"payload":null}')).toBe(true);
        return;
      }
      for (const [name, value] of Object.entries(payload.bytes)) {
        const found = decoded.payload![name]!;
        if (value === null) {
          expect(found).toBeNull();
          continue;
        }
        if (found?.text !== undefined) expect(found.text).not.toContain('\0');
        const back = found?.text === undefined ? Buffer.from(found!.base64!, 'base64') : Buffer.from(found.text);
        expect(back.equals(value)).toBe(true);
      }
      expect(line.endsWith('"payload":null}')).toBe(false);
    }),
  );
});

test('lines come back in order, however the compressed bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(row, { maxLength: 6 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 50 }),
      async (pages, cut) => {
        async function* source(): AsyncGenerator<ArchivePage> {
          for (const rows of pages) yield { columns, types, rows };
        }
        const encoded: Uint8Array[] = [];
        for await (const chunk of JSONL.encode(source())) encoded.push(chunk);
        const whole = Buffer.concat(encoded);
        async function* pieces(): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < whole.length; at += cut) yield whole.subarray(at, at + cut);
        }
        const lines: string[] = [];
        for await (const some of JSONL.decode(pieces())) lines.push(...some);
        expect(lines).toEqual(pages.flat().map(lineOf));
      },
    ),
    { numRuns: 60 },
  );
});

test('an error of the source, or of who reads, ends the stream', async () => {
  async function* failing(): AsyncGenerator<ArchivePage> {
    yield { columns, types, rows: [{ row: '{"a":1}', payload: null }] };
    throw new Error('the source broke');
  }
  const drain = async (chunks: AsyncIterable<Uint8Array>) => {
    for await (const _ of chunks);
  };
  await expect(drain(JSONL.encode(failing()))).rejects.toThrow('the source broke');
  async function* junk(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('this is not compressed');
  }
  await expect(
    (async () => {
      for await (const _ of JSONL.decode(junk()));
    })(),
  ).rejects.toThrow();
});
