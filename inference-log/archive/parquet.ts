import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { ByteWriter, type ColumnSource, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import type { ArchivedRow } from '#store/archive-rows.ts';
import type { ArchiveFormat, ArchivePage } from './format.ts';
import { lineOf } from './jsonl.ts';

/**
 * Parquet with a row group per page of rows, compressed with zstd. The columns of the inference have types, for queries, and
 * beside them lies what a restore reads, to the byte:
 *
 *     ringside_row      the whole row as PostgreSQL's JSON: numbers keep every digit
 *     ringside_payload  the columns of its payload that are not bytes, as JSON; null without a payload
 *     payload_…         the others, as bytes
 */
export const PARQUET: ArchiveFormat = { name: 'parquet', extension: 'parquet', encode, decode };

const ROW = 'ringside_row';
const FIELDS = 'ringside_payload';
const BYTES_PREFIX = 'payload_';
const COMPRESSORS = {
  ZSTD: (input: Uint8Array): Uint8Array => zstdCompressSync(input),
};
const DECOMPRESSORS = {
  ZSTD: (input: Uint8Array): Uint8Array => zstdDecompressSync(input),
};

type Values = Readonly<Record<string, unknown>>;

/** How a PostgreSQL type is written: the rest is text. */
interface Kind {
  readonly element: Omit<SchemaElement, 'name'>;
  readonly of: (value: unknown) => unknown;
}

const TEXT: Kind = {
  element: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  of: (value) => (typeof value === 'string' ? value : JSON.stringify(value)),
};
const INT32: Kind = { element: { type: 'INT32' }, of: Number };
const KINDS: Readonly<Record<string, Kind>> = {
  boolean: { element: { type: 'BOOLEAN' }, of: Boolean },
  smallint: INT32,
  integer: INT32,
  bigint: { element: { type: 'INT64' }, of: (value) => BigInt(Number(value)) },
  'timestamp with time zone': {
    element: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
    of: (value) => new Date(String(value)),
  },
};

async function* encode(pages: AsyncIterable<ArchivePage>): AsyncGenerator<Uint8Array> {
  const writer = new ByteWriter();
  let file: ParquetWriter | undefined;
  /** The writer's own way to a file: `offset` counts on, the buffer is used again. */
  const taken = () => {
    const bytes = Buffer.from(writer.getBytes());
    writer.index = 0;
    return bytes;
  };
  for await (const page of pages) {
    file ??= new ParquetWriter({ writer, schema: schemaOf(page), codec: 'ZSTD', compressors: COMPRESSORS });
    if (page.rows.length === 0) continue;
    await file.write({ columnData: columnsOf(page), rowGroupSize: page.rows.length });
    yield taken();
  }
  await file?.finish();
  yield taken();
}

function schemaOf({ columns, types }: ArchivePage): SchemaElement[] {
  const bytes = bytesColumns({ columns, types });
  const leaves = [
    ...columns.inferences.map((name) => ({ name, ...kindOf(types, name).element })),
    { name: ROW, ...TEXT.element },
    { name: FIELDS, ...TEXT.element },
    ...bytes.map((name) => ({ name: `${BYTES_PREFIX}${name}`, type: 'BYTE_ARRAY' as const })),
  ];
  return [
    { name: 'root', num_children: leaves.length },
    ...leaves.map((leaf) => ({ ...leaf, repetition_type: 'OPTIONAL' as const })),
  ];
}

function columnsOf({ columns, types, rows }: ArchivePage): ColumnSource[] {
  const parsed = rows.map(({ row }) => JSON.parse(row) as Values);
  // Neither has any use for statistics or a dictionary.
  const plain = { encoding: 'PLAIN', statistics: false } as const;
  return [
    ...columns.inferences.map((name): ColumnSource => {
      const { of } = kindOf(types, name);
      return { name, data: parsed.map((values) => (values[name] === null ? null : of(values[name]))) };
    }),
    { name: ROW, data: rows.map(({ row }) => row), ...plain },
    { name: FIELDS, data: rows.map(({ payload }) => payload?.fields ?? null) },
    ...bytesColumns({ columns, types }).map((name): ColumnSource => {
      const data = rows.map(({ payload }) => payload?.bytes[name] ?? null);
      return { name: `${BYTES_PREFIX}${name}`, data, ...plain };
    }),
  ];
}

function kindOf(types: ArchivePage['types'], name: string): Kind {
  return KINDS[types.inferences[name] ?? ''] ?? TEXT;
}

function bytesColumns({ columns, types }: Pick<ArchivePage, 'columns' | 'types'>): readonly string[] {
  return columns.payloads.filter((name) => types.payloads[name] === 'bytea');
}

/** A Parquet file says at its end what it holds: it is laid down in a temporary folder first. */
async function* decode(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'ringside-archive-'));
  try {
    const path = join(folder, 'archive.parquet');
    const copy = await open(path, 'w', 0o600);
    try {
      for await (const chunk of chunks) await copy.writeFile(chunk);
    } finally {
      await copy.close();
    }
    yield* linesOf(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* linesOf(path: string): AsyncGenerator<readonly string[]> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const bytes = metadata.schema.map(({ name }) => name).filter((name) => name.startsWith(BYTES_PREFIX));
  const columns = [ROW, FIELDS, ...bytes];
  const shared = { file, metadata, columns, compressors: DECOMPRESSORS, utf8: false };
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await parquetReadObjects({ ...shared, rowStart, rowEnd });
    yield rows.map((values) => lineOf(rowOf(values, bytes)));
    rowStart = rowEnd;
  }
}

function rowOf(values: Values, bytes: readonly string[]): ArchivedRow {
  const { [ROW]: row, [FIELDS]: fields } = values;
  if (typeof row !== 'string') throw new Error(`a row has no ${ROW}`);
  if (typeof fields !== 'string') return { row, payload: null };
  const entries = bytes.map((name) => [name.slice(BYTES_PREFIX.length), (values[name] ?? null) as Uint8Array | null]);
  return { row, payload: { fields, bytes: Object.fromEntries(entries) } };
}
