import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { expect, test } from 'vitest';
import type { ArchivePage } from '#inference-log/archive/format.ts';
import { lineOf } from '#inference-log/archive/jsonl.ts';
import { PARQUET } from '#inference-log/archive/parquet.ts';

const columns = {
  inferences: ['unit', 'status', 'total_ns', 'streamed', 'created_at', 'attempts'],
  payloads: ['response_type', 'request', 'response'],
};
const types = {
  inferences: {
    ...{ unit: 'text', status: 'smallint', total_ns: 'bigint', streamed: 'boolean', attempts: 'jsonb' },
    created_at: 'timestamp with time zone',
  },
  payloads: { response_type: 'text', request: 'bytea', response: 'bytea' },
};

const bytes = fc.option(fc.uint8Array({ maxLength: 50 }));
const row = fc.record({
  row: fc
    .record({
      unit: fc.option(fc.string({ unit: 'grapheme' })),
      status: fc.integer({ min: -32_768, max: 32_767 }),
      total_ns: fc.option(fc.maxSafeInteger()),
      streamed: fc.option(fc.boolean()),
      created_at: fc.constantFrom('2026-01-05T00:00:00+00:00', '2026-01-05T01:02:03.456789+01:00'),
      attempts: fc.constantFrom([], [{ n: 1 }], null),
    })
    // A number that no double holds, as PostgreSQL would write it.
    .map((values) => JSON.stringify(values).replace('"n":1', '"n":1.10,"m":12345678901234567890123')),
  payload: fc.option(
    fc.record({
      fields: fc.constantFrom('{"response_type" : "a"}', '{"response_type":null}'),
      bytes: fc.record({ request: bytes, response: bytes }),
    }),
  ),
});

async function fileOf(pages: readonly (readonly ArchivePage['rows'][number][])[]): Promise<Buffer> {
  async function* source(): AsyncGenerator<ArchivePage> {
    for (const rows of pages) yield { columns, types, rows };
    yield { columns, types, rows: [] };
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of PARQUET.encode(source())) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('lines come back to the byte, in order, however many row groups there are', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(row, { maxLength: 8 }), { maxLength: 4 }), async (pages) => {
      const file = await fileOf(pages);
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < file.length; at += 100) yield file.subarray(at, at + 100);
      }
      const lines: string[] = [];
      for await (const some of PARQUET.decode(pieces())) lines.push(...some);
      expect(lines).toEqual(pages.flat().map(lineOf));
    }),
    { numRuns: 60 },
  );
});

test('who reads the file by other means finds typed columns', async () => {
  const values = { unit: 'ü', status: 429, total_ns: 4e9, streamed: false, created_at: '2026-01-05T00:00:00+00:00' };
  const rows = [{ row: JSON.stringify({ ...values, attempts: [{ a: 1 }] }), payload: null }];
  const folder = await mkdtemp(join(tmpdir(), 'rs-parquet-'));
  const path = join(folder, 'x.parquet');
  await writeFile(path, await fileOf([rows]));
  const compressors = { ZSTD: (input: Uint8Array) => zstdDecompressSync(input) };
  const found = await parquetReadObjects({ file: await asyncBufferFromFile(path), compressors });
  await rm(folder, { recursive: true });
  expect(found).toMatchObject([
    { ...values, total_ns: 4_000_000_000n, created_at: new Date(values.created_at), attempts: '[{"a":1}]' },
  ]);
});
