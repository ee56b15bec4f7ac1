import { isUtf8 } from 'node:buffer';
import { pipeline, Readable } from 'node:stream';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import type { ArchivedPayload, ArchivedRow } from '#store/archive-rows.ts';
import type { ArchiveFormat, ArchivePage } from './format.ts';

/**
 * One JSON object per line, compressed with zstd: the columns of the inference as PostgreSQL writes them, and
 *
 *     "payload": null | { …columns, "request": null | { "text": … } | { "base64": … }, … }
 *
 * Bytes that are UTF-8 without NUL are text, so that the files can be read and searched with everyday tools; whichever it is,
 * exactly the same bytes come back. PostgreSQL's JSON cannot hold NUL.
 */
export const JSONL: ArchiveFormat = {
  name: 'jsonl',
  extension: 'jsonl.zst',
  encode: (pages) => through(lineChunks(pages), createZstdCompress(COMPRESSION)),
  decode: (chunks) => split(through(chunks, createZstdDecompress())),
};

/** Level 3 is zstd's own default: about as fast as rows are read. */
const COMPRESSION = {
  params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
};
const NEWLINE = 10;

/** A row as a line, without its end. */
export function lineOf({ row, payload }: ArchivedRow): string {
  return `${row.slice(0, -1)},"payload":${payload === null ? 'null' : payloadOf(payload)}}`;
}

function payloadOf({ fields, bytes }: ArchivedPayload): string {
  const inner = fields.trim().slice(1, -1).trim();
  const entries = Object.entries(bytes).map(([name, value]) => `${JSON.stringify(name)}:${bytesOf(value)}`);
  return `{${[...(inner === '' ? [] : [inner]), ...entries].join(',')}}`;
}

function bytesOf(value: Uint8Array | null): string {
  if (value === null) return 'null';
  const buffer = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (isUtf8(buffer) && !buffer.includes(0)) return `{"text":${JSON.stringify(buffer.toString('utf8'))}}`;
  return `{"base64":"${buffer.toString('base64')}"}`;
}

async function* lineChunks(pages: AsyncIterable<ArchivePage>): AsyncGenerator<Uint8Array> {
  for await (const { rows } of pages) {
    if (rows.length > 0) yield Buffer.from(`${rows.map(lineOf).join('\n')}\n`);
  }
}

/** What comes out of a transform; an error of either side is thrown to who reads, and leaving early ends both. */
async function* through(
  chunks: AsyncIterable<Uint8Array>,
  transform: NodeJS.ReadWriteStream,
): AsyncGenerator<Uint8Array> {
  pipeline(Readable.from(chunks), transform, () => undefined); // its error is the one that reading throws
  for await (const chunk of transform) yield chunk as unknown as Uint8Array;
}

async function* split(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  let pieces: Uint8Array[] = [];
  for await (const chunk of chunks) {
    const last = chunk.lastIndexOf(NEWLINE);
    if (last === -1) {
      pieces.push(chunk);
      continue;
    }
    const text = Buffer.concat([...pieces, chunk.subarray(0, last)]).toString('utf8');
    pieces = last + 1 < chunk.length ? [chunk.subarray(last + 1)] : [];
    yield text.split('\n');
  }
  if (pieces.length > 0) throw new Error('the last line is cut off');
}
